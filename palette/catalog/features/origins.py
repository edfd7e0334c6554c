"""What a feature group is computed from, as its source says: tables, a function, a topic, a service."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

from palette.definitions import BatchSource, FeatureGroup, RPCSource, StreamSource
from palette.paths import has_scheme

__all__ = ["GroupTables", "Origin", "mentions", "origins", "same_table", "sql_fault", "tables_of"]

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FILE = re.compile(r"[A-Za-z]+\.`((?:[^`]|``)*/(?:[^`]|``)*)`")
METASTORE = "metastore:"


class Origin(NamedTuple):
    """A thing that rows come from: its kind (``table``, ``function``, ``topic``, ``service``) and its name."""

    kind: str
    name: str


def origins(group: FeatureGroup) -> tuple[list[Origin], str | None]:
    """Return what a group is computed from, and why that may not be all, or None.

    Examples
    --------
    >>> from palette.definitions import Feature
    >>> source = BatchSource(sql="SELECT * FROM orders JOIN geo.places USING (r_id)")
    >>> found, missing = origins(FeatureGroup("g", entity="e", features=[Feature("x", "int")], source=source))
    >>> [origin.name for origin in found], missing
    (['geo.places', 'orders'], None)
    """
    source = group.source
    if group.table is not None:
        path = group.table.startswith("/") or has_scheme(group.table)
        return [Origin("table", f"delta.`{group.table}`" if path else group.table.lower())], None
    if isinstance(source, BatchSource) and source.sql is not None:
        try:
            return [Origin("table", name) for name in tables_of(source.sql)], None
        except ValueError as error:
            return [], f"the tables that {group.full_name} reads are not known: {error}"
    if isinstance(source, BatchSource):
        missing = f"the tables that {group.full_name} reads are not known: a function reads them"
        return [Origin("function", str(source.function))], missing
    if isinstance(source, StreamSource):
        return [Origin("topic", source.topic)], None
    return ([Origin("service", source.url)] if isinstance(source, RPCSource) else []), None


@functools.lru_cache(4096)
def tables_of(sql: str) -> tuple[str, ...]:
    """Return the tables that a Spark SQL query reads, in lower case and order; not those that it names itself.

    Raises
    ------
    ValueError
        If it cannot be told: the query is not understood, or there is no sqlglot to read it.

    Examples
    --------
    >>> tables_of("WITH late AS (SELECT * FROM DB.orders) SELECT * FROM late JOIN delta.`/data/places`")
    ('db.orders', 'delta.`/data/places`')
    """
    try:
        import sqlglot
        from sqlglot import exp
        from sqlglot.optimizer.scope import traverse_scope
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}: pip install 'palette-features[catalog]'") from error
    try:
        trees = sqlglot.parse(sql, read="spark")
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise ValueError("its SQL is no query that sqlglot understands")
        read = [source for scope in traverse_scope(trees[0]) for source in scope.sources.values()]
    except (sqlglot.errors.SqlglotError, AttributeError, LookupError, RecursionError, TypeError) as error:
        # Its parser stumbles over some texts that are no SQL.
        raise ValueError("its SQL is not understood by sqlglot") from error
    tables = [one for one in read if isinstance(one, exp.Table) and isinstance(one.this, exp.Identifier)]
    return tuple(sorted({".".join(_part(part.name) for part in table.parts) for table in tables}))


def sql_fault(sql: str) -> str | None:
    """Tell why a text is no Spark SQL query for sqlglot, or None; Spark may understand it all the same.

    Raises
    ------
    ModuleNotFoundError
        If there is no sqlglot.

    Examples
    --------
    >>> sql_fault("SELECT count(* FROM orders")
    'line 1, column 19: Expecting )'
    >>> sql_fault("DROP TABLE orders")
    'it finds no query'
    """
    import sqlglot
    from sqlglot import exp

    try:
        queries = sqlglot.parse(sql, read="spark")
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        told = str(first.get("description") or error).partition("<Token")[0].strip()
        return f"line {first.get('line')}, column {first.get('col')}: {told}" if first.get("line") else told
    except (sqlglot.errors.SqlglotError, AttributeError, LookupError, RecursionError, TypeError) as error:
        return str(error).partition("\n")[0]
    if len(queries) != 1:
        return f"{len(queries)} queries, expected one"
    return None if isinstance(queries[0], (exp.Query, exp.Values)) else "it finds no query"


def mentions(group: FeatureGroup, table: str) -> bool:
    """Tell whether a group may read a table, without reading its SQL; that takes a while with thousands of them."""
    source = group.source
    if not isinstance(source, BatchSource) or source.sql is None:
        return True
    return _folded(_path(table) or table).rpartition(".")[2] in _folded(source.sql)


def same_table(one: str, other: str) -> bool:
    """Tell whether two texts name one table; case and backticks do not matter, and a file is known by its path.

    Examples
    --------
    >>> same_table("DB.Orders", "db.`orders`"), same_table("parquet.`data/meals.parquet`", "./data/meals.parquet")
    (True, True)
    """
    if _folded(one) == _folded(other):
        return True
    path = _path(one)
    return path is not None and path == (_path(other) or _normal(other))


class GroupTables:
    """The tables of feature groups, by the names that SQL has for them.

    Parameters
    ----------
    root : str, optional
        Where they are: a path, or ``metastore:CATALOG.SCHEMA``. Without it no table is known.
    groups : iterable of str
        Full names.

    Examples
    --------
    >>> of_files, of_metastore = GroupTables("/s/tables", ["e:g"]), GroupTables("metastore:main.s", ["e:g"])
    >>> of_files.group("delta.`/s/tables/e/g`"), of_files.group("delta.`s/tables/e/g`"), of_metastore.group("s.e__g")
    ('e:g', 'e:g', 'e:g')
    >>> of_files.group("e.g"), of_metastore.group("other.e__g")
    (None, None)
    """

    def __init__(self, root: str | None, groups: Iterable[str]) -> None:
        self._schema = _folded(root.removeprefix(METASTORE)) if root and root.startswith(METASTORE) else None
        self._root = _normal(root) if root and self._schema is None else None
        self._groups = {self._ending(name): name for name in groups}

    def _ending(self, name: str) -> str:
        return name.replace(":", "/") if self._schema is None else name.replace(":", "__").casefold()

    def group(self, table: str) -> str | None:
        """Return the full name of the group whose table this is, or None."""
        if self._schema is not None:
            name = _folded(table)
            whole = f"{self._schema}.{name.rpartition('.')[2]}"
            return self._groups.get(name.rpartition(".")[2]) if f".{whole}".endswith(f".{name}") else None
        path = _path(table)
        if path is None or self._root is None:
            return None
        ending = "/".join(path.split("/")[-2:])
        whole = f"{self._root}/{ending}"
        # A path that counts from where the job runs is known by the last directory of the root.
        near = not path.startswith("/") and path.count("/") > 1 and whole.endswith(f"/{path}")
        return self._groups.get(ending) if path == whole or near else None

    def mentions(self, group: FeatureGroup, name: str) -> bool:
        """Tell whether a group may read the table of the group ``name``."""
        source = group.source
        sql = source.sql if isinstance(source, BatchSource) else None
        return sql is not None and self._ending(name).casefold() in _folded(sql)


def _path(table: str) -> str | None:
    """Return the path in ``FORMAT.`PATH```, or None."""
    found = FILE.fullmatch(table)
    return None if found is None else _normal(found[1].replace("``", "`"))


def _normal(path: str) -> str:
    path = path.removeprefix("file://") if path.startswith("file:///") else path.removeprefix("file:")
    return path.rstrip("/") if "://" in path else posixpath.normpath(path)


def _folded(text: str) -> str:
    return text.replace("`", "").casefold()


def _part(name: str) -> str:
    # Spark's names have no case; those of files have.
    name = name if "/" in name else name.lower()
    return name if PLAIN.fullmatch(name) else "`" + name.replace("`", "``") + "`"
