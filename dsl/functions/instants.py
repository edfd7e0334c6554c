"""Moments as microseconds and seconds, in ways that no session time zone can touch.

Spark's own time functions read the session's zone. These expressions start from the microseconds since 1970 instead,
shifted to the wall clock of the zone asked for.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dsl.dtypes import STR
from dsl.registry import Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["DAY", "FIRST", "LAST", "MOMENTS", "ZONE", "check_zone", "local", "local_date", "local_seconds", "micros",
    "timestamp_literal", "utc", "wall_clock"]  # fmt: skip

EPOCH = datetime(1970, 1, 1)
DAY = 86_400
_MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)


@lru_cache(maxsize=64)
def _region(zone: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(zone)


def check_zone(zone: str) -> None:
    """Raise ValueError unless `zone` is a region of the time zone database.

    Examples
    --------
    >>> check_zone("Europe/Paris")
    >>> check_zone("CEST")
    Traceback (most recent call last):
    ValueError: must be a time zone such as 'UTC' or 'Europe/Paris', found 'CEST'
    """
    try:
        known = zone == "UTC" or ("/" in zone and zone[0].isupper() and _region(zone) is not None)
    except (KeyError, ValueError, OSError):  # whichever zoneinfo meets first
        known = False
    if not known:
        raise ValueError(f"must be a time zone such as 'UTC' or 'Europe/Paris', found {zone!r}")


ZONE = Arg("zone", STR, constant=True, default="UTC", check=check_zone)
"""The parameter of functions that read a calendar or a clock."""

MOMENTS: dict[str, Sequence[Any]] = {
    "zone": ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"],
    "moment": [
        None,
        FIRST,
        datetime(1, 1, 1, 5),
        datetime(1883, 11, 18, 17),
        datetime(1900, 2, 28, 23, 59, 59, 999_999),
        datetime(1969, 12, 31, 23, 59, 59, 999_999),
        datetime(1970, 1, 1),
        datetime(2000, 2, 29, 12, 30, 45, 123_456),
        datetime(2023, 12, 31, 23, 59, 59),
        datetime(2024, 3, 10, 6, 59, 59, 999_999),
        datetime(2024, 3, 10, 7),
        datetime(2024, 4, 6, 15, 15),
        datetime(2024, 11, 3, 5, 30),
        datetime(2024, 11, 3, 6, 30),
        datetime(2024, 12, 30),
        datetime(2037, 6, 15),
        datetime(2100, 7, 4, 4),
        LAST,
    ],
}
"""Values to try: ends of the calendar, leap days, both sides of clock changes."""


def micros(moment: datetime) -> int:
    """Return the microseconds from 1970 to a naive UTC time.

    Examples
    --------
    >>> micros(datetime(1969, 12, 31, 23, 59, 59))
    -1000000
    """
    return (moment - EPOCH) // _MICROSECOND


def timestamp_literal(F: Any, moment: datetime | None) -> Column:
    """Return a naive UTC time as a Column; ``F.lit`` would read it in the zone of the process."""
    return F.lit(None).cast("timestamp_ltz") if moment is None else F.timestamp_micros(F.lit(micros(moment)))


def local(moment: datetime, zone: str) -> datetime:
    """Return the wall clock of `zone` at a naive UTC time; at the ends of the calendar it stops.

    Examples
    --------
    >>> local(datetime(2024, 7, 1, 22), "Europe/Paris")
    datetime.datetime(2024, 7, 2, 0, 0)
    """
    if zone == "UTC":
        return moment
    try:
        return moment.replace(tzinfo=UTC).astimezone(_region(zone)).replace(tzinfo=None)
    except OverflowError:
        return FIRST if moment.year == 1 else LAST


def utc(wall: datetime, zone: str) -> datetime:
    """Return the naive UTC time at which the clock of `zone` shows `wall`, the first time when it does so twice.

    Examples
    --------
    >>> utc(datetime(2024, 7, 2), "Europe/Paris")
    datetime.datetime(2024, 7, 1, 22, 0)
    """
    if zone == "UTC":
        return wall
    return wall.replace(tzinfo=_region(zone)).astimezone(UTC).replace(tzinfo=None)


def wall_clock(F: Any, moment: Column, zone: str) -> Column:
    """Return the timestamp that UTC shows when `zone` shows the time of `moment`; as `local`, it stops at the ends."""
    if zone == "UTC":
        return moment
    shifted = F.from_utc_timestamp(moment, zone)
    within = F.least(F.greatest(shifted, timestamp_literal(F, FIRST)), timestamp_literal(F, LAST))
    return F.when(moment.isNotNull(), within)  # least and greatest skip nulls


def local_seconds(F: Any, moment: Column, zone: str) -> Column:
    """Return the seconds from 1970 to the wall clock of `zone`, whole ones, rounded down."""
    return F.unix_seconds(wall_clock(F, moment, zone))


def local_date(F: Any, moment: Column, zone: str) -> Column:
    """Return the date on the calendar of `zone`; the quotient of such numbers is never rounded up to a whole one."""
    return F.date_from_unix_date(F.floor(local_seconds(F, moment, zone) / DAY).cast("int"))
