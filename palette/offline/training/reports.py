"""Reports of written rows: the result of a job, and its progress."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["JobResult", "WriteProgress"]


@dataclass(frozen=True)
class JobResult:
    """Result of a job.

    Parameters
    ----------
    target : str
        Table or path that was written.
    rows : int
        Number of rows.
    columns : tuple of str
        All columns, in order.
    versions : dict of str to int
        Feature group to the table version that was read: pass it as ``version=`` to repeat the job exactly.
    missing : dict of str to float
        Feature to the share of rows without a value; NaN counts as no value.
    rows_read : int
        Number of rows of the basis; fewer are written if a stage skips rows (``handleInvalid``).
    pin : str, optional
        Name under which these versions are protected from ``vacuum``.
    """

    target: str
    rows: int
    columns: tuple[str, ...]
    versions: Mapping[str, int]
    missing: Mapping[str, float]
    rows_read: int
    pin: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class WriteProgress:
    """A step of a write, passed to the callback when it begins, and once at the end.

    Parameters
    ----------
    target : str
        Table or path that is written.
    phase : {"write", "cluster", "done"}
        The phase that begins.
    step, steps : int
        The number of finished chunks, and of all chunks.
    rows : int
        Rows in the finished chunks, those of an earlier run included.
    seconds : float
        Duration of this run so far.
    remaining : float, optional
        Estimated seconds until the last chunk is written; None before this run has written one.

    Examples
    --------
    >>> print(WriteProgress("training", "write", 2, 8, 1200, 35.2, 105.6))
    training: chunk 3 of 8, 1,200 rows written, 0:00:35 elapsed, about 0:01:46 remaining
    >>> print(WriteProgress("training", "done", 8, 8, 4800, 140.0))
    training: 8 of 8 chunks, 4,800 rows written, 0:02:20 elapsed
    """

    target: str
    phase: str
    step: int
    steps: int
    rows: int
    seconds: float
    remaining: float | None = None

    def __str__(self) -> str:
        chunks = "chunk" if self.steps == 1 else "chunks"
        phase = {
            "write": f"chunk {self.step + 1} of {self.steps}",
            "cluster": "clustering the files",
        }.get(self.phase, f"{self.step} of {self.steps} {chunks}")
        left = "" if self.remaining is None else f", about {_clock(self.remaining)} remaining"
        return f"{self.target}: {phase}, {self.rows:,} rows written, {_clock(self.seconds)} elapsed{left}"


def _clock(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))
