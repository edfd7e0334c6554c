"""The point-in-time join: each row of a basis with what was known of its entities at its time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.errors import DefinitionError
from palette.offline import shuffle
from palette.offline.basis import Lookup, check_basis
from palette.offline.checks import quoted
from palette.offline.history import EFFECTIVE, ROW, key_column, key_columns, visible
from palette.offline.times import micros, now_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.tables import DeltaTables

__all__ = ["Lookup", "point_in_time_join"]


def point_in_time_join(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    versions: Mapping[str, int] | None = None,
    hint: str | None = None,
    status: bool = False,
) -> DataFrame:
    """Return the basis with the value of each feature at each row's time.

    Parameters
    ----------
    tables : DeltaTables
        Where the histories are.
    basis : DataFrame
        The rows that ask. It is not executed here.
    lookups : sequence of Lookup
        What is asked. The new columns come out in this order, after the basis's own.
    timestamp : str, optional
        Column with each row's time: TIMESTAMP, or TIMESTAMP_NTZ or DATE, read as UTC. Without it the time is now.
    point_in_time : "event" or "created"
        Whether a row counts from its event time on, or only from when it was also written.
    versions : mapping of str to int, optional
        Table version for a group's full name; the newest where absent.
    hint : "travel" or "shuffle", optional
        Forces a plan.
    status : bool
        Add ``<column>__status`` for each column: ``present``, ``null``, ``expired`` or ``missing``.

    Raises
    ------
    SchemaError
        If a column is missing, exists already, or has the wrong type.
    DefinitionError
        If the group cannot answer ``point_in_time="created"``, or a parameter has an unknown value.
    DataError
        If nothing was written to a group, or a version does not exist.
    """
    if hint not in (None, "travel", "shuffle"):
        raise DefinitionError(f"hint must be 'travel' or 'shuffle', found {hint!r}")
    check_basis(basis.schema, lookups, timestamp, point_in_time, status=status)
    spark = basis.sparkSession
    pins = {
        lookup.group.full_name: tables.resolve(spark, lookup.group, (versions or {}).get(lookup.group.full_name))
        for lookup in lookups
    }
    key_names = list(dict.fromkeys(key for lookup in lookups for key in lookup.join_keys))
    internal = {name: key_column(position) for position, name in enumerate(key_names)}
    types = {field.name: field.dataType for field in basis.schema}
    keys = key_columns([quoted(name) for name in key_names], [types[name] for name in key_names])
    time = F.lit(now_micros()) if timestamp is None else micros(quoted(timestamp), types[timestamp])
    frame = shuffle.pack(basis, keys, time)
    slots: dict[tuple[tuple[str, ...], str], str] = {}
    for join_keys in dict.fromkeys(lookup.join_keys for lookup in lookups):
        histories = {}
        for lookup in lookups:
            if lookup.join_keys != join_keys or (join_keys, lookup.group.full_name) in slots:
                continue
            slot = slots[join_keys, lookup.group.full_name] = f"__palette_slot{len(slots)}"
            table = tables.read(spark, lookup.entity, lookup.group, pins[lookup.group.full_name])
            history = visible(table, lookup.entity, lookup.group, point_in_time)
            renamed = [F.col(key_column(at)).alias(internal[name]) for at, name in enumerate(join_keys)]
            histories[slot] = history.select(*renamed, EFFECTIVE, ROW)
        frame = shuffle.meet(frame, [internal[name] for name in join_keys], histories)
    outputs = []
    for lookup in lookups:
        slot = slots[lookup.join_keys, lookup.group.full_name]
        version = pins[lookup.group.full_name]
        for column, feature in lookup.columns.items():
            value, told = _answer(lookup, slot, feature)
            outputs.append(value.alias(column, metadata=lookup.metadata(feature, version)))
            if status:
                outputs.append(told.alias(f"{column}__status"))
    return shuffle.unpack(frame, outputs)


def _answer(lookup: Lookup, slot: str, feature: str) -> tuple[Column, Column]:
    """Return the value of a feature and its status, given the winning row in column ``slot``."""
    group = lookup.group
    value = F.col(slot).getField(feature)
    expired = F.lit(False)
    if group.ttl is not None:
        # In microseconds: an interval of days would follow the session zone's clock changes.
        age = F.col(shuffle.TIME) - F.unix_micros(F.col(slot).getField(str(group.timestamp)))
        expired = age > F.lit(group.ttl // dt.timedelta(microseconds=1))
        value = F.when(~expired, value)
    told = (
        F.when(F.col(slot).isNull(), "missing")
        .when(expired, "expired")
        .when(value.isNull(), "null")
        .otherwise("present")
    )
    return value, told
