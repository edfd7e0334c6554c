"""Intervals of event time that a run has to compute.

An interval is ``(start, end]``. The watermark is the newest event time that the source has given; a lookback goes
behind it again, for rows that came late.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from palette.definitions import BatchSource
from palette.definitions.base import duration
from palette.errors import PlanError
from palette.times import utc

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup

__all__ = ["Interval", "advance_watermark", "check_range", "missing_intervals", "parse_chunk"]

EARLIEST = dt.datetime(1, 1, 1)
# More is a mistake: a chunk of a second over years.
MOST_CHUNKS = 100_000


class Interval(NamedTuple):
    """Event times after ``start``, up to and with ``end``; without a start all up to ``end``. Naive UTC."""

    start: dt.datetime | None
    end: dt.datetime

    def __str__(self) -> str:
        return f"({'...' if self.start is None else self.start.isoformat()}, {self.end.isoformat()}]"


def missing_intervals(
    watermark: dt.datetime | None,
    to: dt.datetime,
    *,
    start: dt.datetime | None = None,
    lookback: dt.timedelta | None = None,
    chunk: dt.timedelta | None = None,
) -> list[Interval]:
    """Return the intervals to compute, in order.

    Parameters
    ----------
    watermark : datetime, optional
        From where to continue; None if nothing was computed.
    to : datetime
        Up to which event time to compute. Naive is UTC.
    start : datetime, optional
        After which event time to begin, whatever the watermark says: a backfill.
    lookback : timedelta, optional
        How far behind the watermark to begin.
    chunk : timedelta, optional
        How long an interval is at most.

    Raises
    ------
    PlanError
        If ``start`` is not before ``to``, the chunk is not positive or gives too many intervals, or the first interval
        has no start.

    Examples
    --------
    >>> day = dt.datetime(2026, 1, 1)
    >>> for interval in missing_intervals(day, dt.datetime(2026, 1, 3, 12), chunk=dt.timedelta(days=1)):
    ...     print(interval)
    (2026-01-01T00:00:00, 2026-01-02T00:00:00]
    (2026-01-02T00:00:00, 2026-01-03T00:00:00]
    (2026-01-03T00:00:00, 2026-01-03T12:00:00]
    >>> print(*missing_intervals(day, dt.datetime(2026, 1, 2), lookback=dt.timedelta(hours=6)))
    (2025-12-31T18:00:00, 2026-01-02T00:00:00]
    >>> print(*missing_intervals(None, day))
    (..., 2026-01-01T00:00:00]
    >>> missing_intervals(day, dt.datetime(2025, 1, 1))
    []
    """
    to = utc(to)
    if chunk is not None and chunk <= dt.timedelta(0):
        raise PlanError(f"a chunk must be positive, found {chunk}")
    if start is not None:
        start = utc(start)
        if start >= to:
            raise PlanError(f"start {start.isoformat()} is not before the end {to.isoformat()}")
    elif watermark is not None:
        back = lookback or dt.timedelta(0)
        start = utc(watermark) - min(back, utc(watermark) - EARLIEST)
        if to < utc(watermark) or start >= to:
            return []
    if chunk is None:
        return [Interval(start, to)]
    if start is None:
        raise PlanError("nothing was computed yet: give the start of the first chunk by start=, or leave out chunk=")
    count = -((start - to) // chunk)
    if count > MOST_CHUNKS:
        raise PlanError(f"{count:,} chunks of {chunk} are too many: use a longer chunk=")
    return [Interval(start + index * chunk, min(start + (index + 1) * chunk, to)) for index in range(count)]


def check_range(group: FeatureGroup, start: dt.datetime | None, to: dt.datetime, chunk: dt.timedelta | None) -> None:
    """Raise for a group or range that cannot be computed: everything that is known before Spark starts.

    Raises
    ------
    PlanError
        If the group is filled by a stream or by calls, which nothing runs yet, or the range has no intervals.
    """
    if group.source is not None and not isinstance(group.source, BatchSource):
        raise PlanError(
            f"{group.full_name}: its source is a {type(group.source).__name__}, which nothing runs yet: give the group "
            "a BatchSource, or no source and fill it by store.write"
        )
    if start is None and chunk is None:
        return
    if not isinstance(group.source, BatchSource) or group.timestamp is None:
        what = "has no event time" if isinstance(group.source, BatchSource) else "has no batch source"
        raise PlanError(f"{group.full_name} {what}: there are no intervals to compute, leave out start and chunk")
    missing_intervals(to, to, start=start, chunk=chunk)


def advance_watermark(watermark: dt.datetime | None, done: Interval) -> dt.datetime:
    """Return the time up to which everything is computed, after an interval was.

    The first interval may begin at a start: earlier events are left out on purpose.

    Examples
    --------
    >>> early, middle, late = (dt.datetime(2026, 1, day) for day in (1, 2, 3))
    >>> advance_watermark(middle, Interval(early, late)) == late
    True
    >>> advance_watermark(early, Interval(middle, late)) == middle
    False
    >>> advance_watermark(late, Interval(early, middle)) == late
    True
    """
    if watermark is None:
        return done.end
    if done.start is not None and done.start > watermark:
        return watermark
    return max(watermark, done.end)


def parse_chunk(chunk: str | dt.timedelta | None) -> dt.timedelta | None:
    """Return the length of a chunk, parsed if it is a string such as ``"1d"``.

    Raises
    ------
    PlanError
        If the string is not a duration.
    """
    if not isinstance(chunk, str):
        return chunk
    try:
        return duration(chunk)
    except ValueError as error:
        raise PlanError(f"chunk: {error}") from None
