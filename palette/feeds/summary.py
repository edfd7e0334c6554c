"""What a materialize run tells: while it runs, and in the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from palette.feeds.intervals import Interval

__all__ = ["Materialized", "Progress"]


@dataclass(frozen=True)
class Progress:
    """A step of a run, told to the callback when it begins, and once in the end.

    Parameters
    ----------
    group : str
        ``entity:group``.
    phase : {"compute", "disperse", "done"}
        What begins.
    step, steps : int
        How many steps are done, of how many; dispersal is the last one.
    interval : Interval, optional
        What is computed.
    """

    group: str
    phase: str
    step: int
    steps: int
    interval: Interval | None = None


@dataclass(frozen=True)
class Materialized:
    """What a run did, or with ``dry_run`` would do.

    Parameters
    ----------
    group : str
        ``entity:group``.
    intervals : tuple of Interval
        What was computed from the source; of a dry run what is missing.
    watermark : datetime, optional
        Up to where all is computed now.
    rows_computed, rows_written, rows_dispersed : int
        Rows that the source gave, that were new or other than in the table, and that took their place online.
    version : int, optional
        Of the table that is online now; None if there is no table yet.
    since : int, optional
        The version up to which rows had gone online before; None if everything went.
    seconds : dict of str to float
        What each phase took.
    dry_run : bool
        Whether nothing was done.

    Examples
    --------
    >>> print(Materialized("restaurant:menu", (Interval(None, dt.datetime(2026, 1, 1)),), None, 5, 4, 3, 0))
    restaurant:menu: 1 interval up to 2026-01-01 00:00:00, 5 rows computed, 4 written; 3 online (version 0, everything)
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

    def __str__(self) -> str:
        count = len(self.intervals)
        computed = f"{count} interval{'s' * (count > 1)} up to {self.intervals[-1].end}" if count else ""
        since = "everything" if self.since is None else f"since version {self.since}"
        online = "no table yet" if self.version is None else f"version {self.version}, {since}"
        if self.dry_run:
            return f"{self.group}: would do {computed or 'no interval'}; online ({online})"
        computed += f", {self.rows_computed:,} rows computed, {self.rows_written:,} written; " if count else ""
        return f"{self.group}: {computed}{self.rows_dispersed:,} online ({online})"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        plain = {name: value for name, value in vars(self).items() if name not in ("intervals", "watermark", "seconds")}
        plain["intervals"] = [[_text(one.start), _text(one.end)] for one in self.intervals]
        plain["watermark"] = _text(self.watermark)
        plain["seconds"] = {name: round(taken, 3) for name, taken in self.seconds.items()}
        return plain


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
