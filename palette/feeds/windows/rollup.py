"""Roll-up of partials into larger blocks: of all events, or of an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.feeds.windows.grid import Grid
from palette.feeds.windows.partials import BUCKET_END, BUCKET_SIZE, any_of, block_end_column, in_key_order, within
from palette.feeds.windows.states import get_states
from palette.times import to_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import BatchSource
    from palette.feeds.batch.intervals import Interval

__all__ = ["roll_up", "rows_to_replace"]

LOWEST = "__palette_lowest"


def roll_up(
    fresh: DataFrame,
    source: BatchSource,
    keys: Mapping[str, str],
    stored: DataFrame | None = None,
    interval: Interval | None = None,
) -> DataFrame:
    """Roll partials up into larger blocks: the stored rows, from which windows are computed.

    Parameters
    ----------
    fresh : DataFrame
        As :func:`palette.feeds.windows.aggregates.partials` returns them.
    source : BatchSource
        With aggregates.
    keys : mapping of str to str
        The entity's keys, name to type.
    stored : DataFrame, optional
        The stored partials; ``fresh`` then holds all events of the interval and no others.
    interval : Interval, optional
        The interval to replace in them; it has a start, and its bounds are ends of buckets.

    Returns
    -------
    DataFrame
        The keys, ``bucket_size``, ``bucket_end`` and the states. With ``stored``: the rows that replace those that
        :func:`rows_to_replace` selects.
    """
    grid, states = Grid.of(source), get_states(source)
    columns = [*map(exact_column, keys), F.col(BUCKET_END), *(exact_column(state.name) for state in states)]
    # Each row with the lowest level of the blocks that it is part of.
    rows = fresh.select(*columns, F.lit(grid.names[0]).alias(BUCKET_SIZE), F.lit(0).alias(LOWEST))
    if stored is not None and interval is not None:
        unchanged = _unchanged_parts(grid, *_bounds(interval))
        level = F.array_position(F.array(*map(F.lit, grid.names)), F.col(BUCKET_SIZE)).cast("int")
        rows = rows.unionByName(stored.filter(unchanged).select(*columns, BUCKET_SIZE, level.alias(LOWEST)))
    end = F.unix_micros(BUCKET_END)
    blocks = F.array(*(
        F.struct(F.lit(level).alias("level"), F.lit(name).alias("size"), block_end_column(end, size).alias("end"))
        for level, (name, size) in enumerate(zip(grid.names, grid.sizes, strict=True))
    ))  # fmt: skip
    around = F.inline(F.filter(blocks, lambda block: block["level"] >= F.col(LOWEST)))
    values = [exact_column(name) for name in (*keys, *(state.name for state in states))]
    rows = in_key_order(rows, keys, states).select(*values, around)
    group = [F.col("size").alias(BUCKET_SIZE), F.timestamp_micros("end").alias(BUCKET_END)]
    merged = [state.merge(exact_column(state.name)).alias(state.name) for state in states]
    return rows.groupBy(*map(exact_column, keys), *group).agg(*merged)


def rows_to_replace(source: BatchSource, interval: Interval) -> Column:
    """Return the condition of the stored partials that a new computation of an interval replaces."""
    grid, bounds = Grid.of(source), _bounds(interval)
    return any_of([
        _of_size(name) & within([grid.blocks(level, *bounds)]) for level, name in enumerate(grid.names)
    ])  # fmt: skip


def _bounds(interval: Interval) -> tuple[int, int]:
    assert interval.start is not None
    return to_micros(interval.start), to_micros(interval.end)


def _unchanged_parts(grid: Grid, first: int, last: int) -> Column:
    """Return the condition of stored rows that are unchanged, and part of a larger block that changes."""
    conditions = []
    for level, (name, size) in enumerate(zip(grid.names, grid.sizes, strict=True)):
        if (parent := grid.parent(level)) is not None:
            low, high = grid.blocks(level + 1, first, last)
            around = [(low - parent + size, high)]
            conditions.append(_of_size(name) & within(around) & ~within([grid.blocks(level, first, last)]))
    return any_of(conditions)


def _of_size(name: str) -> Column:
    return F.col(BUCKET_SIZE) == name
