"""Schedules: five fields as cron reads them."""

from __future__ import annotations

import re

from palette.errors import nearest

__all__ = ["checked_schedule"]

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Field, its least and greatest number, and names that stand for numbers.
FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(DAYS)}),
)
SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)


def checked_schedule(schedule: str) -> str:
    """Return a cron expression with one space between its fields.

    Raises
    ------
    ValueError
        If it is none, with the field and what to write.

    Examples
    --------
    >>> checked_schedule("*/15  8-18 * * mon-fri")
    '*/15 8-18 * * mon-fri'
    """
    if (meant := SHORTHANDS.get(schedule.strip().lower())) is not None:
        raise ValueError(f"{schedule!r} is a shorthand that not every scheduler knows: write {meant!r}")
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"{schedule!r:.80} has {len(fields)} fields, a cron expression has five: minute, hour, day of the month, "
            f"month, day of the week ('0 3 * * *' is every day at three)"
        )
    for text, field in zip(fields, FIELDS, strict=True):
        for part in text.split(","):
            _check(part, schedule, *field)
    return " ".join(fields)


def _check(part: str, schedule: str, field: str, least: int, greatest: int, names: dict[str, int]) -> None:
    match = PART.fullmatch(part)
    told = f"{schedule!r:.80}: {field} {part!r:.80}"
    if match is None:
        raise ValueError(f"{told} is none: write a number, a range 1-5, a list 1,3, a step */15, or *")
    _, first, last, step = match.groups()
    numbers = []
    for word in (first, last):
        if word is not None:
            number = names.get(word.lower(), int(word) if word.isdigit() else None)
            if number is None:
                raise ValueError(f"{told} is none{nearest(word.lower(), names)}: {least} to {greatest}{_named(names)}")
            if not least <= number <= greatest:
                raise ValueError(f"{told} is out of range: {least} to {greatest}{_named(names)}")
            numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise ValueError(f"{told} goes backwards: write two ranges, {first}-{greatest},{least}-{last}")
    if step is not None and not 1 <= int(step) <= greatest:
        raise ValueError(f"{told} has a step of {step}: 1 to {greatest}")
    if step is not None and len(numbers) == 1:
        raise ValueError(f"{told} has a step and no range: write {first}-{greatest}/{step}, or */{step}")


def _named(names: dict[str, int]) -> str:
    return f", or {', '.join(names)}" if names else ""
