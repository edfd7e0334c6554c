"""Checks of a join before anything is read: columns of the basis, names of the output columns, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from palette.errors import ArgumentError, SchemaError, nearest
from palette.offline.point_in_time import check_point_in_time
from palette.offline.times import is_time
from palette.types import INTEGERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.offline.join.lookup import Lookup

__all__ = ["check_join", "check_stream", "check_time"]


def check_join(
    schema: T.StructType,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None,
    point_in_time: str = "event",
    status: bool = False,
) -> None:
    """Check that look-ups can be joined to a basis of this schema.

    Raises
    ------
    SchemaError
        If a column is missing, exists already, or has the wrong type.
    ArgumentError
        If ``point_in_time`` is unknown, or is ``"created"`` where a group has no created column.
    FeatureNotFoundError
        If a group has no feature of a requested name.
    """
    check_time(schema, timestamp)
    columns = {name.lower(): "the basis has a column" for name in schema.names}
    for lookup in lookups:
        check_point_in_time(lookup.schema, point_in_time)
        _check_keys(schema, lookup)
        for column, feature in lookup.columns.items():
            lookup.group.feature(feature)
            for name in (column, f"{column}__status") if status else (column,):
                if owner := columns.get(name.lower()):
                    raise SchemaError(f"{owner} {name!r} already: rename it, or give the feature's column another name")
                columns[name.lower()] = "the requested features make a column"


def check_time(schema: T.StructType, timestamp: str | None) -> None:
    """Check that the timestamp column exists and holds times; None is accepted.

    Raises
    ------
    SchemaError
        If there is no such column, or it has another type.
    """
    if timestamp is None:
        return
    dtype = _column_type(schema, timestamp, "timestamp column")
    if not is_time(dtype):
        raise SchemaError(
            f"timestamp column {timestamp!r} is {dtype.simpleString()}: cast it to timestamp "
            f"(F.timestamp_seconds for seconds since 1970)"
        )


def check_stream(
    basis: DataFrame, lookups: Sequence[Lookup], *, timestamp: str | None, versions: Mapping[str, int] | None
) -> None:
    """Check that a stream is not joined with whatever is current when its query starts.

    Raises
    ------
    ArgumentError
        If the basis is a stream, unless each row has its own time and the version of each group is given.
    """
    named = versions or {}
    if not basis.isStreaming or (timestamp and all(lookup.schema.name in named for lookup in lookups)):
        return
    raise ArgumentError(
        "the basis is a stream: its query would read the tables as they are now for as long as it runs. Join each "
        "micro-batch: basis.writeStream.foreachBatch(lambda batch, number: ...), with training_set or transform of "
        "batch in it; or, where the rows have times, give version= of each group to read just these versions"
    )


def _check_keys(schema: T.StructType, lookup: Lookup) -> None:
    entity, declared = lookup.schema.entity, list(lookup.schema.keys.items())
    if len(lookup.join_keys) != len(declared):
        raise SchemaError(
            f"entity {entity.name!r} has {len(declared)} key columns ({', '.join(entity.keys)}), "
            f"found {len(lookup.join_keys)} join keys ({', '.join(lookup.join_keys)})"
        )
    for column, (key, expected) in zip(lookup.join_keys, declared, strict=True):
        dtype = _column_type(schema, column, f"join key of {lookup.schema.name}")
        integers = isinstance(dtype, T.IntegralType) and expected in INTEGERS
        times = isinstance(dtype, T.TimestampNTZType) and expected == "timestamp"
        if dtype.simpleString() != expected and not integers and not times:
            raise SchemaError(
                f"join key {column!r} is {dtype.simpleString()}, key {key!r} of entity {entity.name!r} is {expected}: "
                f"cast the column to {expected}"
            )


def _column_type(schema: T.StructType, name: str, label: str) -> T.DataType:
    same = [field for field in schema if field.name.lower() == name.lower()]
    if len(same) > 1:
        raise SchemaError(f"{label} {name!r}: the basis has {len(same)} columns of that name; drop or rename one")
    if not same or same[0].name != name:
        raise SchemaError(
            f"{label} {name!r}: the basis has no such column{nearest(name, schema.names)} "
            f"(it has {', '.join(schema.names)})"
        )
    return same[0].dataType
