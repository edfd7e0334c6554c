"""Timestamps as microseconds and seconds, independent of the session's time zone.

Spark's own time functions read the session's zone. These expressions start from the microseconds since 1970 instead,
shifted to the wall clock of the given zone.
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

__all__ = ["DAY", "EDGES", "FIRST", "LAST", "ZONE", "check_zone", "local", "local_date", "local_seconds", "micros",
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
    except (KeyError, ValueError, OSError):  # zoneinfo raises any of them
        known = False
    if not known:
        raise ValueError(f"must be a time zone such as 'UTC' or 'Europe/Paris', found {zone!r}")


ZONE = Arg("zone", STR, constant=True, default="UTC", check=check_zone)
"""The parameter of functions that read a calendar or a clock."""

EDGES: dict[str, Sequence[Any]] = {
    "zone": ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"],
    "timestamp": [
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
"""Values to test: ends of the calendar, leap days, both sides of clock changes."""


def micros(timestamp: datetime) -> int:
    """Return the microseconds from 1970 to a naive UTC timestamp.

    Examples
    --------
    >>> micros(datetime(1969, 12, 31, 23, 59, 59))
    -1000000
    """
    return (timestamp - EPOCH) // _MICROSECOND


def timestamp_literal(F: Any, timestamp: datetime | None) -> Column:
    """Return a naive UTC timestamp as a Column; ``F.lit`` would read it in the zone of the process."""
    return F.lit(None).cast("timestamp_ltz") if timestamp is None else F.timestamp_micros(F.lit(micros(timestamp)))


def local(timestamp: datetime, zone: str) -> datetime:
    """Return the wall clock of `zone` at a naive UTC timestamp, limited to the ends of the calendar.

    Examples
    --------
    >>> local(datetime(2024, 7, 1, 22), "Europe/Paris")
    datetime.datetime(2024, 7, 2, 0, 0)
    """
    if zone == "UTC":
        return timestamp
    try:
        return timestamp.replace(tzinfo=UTC).astimezone(_region(zone)).replace(tzinfo=None)
    except OverflowError:
        return FIRST if timestamp.year == 1 else LAST


def utc(wall: datetime, zone: str) -> datetime:
    """Return the first naive UTC timestamp at which the clock of `zone` shows `wall`.

    Examples
    --------
    >>> utc(datetime(2024, 7, 2), "Europe/Paris")
    datetime.datetime(2024, 7, 1, 22, 0)
    """
    if zone == "UTC":
        return wall
    return wall.replace(tzinfo=_region(zone)).astimezone(UTC).replace(tzinfo=None)


def wall_clock(F: Any, timestamp: Column, zone: str) -> Column:
    """Return the wall clock of `zone` as a timestamp in UTC, limited to the ends of the calendar as in `local`."""
    if zone == "UTC":
        return timestamp
    shifted = F.from_utc_timestamp(timestamp, zone)
    within = F.least(F.greatest(shifted, timestamp_literal(F, FIRST)), timestamp_literal(F, LAST))
    return F.when(timestamp.isNotNull(), within)  # least and greatest skip nulls


def local_seconds(F: Any, timestamp: Column, zone: str) -> Column:
    """Return the seconds from 1970 to the wall clock of `zone`, rounded down."""
    return F.unix_seconds(wall_clock(F, timestamp, zone))


def local_date(F: Any, timestamp: Column, zone: str) -> Column:
    """Return the date on the calendar of `zone`; the quotient of such numbers is never rounded up to an integer."""
    return F.date_from_unix_date(F.floor(local_seconds(F, timestamp, zone) / DAY).cast("int"))
