"""Reports of runs: progress, and what was done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from palette.feeds.batch.intervals import Interval

__all__ = ["Erased", "Materialized", "Progress"]


@dataclass(frozen=True)
class Progress:
    """A step of a run, passed to the callback when it begins, and once at the end.

    Parameters
    ----------
    group : str
        ``entity:group``.
    phase : {"compute", "disperse", "done"}
        The phase that begins.
    step, steps : int
        The number of finished steps, and of all steps; dispersal is the last one.
    interval : Interval, optional
        The interval to compute.
    """

    group: str
    phase: str
    step: int
    steps: int
    interval: Interval | None = None


@dataclass(frozen=True)
class Materialized:
    """Report of a run, or with ``dry_run`` its plan.

    Parameters
    ----------
    group : str
        ``entity:group``.
    intervals : tuple of Interval
        The computed intervals; of a dry run those to compute.
    watermark : datetime, optional
        The newest event time that the source has given.
    rows_computed, rows_written, rows_dispersed : int
        Rows that the source gave, that were new or changed in the table, and that were written online.
    version : int, optional
        Of the table; None if there is none yet.
    since : int, optional
        The version that was online before; None if all rows were published.
    seconds : dict of str to float
        Duration of each phase.
    dry_run : bool
        Whether this is only a plan.
    online : bool
        Whether that version is online now; otherwise only the table was written.
    silent : bool
        Whether the source gave no event later than ``watermark``, as it was before the run.
    resumed : datetime, optional
        The time from which an interrupted backfill of this range was resumed.
    rows_left_out : int
        Events without a key or a time, which no aggregate counts; an event without a time is in every interval.
    rows_removed : int
        With ``full_refresh``: online rows of keys that are no longer in the table.
    rows_waiting : int
        Rows of the table that were not published, since their event time is after ``to``, or more than five minutes
        ahead of the clock; a later run publishes them.

    Examples
    --------
    >>> print(Materialized("restaurant:menu", (Interval(None, dt.datetime(2026, 1, 1)),), None, 5, 4, 3, 0))
    restaurant:menu: 1 interval up to 2026-01-01 00:00:00, 5 rows computed, 4 written; 3 online (version 0, everything)
    >>> day = Interval(dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 2))
    >>> report = Materialized("restaurant:menu", (day,), day.start, silent=True)
    >>> str(report).split("; ")[1]
    'the source has nothing newer than 2026-01-01 00:00:00, searched after 2026-01-01 00:00:00'
    """

    group: str
    intervals: tuple[Interval, ...] = ()
    watermark: dt.datetime | None = None
    rows_computed: int = 0
    rows_written: int = 0
    rows_dispersed: int = 0
    version: int | None = None
    since: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    dry_run: bool = False
    online: bool = True
    rows_left_out: int = 0
    silent: bool = False
    resumed: dt.datetime | None = None
    rows_removed: int = 0
    rows_waiting: int = 0

    def __str__(self) -> str:
        count = len(self.intervals)
        computed = f"{count} interval{'s' * (count > 1)} up to {self.intervals[-1].end}" if count else ""
        if self.resumed is not None:
            computed = f"resumed from {self.resumed}: {computed or 'nothing left'}"
        table = "no table yet" if self.version is None else f"version {self.version}"
        if self.online and self.version is not None:
            table += ", everything" if self.since is None else f", since version {self.since}"
        if self.dry_run:
            return f"{self.group}: would do {computed or 'no interval'}; {'online ' * self.online}({table})"
        computed += f", {self.rows_computed:,} rows computed, {self.rows_written:,} written; " if count else ""
        if self.rows_left_out:
            computed += f"{self.rows_left_out:,} event{_s(self.rows_left_out)} without key or time left out; "
        if self.silent:
            after = self.intervals[0].start
            searched = "" if after is None else f", searched after {after}"
            computed += f"the source has nothing newer than {self.watermark or 'the beginning'}{searched}; "
        if not self.online:
            return f"{self.group}: {computed}nothing put online ({table})"
        removed = f", {self.rows_removed:,} removed" if self.rows_removed else ""
        waiting = f", {self.rows_waiting:,} of later times left out" if self.rows_waiting else ""
        return f"{self.group}: {computed}{self.rows_dispersed:,} online{removed}{waiting} ({table})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the summary in notebooks."""
        printer.text(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in ("intervals", "watermark", "resumed", "seconds")
        }
        plain["intervals"] = [[_to_iso(interval.start), _to_iso(interval.end)] for interval in self.intervals]
        plain["watermark"], plain["resumed"] = _to_iso(self.watermark), _to_iso(self.resumed)
        plain["seconds"] = {name: round(duration, 3) for name, duration in self.seconds.items()}
        return plain


@dataclass(frozen=True)
class Erased:
    """Report of an erasure, or with ``dry_run`` of what it would erase.

    Parameters
    ----------
    group : str
        ``entity:group``.
    keys : int
        The number of distinct keys.
    rows : int
        Rows of the table's newest version with these keys.
    files : int
        Files with these keys, of all versions of the table and of its partial aggregates: all deleted.
    version : int, optional
        Of the table now; None if there is none.
    online : int
        Rows deleted from the online store.
    snapshots : dict of str to int
        Directory of a snapshot to the number of rows deleted from it.
    lost_pins : tuple of str
        Names of pins (training sets, models) whose versions of the table held keys: they cannot be rebuilt.
    dry_run : bool
        Whether this is only a plan.

    Examples
    --------
    >>> print(Erased("restaurant:menu", 2, 5, 3, 7, 2, lost_pins=("model:eta:1",)))
    restaurant:menu: 2 keys, 5 rows erased from the table (version 7), 2 online; cannot be rebuilt: model:eta:1
    >>> print(Erased("restaurant:menu", 1, 5, lost_pins=("model:eta:1",), dry_run=True))
    restaurant:menu: 1 key, 5 rows would be erased from the table, 0 online; could not be rebuilt then: model:eta:1
    """

    group: str
    keys: int
    rows: int = 0
    files: int = 0
    version: int | None = None
    online: int = 0
    snapshots: Mapping[str, int] = field(default_factory=dict)
    lost_pins: tuple[str, ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        done = "would be erased" if self.dry_run else "erased"
        where = "" if self.version is None else f" (version {self.version})"
        parts = [f"{self.keys:,} key{_s(self.keys)}, {self.rows:,} row{_s(self.rows)} {done} from the table{where}"]
        parts += [f"{self.online:,} online", *(f"{count:,} in {path}" for path, count in self.snapshots.items())]
        lose = "could not be rebuilt then" if self.dry_run else "cannot be rebuilt"
        lost = f"; {lose}: {', '.join(self.lost_pins)}" if self.lost_pins else ""
        return f"{self.group}: {', '.join(parts)}{lost}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the summary in notebooks."""
        printer.text(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return vars(self) | {"snapshots": dict(self.snapshots), "lost_pins": list(self.lost_pins)}


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _to_iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()
