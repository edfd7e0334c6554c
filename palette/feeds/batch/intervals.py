"""Which intervals of event time are still to be computed.

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

__all__ = ["Interval", "advanced", "check_range", "missing", "span"]

EARLIEST = dt.datetime(1, 1, 1)
# More would be a slip of the pen: a chunk of a second over years.
MOST = 100_000


class Interval(NamedTuple):
    """Event times after ``start``, up to and with ``end``; without a start all up to ``end``. Naive UTC."""

    start: dt.datetime | None
    end: dt.datetime

    def __str__(self) -> str:
        return f"({'...' if self.start is None else self.start.isoformat()}, {self.end.isoformat()}]"


def missing(
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
        From where to go on; None if nothing was computed.
    to : datetime
        Up to where to compute. Naive is UTC.
    start : datetime, optional
        After which event time to begin, whatever the watermark says: a backfill.
    lookback : timedelta, optional
        How far behind the watermark to begin.
    chunk : timedelta, optional
        How long an interval is at most.

    Raises
    ------
    PlanError
        If ``start`` is not before ``to``, the chunk is not positive or gives too many intervals, or nobody says where
        the first one begins.

    Examples
    --------
    >>> day = dt.datetime(2026, 1, 1)
    >>> for interval in missing(day, dt.datetime(2026, 1, 3, 12), chunk=dt.timedelta(days=1)):
    ...     print(interval)
    (2026-01-01T00:00:00, 2026-01-02T00:00:00]
    (2026-01-02T00:00:00, 2026-01-03T00:00:00]
    (2026-01-03T00:00:00, 2026-01-03T12:00:00]
    >>> print(*missing(day, dt.datetime(2026, 1, 2), lookback=dt.timedelta(hours=6)))
    (2025-12-31T18:00:00, 2026-01-02T00:00:00]
    >>> print(*missing(None, day))
    (..., 2026-01-01T00:00:00]
    >>> missing(day, dt.datetime(2025, 1, 1))
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
        raise PlanError("nothing was computed yet: say with start= where the first chunk begins, or leave out chunk=")
    count = -((start - to) // chunk)
    if count > MOST:
        raise PlanError(f"{count:,} chunks of {chunk} are too many: take a longer chunk=")
    return [Interval(start + place * chunk, min(start + (place + 1) * chunk, to)) for place in range(count)]


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
    missing(to, to, start=start, chunk=chunk)


def advanced(watermark: dt.datetime | None, done: Interval) -> dt.datetime:
    """Return the watermark after an interval was computed: there is no gap before it.

    What the first run of all is told to leave out before its start is left out on purpose.

    Examples
    --------
    >>> early, middle, late = (dt.datetime(2026, 1, day) for day in (1, 2, 3))
    >>> advanced(middle, Interval(early, late)) == late
    True
    >>> advanced(early, Interval(middle, late)) == middle
    False
    >>> advanced(late, Interval(early, middle)) == late
    True
    """
    if watermark is None:
        return done.end
    if done.start is not None and done.start > watermark:
        return watermark
    return max(watermark, done.end)


def span(chunk: str | dt.timedelta | None) -> dt.timedelta | None:
    """Return the length of a chunk written as text, ``"1d"``.

    Raises
    ------
    PlanError
        If the text is no duration.
    """
    if not isinstance(chunk, str):
        return chunk
    try:
        return duration(chunk)
    except ValueError as error:
        raise PlanError(f"chunk: {error}") from None
