"""Grid of window ends, and the blocks of several sizes that windows are assembled from.

All times are microseconds since 1970, UTC. A block of size ``s`` that ends at ``b`` is ``(b - s, b]``, where ``b`` is a
multiple of ``s``. A window of three days on a grid of hours, which ends at 14:00, takes the two days that lie fully in
it, and hours at both ends::

    sizes      7d   (                                  |                                  )
               1d   (            |            |############|############|            |    )
               1h   ( | | | | | | | | |#|#|#|#|                         |#|#|#|#|#|#| | | )
    window                            (-------------------------------------------]
                                      start                                     end 14:00

A window takes each block (#) that lies fully in it and that no larger such block covers: few small blocks at both ends,
large ones between, none twice. The sizes depend on the grid alone, so that a window added later uses stored blocks.

Terms
-----
grid
    The window ends: the multiples of ``every``.
bucket
    The smallest block, of size ``every``: level 0.
block, level, parent
    A stored row of partial aggregates, the index of its size, and the block of the next size that contains it.
partials
    The table of blocks: states (sums, counts, sketches) for each key, block size and block end.
rolling up
    Computing the larger blocks from the buckets; after a change only the blocks around it, from the replaced and the
    unchanged blocks within them (:mod:`palette.feeds.windows.rollup`).
interval
    The event times that a run computes; its buckets are replaced in one commit.
coverage
    The event times whose buckets are complete (:mod:`palette.feeds.windows.coverage`): from ``since`` to ``until``.
ends
    The windows that a run writes: those that hold events of the interval, also if they end after it.
renewed
    All windows of covered events are written again: a feature was added that the partials can compute.
closing row
    The row at the first end at which the longest window of a key holds no event: it resets counts to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from palette.definitions.base import duration_text

if TYPE_CHECKING:
    from palette.definitions import BatchSource

__all__ = ["Grid", "block_end", "merge_spans", "ranges_using"]

MICROSECOND = timedelta(microseconds=1)
NATURAL = tuple(timedelta(**span) // MICROSECOND for span in (
    {"minutes": 1}, {"hours": 1}, {"days": 1}, {"days": 7}, {"days": 28},
))  # fmt: skip
# The number of next smaller blocks in a block: with fewer it saves too little, with more it costs too much.
FEWEST, MOST, OTHERWISE = 4, 64, 16


@dataclass(frozen=True)
class Grid:
    """Block sizes from the bucket upwards, and the windows in use.

    Parameters
    ----------
    sizes : tuple of int
        Each a multiple of the one before.
    windows : tuple of int
        Ascending; multiples of the first size.
    """

    sizes: tuple[int, ...]
    windows: tuple[int, ...]

    @classmethod
    def of(cls, source: BatchSource) -> Grid:
        """Return the grid of a source with aggregates.

        Examples
        --------
        >>> from palette.definitions import Aggregate, BatchSource
        >>> source = BatchSource(sql="...", every="1h", time="at", aggregates=[Aggregate("x", "sum", ["1h", "2d"])])
        >>> Grid.of(source).names
        ('1h', '1d', '7d', '28d')
        """
        assert source.every is not None
        sizes = [source.every // MICROSECOND]
        while sizes[-1] < NATURAL[-1]:
            fitting = (size for size in NATURAL if size % sizes[-1] == 0 and FEWEST <= size // sizes[-1] <= MOST)
            sizes.append(next(fitting, sizes[-1] * OTHERWISE))
        windows = {span // MICROSECOND for aggregate in source.aggregates for span in aggregate.spans}
        return cls(tuple(sizes), tuple(sorted(windows)))

    @property
    def every(self) -> int:
        """The size of a bucket, and the distance of window ends."""
        return self.sizes[0]

    @property
    def longest(self) -> int:
        """The longest window."""
        return self.windows[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """The sizes as durations, ``"1h"``."""
        return tuple(duration_text(size * MICROSECOND, weeks=False) for size in self.sizes)

    def parent(self, level: int) -> int | None:
        """Return the next larger size."""
        return self.sizes[level + 1] if level + 1 < len(self.sizes) else None

    def ends(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last window end in ``(first, last]``."""
        return first // self.every * self.every + self.every, last // self.every * self.every

    def needed(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """Return (level, lowest end, highest end) of the blocks that the ends from ``first`` to ``last`` may use."""
        ranges = []
        for level, size in enumerate(self.sizes):
            parent = self.parent(level)
            spans = [(first - self.longest, last - self.longest)] if level == 0 else []  # closing rows
            for window in self.windows:
                if window < size:
                    continue
                if parent is None or parent > window:
                    spans.append((first - window + size, last))
                else:
                    spans.append((first // parent * parent + 1, last))
                    spans.append((first - window + size, block_end(last - window, parent)))
            ranges += [(level, low, high) for low, high in merge_spans(spans, gap=size)]
        return ranges

    def blocks(self, level: int, first: int, last: int) -> tuple[int, int]:
        """Return the lowest and the highest end of the blocks that hold the buckets in ``(first, last]``."""
        size = self.sizes[level]
        return block_end(first + self.every, size), block_end(last, size)


def ranges_using(
    end: Any, level: int, window: int, grid: Grid, up: Callable[[Any, int], Any]
) -> Iterator[tuple[Any, Any]]:
    """Yield (first, last) of the window ends whose window takes the block of this size and end.

    Parameters
    ----------
    end : int or Column
        The end of the block.
    up : callable
        Returns the end of the block of a given size that holds a time: :func:`block_end`, or the same for columns.
    """
    size, parent = grid.sizes[level], grid.parent(level)
    if window < size:
        return
    last = end - size + window
    if parent is None or parent > window:
        yield end, last
        return
    # From `end` on the block is in the window, and from `outer` on the block around it, until that one's start is out.
    outer = up(end, parent)
    yield end, outer - grid.every
    yield outer - parent + window + grid.every, last


def block_end(time: int, size: int) -> int:
    """Return the end of the block that holds a time.

    Examples
    --------
    >>> block_end(10, 10), block_end(11, 10), block_end(-5, 10)
    (10, 20, 0)
    """
    return time + -time % size


def merge_spans(spans: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Return ascending spans, joined where they overlap or are at most ``gap`` apart.

    Examples
    --------
    >>> merge_spans([(5, 6), (1, 2), (2, 3)], gap=0)
    [(1, 3), (5, 6)]
    """
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if low > high:
            continue
        if merged and low <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
