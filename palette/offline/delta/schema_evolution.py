"""How a table follows its definition: columns appear, fall out of use and widen; all else makes it another table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from palette.errors import SchemaError
from palette.offline.delta.maintenance import sql_name
from palette.offline.delta.validate import ANEW, stored_types
from palette.types import widens_in_place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql import types as T

    from palette.definitions import Entity, FeatureGroup

__all__ = ["Evolution", "evolution", "widen"]

ELEMENT = re.compile(r"array<(.*)>")


class Evolution(NamedTuple):
    """What a table lacks of its definition.

    Parameters
    ----------
    added : dict of str to str
        Features, or a created time, that it has no column of, with their types; the write itself adds them.
    widened : dict of str to str
        Columns whose declared type is wider, with that type.
    unused : tuple of str
        Columns that the definition does not have any more; they stay, and new rows have null there.
    """

    added: dict[str, str]
    widened: dict[str, str]
    unused: tuple[str, ...]


def evolution(schema: T.StructType, entity: Entity, group: FeatureGroup) -> Evolution:
    """Compare a table with its definition.

    Raises
    ------
    SchemaError
        If keys, times or types have changed so that the table cannot follow.

    Examples
    --------
    >>> from pyspark.sql import types as T
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> table = T.StructType().add("id", "string").add("dishes", "integer").add("prices", "double")
    >>> menu = FeatureGroup("menu", entity="r", features=[Feature("dishes", "bigint"), Feature("price", "double")])
    >>> evolution(table, Entity("r", keys={"id": "string"}), menu)
    Evolution(added={'price': 'double'}, widened={'dishes': 'bigint'}, unused=('prices',))
    """
    wanted = stored_types(entity, group)
    found = {field.name: field.dataType.simpleString() for field in schema}
    marks = [*entity.keys, *([group.timestamp] if group.timestamp else [])]
    added, widened = {}, {}
    lower = {name.lower(): name for name in found}
    for name, dtype in wanted.items():
        if name not in found and name in marks:
            raise SchemaError(f"{group.full_name}: {name!r}, a key or time now, is no column of the table: {ANEW}")
        if name not in found and (other := lower.get(name.lower())):
            raise SchemaError(f"{group.full_name}: {name!r} is {other!r} in the table; call it so, or {ANEW}")
        if name not in found:
            added[name] = dtype
        elif found[name] != dtype:
            if not widens_in_place(found[name], dtype):
                raise SchemaError(
                    f"{group.full_name}: {name!r} is {found[name]} in the table, which does not widen to {dtype}: "
                    f"declare it as {found[name]}, or {ANEW}"
                )
            widened[name] = dtype
    unused = tuple(name for name in found if name not in wanted)
    _check_unused(found, unused, marks, group)
    return Evolution(added, widened, unused)


def _check_unused(found: Mapping[str, str], unused: tuple[str, ...], marks: list[str], group: FeatureGroup) -> None:
    """Refuse a table that has lost a key or time: these stand before the features."""
    places = list(found)
    end = max(map(places.index, marks)) + 1
    lost = [name for name in unused if places.index(name) < end]
    # The event time of a group that is static now would stand there.
    if group.timestamp is None and end < len(places) and places[end] in unused and found[places[end]] == "timestamp":
        lost.append(places[end])
    if lost:
        raise SchemaError(f"{group.full_name}: {lost[0]!r} is a key or time of the table, and no longer one: {ANEW}")


def widen(spark: SparkSession, table: str, columns: Mapping[str, str]) -> None:
    """Widen columns of a table, of which only the log is written; from then on it needs Delta 3.2 or newer.

    Parameters
    ----------
    table : str
        As SQL knows it.
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
