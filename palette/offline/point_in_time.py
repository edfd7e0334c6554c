"""The point-in-time rule in Spark: from when on a row of a feature group is visible, and which one wins.

A row is visible from its *effective* time on: the event time, or with ``point_in_time="created"`` the later of event
and created time (without a created time never). Among the rows of a key that are visible at ``t`` the greatest (event
time, created, values...) wins. Spark orders structs field by field, nulls first and NaN last, which is the tie rule, so
the winner is a running ``max``; fields at the end decide between 0.0 and -0.0.

The same rule is implemented in :mod:`palette.offline.prepared.arrays` (NumPy), ``palette.online.table`` (Python), the
script of the Redis store (Lua) and the codec of stored rows, and between runs of a prepared history in
:mod:`palette.offline.prepared.search`. The ttl is applied there, in :mod:`palette.offline.join.shuffle`, in
``palette.online.table`` and in the generated code of ``palette.serving``.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import ArgumentError
from palette.offline.times import is_time, micros
from palette.offline.zero_signs import ZEROS, zero_signs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import GroupSchema

__all__ = ["EFFECTIVE", "ROW", "check_point_in_time", "in_range", "key_column", "key_columns", "latest", "visible"]

EFFECTIVE = "__palette_effective"
ROW = "__palette_row"


def check_point_in_time(schema: GroupSchema, point_in_time: str) -> None:
    """Check that a group supports a point-in-time mode.

    Raises
    ------
    ArgumentError
        If the mode is unknown, or needs a created column that the group lacks.
    """
    if point_in_time not in ("event", "created"):
        raise ArgumentError(f"point_in_time must be 'event' or 'created', found {point_in_time!r}")
    if point_in_time == "created" and schema.created is None:
        raise ArgumentError(
            f"point_in_time='created' needs the time at which rows were written, and feature group {schema.name!r} "
            f"has no created column: declare one (created=...), or use point_in_time='event' (--point-in-time event)"
        )


def key_column(position: int) -> str:
    """Return the name of the internal column of a key."""
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


def visible(table: DataFrame, schema: GroupSchema, point_in_time: str) -> DataFrame:
    """Return a history as (keys, effective time in microseconds, row), without the rows that are never visible.

    The effective time of a static group is null in event mode: valid always. The fields of the row are in the order
    of the tie rule.
    """
    event = F.unix_micros(F.col(schema.timestamp)) if schema.timestamp else F.lit(None).cast("bigint")
    if point_in_time == "event":
        effective = event
    else:
        effective = F.greatest(event, F.unix_micros(F.col(str(schema.created))))
    types = {name: dtype for name, dtype in schema.features.items() if name in table.columns}
    required = [*schema.required, *([str(schema.created)] if point_in_time == "created" else [])]
    condition = functools.reduce(operator.and_, (F.col(name).isNotNull() for name in required))
    keys = key_columns([F.col(name) for name in schema.keys], [table.schema[name].dataType for name in schema.keys])
    row = F.struct(*schema.times, *types, *zero_signs(types)).alias(ROW)
    return table.filter(condition).select(*keys, effective.alias(EFFECTIVE), row)


def latest(table: DataFrame, schema: GroupSchema, point_in_time: str, at: int) -> DataFrame:
    """Return one row per key: the winner at time ``at`` (microseconds), before ttl.

    Raises
    ------
    ArgumentError
        If the mode is unknown, or needs a created column that the group lacks.
    """
    check_point_in_time(schema, point_in_time)
    history = visible(table, schema, point_in_time)
    known = history.filter(F.col(EFFECTIVE).isNull() | (F.col(EFFECTIVE) <= at))
    named = [F.col(key_column(position)).alias(name) for position, name in enumerate(schema.keys)]
    winners = known.groupBy(*named).agg(F.max(ROW).alias(ROW))
    keys = [_typed_key(name, dtype) for name, dtype in schema.keys.items()]
    names = [name for name in history.schema[ROW].dataType.names if not name.startswith(ZEROS)]
    return winners.select(*keys, *(f"{ROW}.{name}" for name in names))


def in_range(rows: DataFrame, schema: GroupSchema, start: int | None, end: int | None) -> DataFrame:
    """Return the rows of a group whose event time is between two times in microseconds, both included."""
    if start is not None:
        rows = rows.filter(F.col(str(schema.timestamp)) >= F.timestamp_micros(F.lit(start)))
    return rows if end is None else rows.filter(F.col(str(schema.timestamp)) <= F.timestamp_micros(F.lit(end)))


def _typed_key(name: str, dtype: str) -> Column:
    if dtype == "date":
        return F.date_from_unix_date(F.col(name).cast("int")).alias(name)
    return (F.timestamp_micros(name) if dtype == "timestamp" else F.col(name).cast(dtype)).alias(name)
