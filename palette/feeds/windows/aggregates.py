"""Windowed aggregates of events, computed from partial aggregates.

A window of length ``w`` that ends at ``end`` holds the events with ``end - w < time <= end``. Ends are the multiples
of ``every`` since 1970, UTC, and a row is stamped with its end: a point-in-time join at ``t`` sees the newest end
``<= t``, and so no event after it. A key has a row at each end at which its longest window holds an event, and a
closing row at the first end at which it no longer does: counts are 0 there, all else is null.

Events are read once, into *partials*: a row for each key and bucket of the grid, with the states of
:mod:`palette.feeds.windows.states`. Partials are rolled up into larger blocks, see
:mod:`palette.feeds.windows.grid`, and windows are computed from both: the cost of a run hardly depends
on the length of the windows. When events come late, or are corrected, their interval and everything made of it are
computed again, see :mod:`palette.feeds.windows.update`.

Sums are of doubles, whose last digits depend on the order of adding. The state of a block is computed once and
stored, and windows add the blocks of a key in the order of time: the same partials give the same bits (short of an
aggregation that spills to disk). Partials computed again from the same events, or rolled up in other steps, may differ
in the last digits. The sketch of percentiles tosses coins where it holds more than some 200 values: two runs may give
two answers, both within its error. Errors are 1.7 % in rank for percentiles (at 99 % confidence), and 1.6 % for
distinct counts (one standard deviation).

NaN is treated as in Spark's own aggregates: ``sum`` and ``mean`` with one are NaN, ``count`` counts it, it is the
greatest number for ``max``, ``min`` and the ties of ``last``, one more value for ``distinct``, and ignored by
``percentile``.
``-0.0`` is ``0.0``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DefinitionError, SchemaError
from palette.feeds.windows.grid import MICROSECOND, Grid, ranges_using
from palette.feeds.windows.partials import (
    BUCKET_END,
    BUCKET_SIZE,
    any_of,
    block_end_column,
    in_key_order,
    partials,
    within,
)
from palette.feeds.windows.rollup import roll_up, rows_to_replace
from palette.feeds.windows.states import State, get_states, required_states, result
from palette.offline.times import spark_type
from palette.times import to_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import Aggregate, BatchSource

__all__ = ["partials", "roll_up", "rows_to_replace", "windows"]

END, WINDOW, FIRST, LAST = (f"__palette_{word}" for word in ("end", "window", "first", "last"))
# Stands for the window of closing rows.
CLOSING = 0


def windows(
    partials: DataFrame,
    source: BatchSource,
    keys: Mapping[str, str],
    first: dt.datetime,
    last: dt.datetime,
    timestamp: str = "window_end",
) -> DataFrame:
    """Return the rows of a feature group for all ends in ``(first, last]``, from partials alone.

    Parameters
    ----------
    partials : DataFrame
        As :func:`roll_up` returns them, of all keys or some.
    source : BatchSource
        With aggregates.
    keys : mapping of str to str
        The entity's keys, name to type.
    first, last : datetime
        Naive is UTC. All events up to ``last`` must be in the partials.
    timestamp : str
        The group's timestamp column.

    Returns
    -------
    DataFrame
        The keys, the end of the windows, and the features in their types.

    Raises
    ------
    SchemaError
        If the partials lack a column: they are not rolled up, or are of another source.
    """
    grid, states = Grid.of(source), get_states(source)
    _check(partials, keys, states, timestamp)
    low, high = grid.ends(to_micros(first), to_micros(last))
    needed = [
        (F.col(BUCKET_SIZE) == grid.names[level]) & within([(lowest, highest)])
        for level, lowest, highest in grid.needed(low, high)
    ]
    rows = in_key_order(partials.filter(any_of(needed) if low <= high else F.lit(False)), keys, states)
    values = [exact_column(name) for name in (*keys, *(state.name for state in states))]
    rows = rows.select(*values, F.inline(_ranges(grid, low, high)).alias(WINDOW, FIRST, LAST))
    ends = F.explode(F.sequence(F.col(FIRST), F.col(LAST), F.lit(grid.every).cast("bigint")))
    rows = rows.select(*values, WINDOW, ends.alias(END))
    states_of_windows = dict.fromkeys(
        (window, state)
        for aggregate in source.aggregates
        for window in _spans(aggregate)
        for state in required_states(aggregate)
    )
    merged = [
        state.merge(F.when(F.col(WINDOW) == window, exact_column(state.name))).alias(_merged(window, state.name))
        for window, state in states_of_windows
    ]
    ended = rows.groupBy(*map(exact_column, keys), END).agg(*merged)
    end = F.timestamp_micros(END).alias(timestamp)
    features = (column for aggregate in source.aggregates for column in _features(aggregate))
    return ended.select(*map(exact_column, keys), end, *features)


def _check(partials: DataFrame, keys: Mapping[str, str], states: list[State], timestamp: str) -> None:
    for name in (*keys, BUCKET_SIZE, BUCKET_END, *(state.name for state in states)):
        if name not in partials.columns:
            raise SchemaError(
                f"the partials have no column {name!r}: roll them up (roll_up), or compute them again from the "
                f"events if the source has changed"
            )
    if timestamp in keys:
        raise DefinitionError(f"{timestamp!r} cannot be both a key and the end of the windows: rename one")


def _ranges(grid: Grid, low: int, high: int) -> Column:
    """Return an array of (window, first end, last end) that a partial counts for."""
    end = F.unix_micros(BUCKET_END)
    ranges = F.array().cast("array<struct<window:bigint,first:bigint,last:bigint>>")
    for level, name in enumerate(grid.names):
        spans = [
            (window, *span)
            for window in grid.windows
            for span in ranges_using(end, level, window, grid, block_end_column)
        ]
        if level == 0:
            spans.append((CLOSING, end + grid.longest, end + grid.longest))
        clipped = [
            F.struct(
                F.lit(window).cast("bigint").alias("window"),
                F.greatest(first, F.lit(low)).alias("first"),
                F.least(last, F.lit(high)).alias("last"),
            )
            for window, first, last in spans
        ]
        if clipped:
            ranges = F.when(F.col(BUCKET_SIZE) == name, F.array(*clipped)).otherwise(ranges)
    return F.filter(ranges, lambda span: span["first"] <= span["last"])


def _features(aggregate: Aggregate) -> list[Column]:
    columns = []
    for feature, window in zip(aggregate.features, _spans(aggregate), strict=True):
        merged = {state.kind: F.col(_merged(window, state.name)) for state in required_states(aggregate)}
        columns.append(result(aggregate, merged.__getitem__).cast(spark_type(feature.dtype)).alias(feature.name))
    return columns


def _spans(aggregate: Aggregate) -> list[int]:
    return [span // MICROSECOND for span in aggregate.spans]


def _merged(window: int, state: str) -> str:
    return f"__palette_{window}_{state}"
