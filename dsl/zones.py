"""Time zones of expressions, and their offsets in the time zone database of this process."""

from __future__ import annotations

import importlib
import zoneinfo
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path

from dsl.functions.instants import check_zone
from dsl.syntax.nodes import Call, Literal, Node, walk

__all__ = ["FIRST_CHANGE", "LAST_CHANGE", "STEP", "database_release", "find_zones", "offset_changes"]

# Range of the search for clock changes, in seconds since 1970: from 1900 to 2040, after which rules repeat.
FIRST_CHANGE, LAST_CHANGE = -2_208_988_800, 2_208_988_800
DAY, STEP = 86_400, 900


def find_zones(nodes: Iterable[Node]) -> list[str]:
    """Return the time zones whose calendar or clock expressions read, sorted, without UTC.

    Examples
    --------
    >>> from dsl import parse
    >>> find_zones([parse("hour(tVal('basis:at'), 'Europe/Paris') + dayOfWeek(tVal('basis:at'))")])
    ['Europe/Paris']
    """
    zones = set()
    for node in nodes:
        for call in walk(node):
            if isinstance(call, Call):
                for arg, value in zip(call.function.args, call.args, strict=False):
                    if arg.check is check_zone and isinstance(value, Literal):
                        zones.add(str(value.value))
    return sorted(zones - {"UTC"})


def database_release() -> str:
    """Return the release of the time zone database that this process reads, such as ``2025b``; empty if unknown."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "Europe").is_dir():
            # The system's database has precedence over the package.
            for name in ("tzdata.zi", "+VERSION"):
                if (folder / name).is_file():
                    with (folder / name).open(encoding="utf-8") as lines:
                        return lines.readline().removeprefix("# version").strip()
            return ""
    try:
        return str(importlib.import_module("tzdata").IANA_VERSION)
    except ImportError:
        return ""


def offset_changes(zone: str, start: int = FIRST_CHANGE) -> list[tuple[int, int]]:
    """Return the changes of a zone's offset from UTC: seconds since 1970, and the offset in seconds from then on.

    The first is the offset at the start. Changes are detected to a quarter of an hour.

    Examples
    --------
    >>> offset_changes("Asia/Kolkata", start=0)
    [(0, 19800)]
    """
    region = zoneinfo.ZoneInfo(zone)

    @cache
    def offset(second: int) -> int:
        delta = datetime.fromtimestamp(second, region).utcoffset()
        return 0 if delta is None else delta.days * DAY + delta.seconds

    days = [day for day in range(start + DAY, LAST_CHANGE + 1, DAY) if offset(day) != offset(day - DAY)]
    quarters = (second for day in days for second in range(day - DAY + STEP, day + 1, STEP))
    return [(start, offset(start)), *((at, offset(at)) for at in quarters if offset(at) != offset(at - STEP))]
