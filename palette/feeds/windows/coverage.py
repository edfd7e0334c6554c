"""Of which events there are partial aggregates, and so which ones a run has to read.

A window that ends at ``t`` holds events of ``(t - w, t]``. Where a run begins behind what is kept, or beyond it, or
where a first run leaves out what was before, the windows near its start need events from before the start: they are
read as well, by the length of the longest window, though no rows are written there.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from palette.feeds.batch.intervals import EARLIEST, Interval

__all__ = ["Coverage"]


@dataclass(frozen=True)
class Coverage:
    """Events whose partials are kept.

    Parameters
    ----------
    since : datetime, optional
        All events after it, up to ``until``, are in the partials; None if all are that were there.
    until : datetime, optional
        None if nothing is known.
    taken : Interval, optional
        What this run has read so far, without a gap.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    taken: Interval | None = None

    def events(self, interval: Interval, longest: dt.timedelta) -> Interval:
        """Return of which interval events are to be read, so that the windows that end in this one are whole.

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
        if self._is_known(first, interval.start) or self._is_taken(first, interval.start):
            return interval
        return Interval(first, interval.end)

    def with_events(self, events: Interval) -> Coverage:
        """Return what is covered when events were read."""
        taken = self.taken
        if taken is None or events.start is None or taken.end < events.start:
            taken = events
        else:
            taken = Interval(taken.start, events.end)
        since = self.since
        if taken.start is None:
            since = None
        elif since is not None and taken.start < since <= taken.end:
            since = taken.start
        return replace(self, since=since, taken=taken)

    def reaches(self, end: dt.datetime) -> bool:
        """Tell whether the events after a moment are covered, as windows that end later than it need."""
        return self.since is None or self.since <= end

    def _is_known(self, first: dt.datetime, last: dt.datetime) -> bool:
        return self.until is not None and last <= self.until and (self.since is None or self.since <= first)

    def _is_taken(self, first: dt.datetime, last: dt.datetime) -> bool:
        taken = self.taken
        return taken is not None and last <= taken.end and (taken.start is None or taken.start <= first)
