"""Partials rolled up into larger blocks, all at once or those that changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.feeds.grid import Grid
from palette.feeds.partials import BUCKET_END, BUCKET_SIZE, any_of, block_end_column, in_key_order, within
from palette.feeds.states import states_of
from palette.offline.checks import quoted
from palette.offline.times import to_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import BatchSource

__all__ = ["replaced", "rolled"]

LOWEST = "__palette_lowest"


def rolled(
    fresh: DataFrame,
    source: BatchSource,
    keys: Mapping[str, str],
    stored: DataFrame | None = None,
    buckets: Iterable[dt.datetime] = (),
) -> DataFrame:
    """Roll partials up into larger blocks: what is kept, and what windows are computed from.

    Parameters
    ----------
    fresh : DataFrame
        As :func:`palette.feeds.aggregates.partials` returns them.
    source : BatchSource
        With aggregates.
    keys : mapping of str to str
        The entity's keys, name to type.
    stored : DataFrame, optional
        What is kept already; ``fresh`` then holds the whole of the ``buckets`` and nothing else.
    buckets : iterable of datetime
        The ends of the buckets computed anew, also those that have no event any more.

    Returns
    -------
    DataFrame
        The keys, ``bucket_size``, ``bucket_end`` and the states. With ``stored``: the rows that take the place of
        those that :func:`replaced` tells.
    """
    grid, states = Grid.of(source), states_of(source)
    columns = [*map(quoted, keys), F.col(BUCKET_END), *(quoted(state.name) for state in states)]
    # Each row with the lowest level that it counts for.
    rows = fresh.select(*columns, F.lit(grid.names[0]).alias(BUCKET_SIZE), F.lit(0).alias(LOWEST))
    if stored is not None:
        beside = _unchanged_beside(grid, [to_micros(end) for end in buckets])
        level = F.array_position(F.array(*map(F.lit, grid.names)), F.col(BUCKET_SIZE)).cast("int")
        rows = rows.unionByName(stored.filter(beside).select(*columns, BUCKET_SIZE, level.alias(LOWEST)))
    end = F.unix_micros(BUCKET_END)
    blocks = F.array(*(
        F.struct(F.lit(level).alias("level"), F.lit(name).alias("size"), block_end_column(end, size).alias("end"))
        for level, (name, size) in enumerate(zip(grid.names, grid.sizes, strict=True))
    ))  # fmt: skip
    around = F.inline(F.filter(blocks, lambda block: block["level"] >= F.col(LOWEST)))
    values = [quoted(name) for name in (*keys, *(state.name for state in states))]
    rows = in_key_order(rows, keys, states).select(*values, around)
    group = [F.col("size").alias(BUCKET_SIZE), F.timestamp_micros("end").alias(BUCKET_END)]
    merged = [state.merged(quoted(state.name)).alias(state.name) for state in states]
    return rows.groupBy(*map(quoted, keys), *group).agg(*merged)


def replaced(source: BatchSource, buckets: Iterable[dt.datetime]) -> Column:
    """Tell which rows of the stored partials go when these buckets are computed anew."""
    grid, ends = Grid.of(source), [to_micros(end) for end in buckets]
    return any_of([_of_size(name) & within(grid.blocks(level, ends)) for level, name in enumerate(grid.names)])


def _unchanged_beside(grid: Grid, buckets: list[int]) -> Column:
    """Tell which stored rows are unchanged themselves, and part of a larger block that has changed."""
    found = []
    for level, (name, size) in enumerate(zip(grid.names, grid.sizes, strict=True)):
        if (parent := grid.parent(level)) is not None:
            around = [(low - parent + size, high) for low, high in grid.blocks(level + 1, buckets)]
            found.append(_of_size(name) & within(around) & ~within(grid.blocks(level, buckets)))
    return any_of(found)


def _of_size(name: str) -> Column:
    return F.col(BUCKET_SIZE) == name
