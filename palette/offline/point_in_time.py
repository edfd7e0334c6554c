"""The rule of time, in Spark: when a row of a feature group becomes visible, and which one wins.

One rule serves both questions. A row is visible from its *effective* time on: the event time, or with
``point_in_time="created"`` the later of event and created time (without a created time never). Among the rows of a
key that are visible at ``t`` the greatest (event time, created, values...) wins. Spark orders structs field by
field, nulls first and NaN last, which is just the tie rule, so the winner is a running ``max``; fields at the end
decide between zeros of two signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import DefinitionError
from palette.offline.times import is_time, micros
from palette.offline.zero_signs import ZEROS, zero_signs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import Entity, FeatureGroup

__all__ = ["EFFECTIVE", "ROW", "check_point_in_time", "in_range", "key_column", "key_columns", "latest", "visible"]

EFFECTIVE = "__palette_effective"
ROW = "__palette_row"


def check_point_in_time(group: FeatureGroup, point_in_time: str) -> None:
    """Refuse a question that the group cannot answer.

    Raises
    ------
    DefinitionError
        If the mode is unknown, or needs a created column that the group lacks.
    """
    if point_in_time not in ("event", "created"):
        raise DefinitionError(f"point_in_time must be 'event' or 'created', found {point_in_time!r}")
    if point_in_time == "created" and group.created is None:
        raise DefinitionError(
            f"point_in_time='created' asks when rows were written, and feature group {group.full_name!r} has no "
            f"created column: declare one (created=...), or use point_in_time='event' (--point-in-time event)"
        )


def key_column(position: int) -> str:
    """Name the internal column of a key."""
    return f"__palette_key{position}"


def key_columns(columns: list[Column], types: list[T.DataType]) -> list[Column]:
    """Return key columns as they are compared: typed, with integers of all widths, dates and times as bigint."""
    return [
        _plain_key(column, dtype).alias(key_column(position))
        for position, (column, dtype) in enumerate(zip(columns, types, strict=True))
    ]


def _plain_key(column: Column, dtype: T.DataType) -> Column:
    if isinstance(dtype, T.IntegralType):
        return column.cast("bigint")
    if isinstance(dtype, T.DateType):
        return F.unix_date(column).cast("bigint")
    return micros(column, dtype) if is_time(dtype) else column


def visible(table: DataFrame, entity: Entity, group: FeatureGroup, point_in_time: str) -> DataFrame:
    """Return a history as (keys, effective time in microseconds, row); rows that are never visible are left out.

    The effective time of a static group is null in event mode: valid always. The fields of the row are in the order
    of the tie rule.
    """
    check_point_in_time(group, point_in_time)
    event = F.unix_micros(F.col(group.timestamp)) if group.timestamp else F.lit(None).cast("bigint")
    if point_in_time == "event":
        effective = event
    else:
        effective = F.greatest(event, F.unix_micros(F.col(str(group.created))))
    fields = [column for column in (group.timestamp, group.created) if column is not None]
    types = {feature.name: feature.dtype for feature in group.features if feature.name in table.columns}
    fields += types
    usable = [F.col(column).isNotNull() for column in entity.keys]
    usable += [F.col(group.timestamp).isNotNull()] if group.timestamp else []
    usable += [F.col(str(group.created)).isNotNull()] if point_in_time == "created" else []
    condition = usable[0]
    for one in usable[1:]:
        condition &= one
    keys = key_columns([F.col(name) for name in entity.keys], [table.schema[name].dataType for name in entity.keys])
    row = F.struct(*fields, *zero_signs(types)).alias(ROW)
    return table.filter(condition).select(*keys, effective.alias(EFFECTIVE), row)


def latest(table: DataFrame, entity: Entity, group: FeatureGroup, point_in_time: str, at: int) -> DataFrame:
    """Return one row per key: what wins at time ``at`` (microseconds), before ttl."""
    history = visible(table, entity, group, point_in_time)
    known = history.filter(F.col(EFFECTIVE).isNull() | (F.col(EFFECTIVE) <= at))
    named = [F.col(key_column(position)).alias(name) for position, name in enumerate(entity.keys)]
    winners = known.groupBy(*named).agg(F.max(ROW).alias(ROW))
    keys = [_typed_key(name, dtype) for name, dtype in entity.keys.items()]
    names = [name for name in history.schema[ROW].dataType.names if not name.startswith(ZEROS)]
    return winners.select(*keys, *(f"{ROW}.{name}" for name in names))


def in_range(rows: DataFrame, group: FeatureGroup, start: int | None, end: int | None) -> DataFrame:
    """Return the rows of a group whose event time is between two times in microseconds, both included."""
    if start is not None:
        rows = rows.filter(F.col(str(group.timestamp)) >= F.timestamp_micros(F.lit(start)))
    return rows if end is None else rows.filter(F.col(str(group.timestamp)) <= F.timestamp_micros(F.lit(end)))


def _typed_key(name: str, dtype: str) -> Column:
    if dtype == "date":
        return F.date_from_unix_date(F.col(name).cast("int")).alias(name)
    return (F.timestamp_micros(name) if dtype == "timestamp" else F.col(name).cast(dtype)).alias(name)
