"""What all definitions have in common: frozen models, names, and time spans written as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from palette.errors import DefinitionError

__all__ = ["Definition", "checked_name", "duration", "duration_text", "unique"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")
UNITS = {
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}


def duration(text: str) -> timedelta:
    """Return the time span that a text like ``"30d"``, ``"12h"`` or ``"15m"`` means.

    Raises
    ------
    ValueError
        If the text is no number with one of the units us, ms, s, m, h, d, w.

    Examples
    --------
    >>> duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if not (match := DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is no duration (write 30d, 12h, 15m, 45s)")
    return timedelta(**{UNITS[match[2]]: float(match[1])})


def duration_text(span: timedelta, *, weeks: bool = True) -> str:
    """Return a time span as a whole number of the largest unit that fits; with ``weeks=False`` days at most.

    Examples
    --------
    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=28)), duration_text(timedelta(28), weeks=False)
    ('36h', '4w', '28d')
    """
    units = [unit for unit in reversed(UNITS) if weeks or unit != "w"]
    unit = next(unit for unit in units if not span % timedelta(**{UNITS[unit]: 1}))
    return f"{span // timedelta(**{UNITS[unit]: 1})}{unit}"


class Definition(BaseModel):
    """A frozen model whose faults are reported as :class:`DefinitionError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            name = data.get("name") or data.get("column")
            subject = type(self).__name__ + (f" {name!r}" if name else "")
            faults = "; ".join(_fault(fault) for fault in error.errors())
            raise DefinitionError(f"{subject}: {faults}") from error


def _fault(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def checked_name(name: str, what: str = "name") -> str:
    """Return a name; raise :class:`ValueError` if it is none."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r} must match [A-Za-z_][A-Za-z0-9_]*")
    return name


def unique(names: Sequence[str], what: str) -> None:
    """Raise :class:`ValueError` if a name stands twice, or two differ only by case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.get(name.lower())) is not None:
            same = f"{name!r} stands twice" if other == name else f"{other!r} and {name!r} differ only by case"
            raise ValueError(f"{what} {same}")
        seen[name.lower()] = name
