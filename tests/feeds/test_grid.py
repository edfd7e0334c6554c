"""Blocks tile windows: without gaps, without overlaps, few of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.definitions import Aggregate, BatchSource
from palette.feeds.windows.grid import Grid, block_end, merge_spans, ranges_using

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def grid(every, *windows):
    aggregates = [Aggregate("x", "sum", windows=windows)]
    return Grid.of(BatchSource(sql="SELECT 1", every=every, time="at", aggregates=aggregates))


def blocks_of(grid, window, end):
    """Return (level, end) of the blocks that the rule gives to a window, each asked by itself."""
    found = []
    for level, size in enumerate(grid.sizes):
        candidates = range(block_end(end - window + size, size), end + 1, size)
        for block in candidates:
            spans = list(ranges_using(block, level, window, grid, block_end))
            if any(low <= end <= high for low, high in spans):
                found.append((level, block))
    return found


GRIDS = [
    pytest.param("1h", ("1h", "3h", "7d", "28d", "90d"), id="hours"),
    pytest.param("1d", ("1d", "3d", "28d", "400d"), id="days"),
    pytest.param("5m", ("5m", "1h", "3d"), id="five-minutes"),
    pytest.param("7m", ("7m", "70m", "7d"), id="odd"),
    pytest.param("6h", ("6h", "18h", "30d"), id="six-hours"),
    pytest.param("40d", ("40d", "400d"), id="long"),
]


@pytest.mark.parametrize(("every", "windows"), GRIDS)
@given(data=st.data())
def test_blocks_tile_each_window(every, windows, data):
    one = grid(every, *windows)
    window = data.draw(st.sampled_from(one.windows))
    # Around the epoch, and around where a block of every size ends.
    size = data.draw(st.sampled_from(one.sizes))
    end = data.draw(st.integers(-3, 3)) * size + data.draw(st.integers(-30, 30)) * one.every
    end = end // one.every * one.every
    found = sorted((block - one.sizes[level], block) for level, block in blocks_of(one, window, end))
    assert found[0][0] == end - window
    assert found[-1][1] == end
    assert all(earlier[1] == later[0] for earlier, later in pairwise(found))


@pytest.mark.parametrize(("every", "windows"), GRIDS)
@given(data=st.data())
def test_what_is_read_holds_what_is_used(every, windows, data):
    one = grid(every, *windows)
    start = data.draw(st.integers(-2_000, 2_000)) * one.every
    low, high = one.ends(start, start + data.draw(st.integers(1, 50)) * one.every)
    needed = one.needed(low, high)
    for end in (low, high):
        closing = (0, end - one.longest)
        for level, block in [closing, *(pair for window in one.windows for pair in blocks_of(one, window, end))]:
            assert any(at == level and first <= block <= last for at, first, last in needed)


@pytest.mark.parametrize(
    ("every", "sizes"),
    [
        ("1h", ("1h", "1d", "7d", "28d")),
        ("1m", ("1m", "1h", "1d", "7d", "28d")),
        ("30m", ("30m", "1d", "7d", "28d")),
        ("1d", ("1d", "7d", "28d")),
        ("7m", ("7m", "112m", "1792m", "28672m", "458752m")),  # nothing natural fits
        ("40d", ("40d",)),
    ],
)
def test_sizes_are_natural_where_they_fit(every, sizes):
    one = grid(every, "280d")
    assert one.names == sizes
    assert all(large % small == 0 for small, large in pairwise(one.sizes))


def partials_read(window, start=20_000 * DAY):
    """Return how many partials of a busy key a day of hourly ends takes."""
    one = grid("1h", window)
    ends = range(start + HOUR, start + DAY + 1, HOUR)
    return len({pair for end in ends for pair in blocks_of(one, one.longest, end)})


@pytest.mark.parametrize("start", [20_000 * DAY + weekday * DAY for weekday in range(7)])
def test_a_day_of_long_windows_reads_few_more_partials_than_of_short_ones(start):
    week, month, quarter = (partials_read(window, start) for window in ("7d", "28d", "90d"))
    assert month <= 1.3 * week
    assert quarter <= 1.35 * week


@pytest.mark.parametrize(("every", "windows"), GRIDS)
@given(data=st.data())
def test_blocks_of_an_interval_are_those_that_hold_its_buckets(every, windows, data):
    one = grid(every, *windows)
    first = data.draw(st.integers(-2_000, 2_000)) * one.every
    last = first + data.draw(st.integers(1, 300)) * one.every
    for level, size in enumerate(one.sizes):
        held = {block_end(bucket, size) for bucket in range(first + one.every, last + 1, one.every)}
        low, high = one.blocks(level, first, last)
        assert set(range(low, high + 1, size)) == held


def test_merge_spans_joins_neighbours():
    assert merge_spans([(7, 8), (1, 3), (4, 5), (9, 0)], gap=1) == [(1, 5), (7, 8)]
