"""Origins of feature groups according to their sources: tables, functions, topics, services."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

from palette.definitions import BatchSource, FeatureGroup, RPCSource, StreamSource
from palette.paths import has_scheme

__all__ = ["GroupTables", "Origin", "mentions", "origins", "same_table", "sql_error", "tables_of"]

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FILE = re.compile(r"[A-Za-z]+\.`((?:[^`]|``)*/(?:[^`]|``)*)`")
METASTORE = "metastore:"


class Origin(NamedTuple):
    """An origin of rows: its kind (``table``, ``function``, ``topic``, ``service``) and its name."""

    kind: str
    name: str


def origins(group: FeatureGroup) -> tuple[list[Origin], str | None]:
    """Return the origins of a group, and the reason why they may be incomplete, or None.

    Examples
    --------
    >>> from palette.definitions import Feature
    >>> source = BatchSource(sql="SELECT * FROM orders JOIN geo.places USING (r_id)")
    >>> tables, reason = origins(FeatureGroup("g", entity="e", features=[Feature("x", "int")], source=source))
    >>> [origin.name for origin in tables], reason
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
        reason = f"the tables that {group.full_name} reads are not known: a function reads them"
        return [Origin("function", str(source.function))], reason
    if isinstance(source, StreamSource):
        return [Origin("topic", source.topic)], None
    return ([Origin("service", source.url)] if isinstance(source, RPCSource) else []), None


@functools.lru_cache(4096)
def tables_of(sql: str) -> tuple[str, ...]:
    """Return the tables that a Spark SQL query reads, in lower case and sorted, without its own named subqueries.

    Raises
    ------
    ValueError
        If the query cannot be parsed, or sqlglot is not installed.

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
            raise ValueError("its SQL is not a query that sqlglot understands")
        read = [source for scope in traverse_scope(trees[0]) for source in scope.sources.values()]
    except (sqlglot.errors.SqlglotError, AttributeError, LookupError, RecursionError, TypeError) as error:
        # The parser raises these for some invalid strings.
        raise ValueError("its SQL is not understood by sqlglot") from error
    tables = [source for source in read if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)]
    return tuple(sorted({".".join(_quote(part.name) for part in table.parts) for table in tables}))


def sql_error(sql: str) -> str | None:
    """Return why sqlglot rejects a Spark SQL query, or None; Spark may accept it all the same.

    Raises
    ------
    ModuleNotFoundError
        If sqlglot is not installed.

    Examples
    --------
    >>> sql_error("SELECT count(* FROM orders")
    'line 1, column 19: Expecting )'
    >>> sql_error("DROP TABLE orders")
    'not a query'
    """
    import sqlglot
    from sqlglot import exp

    try:
        queries = sqlglot.parse(sql, read="spark")
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        message = str(first.get("description") or error).partition("<Token")[0].strip()
        return f"line {first.get('line')}, column {first.get('col')}: {message}" if first.get("line") else message
    except (sqlglot.errors.SqlglotError, AttributeError, LookupError, RecursionError, TypeError) as error:
        return str(error).partition("\n")[0]
    if len(queries) != 1:
        return f"{len(queries)} queries, expected one"
    return None if isinstance(queries[0], (exp.Query, exp.Values)) else "not a query"


def mentions(group: FeatureGroup, table: str) -> bool:
    """Return whether a group may read a table, without parsing its SQL, which is slow for thousands of groups."""
    source = group.source
    if not isinstance(source, BatchSource) or source.sql is None:
        return True
    return _fold(_path(table) or table).rpartition(".")[2] in _fold(source.sql)


def same_table(left: str, right: str) -> bool:
    """Return whether two names are of one table, ignoring case and backticks; files are compared by path.

    Examples
    --------
    >>> same_table("DB.Orders", "db.`orders`"), same_table("parquet.`data/meals.parquet`", "./data/meals.parquet")
    (True, True)
    """
    if _fold(left) == _fold(right):
        return True
    path = _path(left)
    return path is not None and path == (_path(right) or _normalize(right))


class GroupTables:
    """Tables of feature groups, by their names in SQL.

    Parameters
    ----------
    root : str, optional
        Their location: a path, or ``metastore:CATALOG.SCHEMA``. Without it no table is known.
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
        self._schema = _fold(root.removeprefix(METASTORE)) if root and root.startswith(METASTORE) else None
        self._root = _normalize(root) if root and self._schema is None else None
        self._groups = {self._ending(name): name for name in groups}

    def _ending(self, name: str) -> str:
        return name.replace(":", "/") if self._schema is None else name.replace(":", "__").casefold()

    def group(self, table: str) -> str | None:
        """Return the full name of the group whose table this is, or None."""
        if self._schema is not None:
            name = _fold(table)
            full_name = f"{self._schema}.{name.rpartition('.')[2]}"
            return self._groups.get(name.rpartition(".")[2]) if f".{full_name}".endswith(f".{name}") else None
        path = _path(table)
        if path is None or self._root is None:
            return None
        ending = "/".join(path.split("/")[-2:])
        full_path = f"{self._root}/{ending}"
        # A path relative to the job's directory is recognized by the last directory of the root.
        relative = not path.startswith("/") and path.count("/") > 1 and full_path.endswith(f"/{path}")
        return self._groups.get(ending) if path == full_path or relative else None

    def mentions(self, group: FeatureGroup, name: str) -> bool:
        """Return whether a group may read the table of the group ``name``."""
        source = group.source
        sql = source.sql if isinstance(source, BatchSource) else None
        return sql is not None and self._ending(name).casefold() in _fold(sql)


def _path(table: str) -> str | None:
    """Return the path in ``FORMAT.`PATH```, or None."""
    match = FILE.fullmatch(table)
    return None if match is None else _normalize(match[1].replace("``", "`"))


def _normalize(path: str) -> str:
    path = path.removeprefix("file://") if path.startswith("file:///") else path.removeprefix("file:")
    return path.rstrip("/") if "://" in path else posixpath.normpath(path)


def _fold(text: str) -> str:
    return text.replace("`", "").casefold()


def _quote(name: str) -> str:
    # Spark's names ignore case, paths do not.
    name = name if "/" in name else name.lower()
    return name if PLAIN.fullmatch(name) else "`" + name.replace("`", "``") + "`"
