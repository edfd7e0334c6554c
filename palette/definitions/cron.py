"""Cron schedules of five fields."""

from __future__ import annotations

import re

from palette.errors import nearest

__all__ = ["parse_schedule"]

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Field, its smallest and largest number, and names of numbers.
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


def parse_schedule(schedule: str) -> str:
    """Return a cron expression with one space between its fields.

    Raises
    ------
    ValueError
        If it is invalid; the message names the field and the remedy.

    Examples
    --------
    >>> parse_schedule("*/15  8-18 * * mon-fri")
    '*/15 8-18 * * mon-fri'
    """
    if (expanded := SHORTHANDS.get(schedule.strip().lower())) is not None:
        raise ValueError(f"{schedule!r} is a shorthand that not every scheduler knows: write {expanded!r}")
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"{schedule!r:.80} has {len(fields)} fields, a cron expression has five: minute, hour, day of the month, "
            f"month, day of the week ('0 3 * * *' runs every day at 3:00)"
        )
    for value, field in zip(fields, FIELDS, strict=True):
        for part in value.split(","):
            _check(part, schedule, *field)
    return " ".join(fields)


def _check(part: str, schedule: str, field: str, lowest: int, highest: int, names: dict[str, int]) -> None:
    match = PART.fullmatch(part)
    subject = f"{schedule!r:.80}: {field} {part!r:.80}"
    if match is None:
        raise ValueError(f"{subject} is invalid: write a number, a range 1-5, a list 1,3, a step */15, or *")
    _, first, last, step = match.groups()
    numbers = []
    for bound in (first, last):
        if bound is not None:
            number = names.get(bound.lower(), int(bound) if bound.isdigit() else None)
            if number is None:
                raise ValueError(
                    f"{subject} is invalid{nearest(bound.lower(), names)}: {lowest} to {highest}{_or_names(names)}"
                )
            if not lowest <= number <= highest:
                raise ValueError(f"{subject} is out of range: {lowest} to {highest}{_or_names(names)}")
            numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise ValueError(f"{subject} goes backwards: write two ranges, {first}-{highest},{lowest}-{last}")
    if step is not None and not 1 <= int(step) <= highest:
        raise ValueError(f"{subject} has a step of {step}: 1 to {highest}")
    if step is not None and len(numbers) == 1:
        raise ValueError(f"{subject} has a step without a range: write {first}-{highest}/{step}, or */{step}")


def _or_names(names: dict[str, int]) -> str:
    return f", or {', '.join(names)}" if names else ""
