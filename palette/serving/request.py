"""Checks of a request row besides its values: unknown columns, and the row's own time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from palette.errors import RequestTimeError, UnknownColumnError, nearest
from palette.serving.stages import Bind
from palette.times import EPOCH, to_datetime, to_micros

__all__ = ["NO_CHECKS", "Checks", "ColumnCheck", "TimeCheck", "column_check"]

ColumnCheck: TypeAlias = "Callable[[Mapping[str, Any]], None]"
SHOWN, LONGEST = 5, 80


@dataclass(frozen=True)
class Checks:
    """What is checked of a request besides its values.

    Parameters
    ----------
    columns : callable, optional
        Takes the row, and raises where it has unknown columns.
    time : TimeCheck, optional
        Checks a row's own time.
    """

    columns: ColumnCheck | None = None
    time: TimeCheck | None = None


NO_CHECKS = Checks()


def column_check(known: Collection[str]) -> ColumnCheck:
    """Return a check that raises :class:`palette.errors.UnknownColumnError` for rows with other columns than these.

    Examples
    --------
    >>> column_check({"r_id", "size"})({"rid": "r1", "size": 3})
    Traceback (most recent call last):
    palette.errors.UnknownColumnError: the row has unknown column 'rid' (did you mean 'r_id'?); leave it out
    """
    columns = frozenset(known)

    def check(row: Mapping[str, Any]) -> None:
        if not row.keys() <= columns:
            unknown = [name for name in row if name not in columns]
            parts = [f"{name!r:.{LONGEST}}" for name in unknown[:SHOWN]]
            near = [nearest(str(name)[:LONGEST], columns).removeprefix("; ") for name in unknown[:SHOWN]]
            named = [f"{part} ({hint})" if hint else part for part, hint in zip(parts, near, strict=True)]
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            plural = "" if len(unknown) == 1 else "s"
            raise UnknownColumnError(f"the row has unknown column{plural} {', '.join(named)}{more}; leave it out")

    return check


@dataclass(frozen=True)
class TimeCheck:
    """Raises :class:`palette.errors.RequestTimeError` for rows of another time than the store's values.

    Parameters
    ----------
    at : int, optional
        The time of the snapshot in microseconds: a row's time must not be before it. None for a live store.
    max_age : float
        How many seconds a row's time may be away from now where the store is live; infinite is any number.

    Examples
    --------
    >>> TimeCheck(None, 300.0)("at", dt.datetime(1970, 1, 1), 301_000_000)
    Traceback (most recent call last):
    palette.errors.RequestTimeError: column 'at' is 1970-01-01T00:00:00Z, 301 s before now (1970-01-01T00:05:01Z): the \
store has the values of now; leave the column out, score on a snapshot of that time (store.snapshot(at=...)), or use \
transform; max_request_age is 300 s
    """

    at: int | None
    max_age: float

    @property
    def furthest(self) -> float:
        """Maximum difference between a row's timestamp and now, in microseconds."""
        return self.max_age if self.max_age == math.inf else round(self.max_age * 1e6)

    def passing(self, local: str, bind: Bind) -> str:
        """Return a Python expression that is true for a variable that holds a plain UTC time which passes, at ``now``.

        Whatever else it holds is for :meth:`__call__` to decide.
        """
        plain = f"{local}.__class__ is {bind(dt.datetime, dt.datetime)} and {local}.tzinfo is None"
        if self.at is not None:
            return f"{plain} and {local} >= {bind(to_datetime(self.at), ('at', self.at))}"
        day, second, epoch = (bind(number, ("time", number)) for number in (86_400, 1_000_000, EPOCH))
        since = f"{local}_since"
        age = f"now - (({since}.days * {day} + {since}.seconds) * {second} + {since}.microseconds)"
        low, high = (bind(age, ("age", age)) for age in (-self.furthest, self.furthest))
        return f"{plain} and (({since} := {local} - {epoch}) or True) and {low} <= {age} <= {high}"

    def __call__(self, column: str, time: dt.datetime | None, now: int) -> None:
        """Check the time of a row, which its column holds; null is now."""
        if time is None:
            return
        micros = to_micros(time)
        if self.at is not None:
            if micros < self.at:
                raise RequestTimeError(
                    f"column {column!r} is {_format(micros)}, before the snapshot's time ({_format(self.at)}): the "
                    "snapshot has values that were not known then; leave the column out, take a snapshot at that "
                    "time, or use transform"
                )
        elif abs(now - micros) > self.furthest:
            away = f"{abs(now - micros) / 1e6:,.0f} s {'before' if micros < now else 'after'} now ({_format(now)})"
            raise RequestTimeError(
                f"column {column!r} is {_format(micros)}, {away}: the store has the values of now; leave the column "
                "out, score on a snapshot of that time (store.snapshot(at=...)), or use transform; max_request_age is "
                f"{self.max_age:,g} s"
            )


def _format(microseconds: int) -> str:
    return f"{to_datetime(microseconds).isoformat()}Z"
