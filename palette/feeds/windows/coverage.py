"""Coverage of events by partial aggregates, and the events that a run has to read.

A window that ends at ``t`` holds events of ``(t - w, t]``. If a run begins before or after the stored partials,
or a first run begins at a start, the windows near that start need earlier events: these are read as well, as far back
as the longest window, though no rows are written there.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from palette.feeds.batch.intervals import EARLIEST, Interval

__all__ = ["Coverage"]


@dataclass(frozen=True)
class Coverage:
    """The events whose partials are stored.

    Parameters
    ----------
    since : datetime, optional
        All events after it, up to ``until``, are in the partials; None if all events are.
    until : datetime, optional
        None if nothing was computed.
    read : Interval, optional
        The events that this run has read so far, without a gap.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    read: Interval | None = None

    def events(self, interval: Interval, longest: dt.timedelta) -> Interval:
        """Return the interval of events to read so that the windows that end in this interval are complete.

        Examples
        --------
        >>> first, second, tenth = (dt.datetime(2026, 1, day) for day in (1, 2, 10))
        >>> print(Coverage(None, tenth).events(Interval(first, second), dt.timedelta(days=7)))
        (2026-01-01T00:00:00, 2026-01-02T00:00:00]
        >>> print(Coverage(first, tenth).events(Interval(first, second), dt.timedelta(days=7)))
        (2025-12-25T00:00:00, 2026-01-02T00:00:00]
        """
        if interval.start is None:
            return interval
        first = interval.start - min(longest, interval.start - EARLIEST)
        if self._is_known(first, interval.start) or self._is_read(first, interval.start):
            return interval
        return Interval(first, interval.end)

    def with_events(self, events: Interval) -> Coverage:
        """Return the coverage after events were read."""
        read = self.read
        if read is None or events.start is None or read.end < events.start:
            read = events
        else:
            read = Interval(read.start, events.end)
        since = self.since
        if read.start is None:
            since = None
        elif since is not None and read.start < since <= read.end:
            since = read.start
        return replace(self, since=since, read=read)

    def reaches(self, end: dt.datetime) -> bool:
        """Return whether all events after a time are covered, which windows that end later need."""
        return self.since is None or self.since <= end

    def _is_known(self, first: dt.datetime, last: dt.datetime) -> bool:
        return self.until is not None and last <= self.until and (self.since is None or self.since <= first)

    def _is_read(self, first: dt.datetime, last: dt.datetime) -> bool:
        read = self.read
        return read is not None and last <= read.end and (read.start is None or read.start <= first)
