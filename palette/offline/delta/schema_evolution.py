"""Schema evolution of a table: columns are added, unused and widened; any other change needs a new table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from palette.errors import SchemaError
from palette.offline.delta.maintenance import sql_name
from palette.offline.delta.validate import RECREATE
from palette.types import widens_in_place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql import types as T

    from palette.definitions import GroupSchema

__all__ = ["Evolution", "evolution", "widen"]

ELEMENT = re.compile(r"array<(.*)>")


class Evolution(NamedTuple):
    """Differences between a table and its definition.

    Parameters
    ----------
    added : dict of str to str
        Features, or a created time, that the table lacks, with their types; the write itself adds them.
    widened : dict of str to str
        Columns whose declared type is wider, with that type.
    unused : tuple of str
        Columns that the definition no longer has; they stay, and new rows have null there.
    """

    added: dict[str, str]
    widened: dict[str, str]
    unused: tuple[str, ...]


def evolution(stored: T.StructType, schema: GroupSchema) -> Evolution:
    """Compare a table with its definition.

    Raises
    ------
    SchemaError
        If keys, times or types have changed so that the table cannot follow.

    Examples
    --------
    >>> from pyspark.sql import types as T
    >>> from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
    >>> table = T.StructType().add("id", "string").add("dishes", "integer").add("prices", "double")
    >>> menu = FeatureGroup("menu", entity="r", features=[Feature("dishes", "bigint"), Feature("price", "double")])
    >>> evolution(table, GroupSchema(Entity("r", keys={"id": "string"}), menu))
    Evolution(added={'price': 'double'}, widened={'dishes': 'bigint'}, unused=('prices',))
    """
    declared = schema.columns
    types = {field.name: field.dataType.simpleString() for field in stored}
    added, widened = {}, {}
    lower = {name.lower(): name for name in types}
    for name, dtype in declared.items():
        if name not in types and name in schema.required:
            raise SchemaError(f"{schema.name}: {name!r}, a key or time now, is not a column of the table: {RECREATE}")
        if name not in types and (other := lower.get(name.lower())):
            raise SchemaError(f"{schema.name}: {name!r} is {other!r} in the table; use that name, or {RECREATE}")
        if name not in types:
            added[name] = dtype
        elif types[name] != dtype:
            if not widens_in_place(types[name], dtype):
                raise SchemaError(
                    f"{schema.name}: {name!r} is {types[name]} in the table, which does not widen to {dtype}: "
                    f"declare it as {types[name]}, or {RECREATE}"
                )
            widened[name] = dtype
    unused = tuple(name for name in types if name not in declared)
    _check_unused(types, unused, schema)
    return Evolution(added, widened, unused)


def _check_unused(types: Mapping[str, str], unused: tuple[str, ...], schema: GroupSchema) -> None:
    """Reject a definition that has lost a key or time of the table: these come before the features."""
    names = list(types)
    end = max(map(names.index, schema.required)) + 1
    lost = [name for name in unused if names.index(name) < end]
    # The former event time of a group that is static now is the next column.
    if schema.timestamp is None and end < len(names) and names[end] in unused and types[names[end]] == "timestamp":
        lost.append(names[end])
    if lost:
        raise SchemaError(f"{schema.name}: {lost[0]!r} is a key or time of the table, and no longer one: {RECREATE}")


def widen(spark: SparkSession, table: str, columns: Mapping[str, str]) -> None:
    """Widen columns of a table, in the log alone; from then on reading it needs Delta 3.2 or newer.

    Parameters
    ----------
    table : str
        Its name in SQL.
    columns : mapping of str to str
        With their new types.
    """
    if not columns:
        return
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')").collect()
    for name, dtype in columns.items():
        inner = ELEMENT.fullmatch(dtype)
        where, kind = (f"{sql_name(name)}.element", inner[1]) if inner else (sql_name(name), dtype)
        spark.sql(f"ALTER TABLE {table} ALTER COLUMN {where} TYPE {kind}").collect()
