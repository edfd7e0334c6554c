"""Differences between timestamps, and timestamps shifted or truncated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dsl.dtypes import INT, NUM, STR, TS
from dsl.functions.instants import (
    DAY,
    EDGES,
    FIRST,
    LAST,
    ZONE,
    local,
    local_date,
    micros,
    utc,
    wall_clock,
)
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["AddSeconds", "DateDiff", "EpochSeconds", "HoursBetween", "SecondsBetween", "TruncTime"]

_CLOCK_UNITS = {"second": 1, "minute": 60, "hour": 3600}
_CALENDAR_UNITS = ("day", "week", "month", "quarter", "year")
_FIRST, _LAST = micros(FIRST), micros(LAST)
_NOON = datetime(2024, 2, 29, 12, 30)


def _check_unit(unit: str) -> None:
    if unit not in _CLOCK_UNITS and unit not in _CALENDAR_UNITS:
        raise ValueError(f"must be one of {', '.join([*_CLOCK_UNITS, *_CALENDAR_UNITS])}, found {unit!r}")


def _from_micros(F: Any, count: Column) -> Column:
    """Return the timestamp `count` microseconds after 1970, null outside the years 1 to 9999."""
    return F.when(count.between(_FIRST, _LAST), F.timestamp_micros(count))


def _elapsed(F: Any, end: Column, start: Column) -> Column:
    return F.try_subtract(F.unix_micros(end), F.unix_micros(start))


@REGISTRY.register(
    "secondsBetween",
    Arg("end", TS),
    Arg("start", TS),
    returns=NUM,
    examples=[((_NOON, datetime(2024, 2, 29, 12)), 1800.0), ((datetime(1970, 1, 1), _NOON), -1709209800.0)],
)
class SecondsBetween:
    """Seconds from `start` to `end`, with fraction. Null when either is null."""

    @staticmethod
    def column(F: Any, end: Column, start: Column) -> Column:
        return _elapsed(F, end, start) / 1e6

    @staticmethod
    def row(end: datetime, start: datetime) -> float:
        return (micros(end) - micros(start)) / 1e6


@REGISTRY.register(
    "hoursBetween",
    Arg("end", TS),
    Arg("start", TS),
    returns=NUM,
    examples=[((_NOON, datetime(2024, 2, 29)), 12.5)],
)
class HoursBetween:
    """Hours from `start` to `end`, with fraction. Null when either is null."""

    @staticmethod
    def column(F: Any, end: Column, start: Column) -> Column:
        return _elapsed(F, end, start) / 3.6e9

    @staticmethod
    def row(end: datetime, start: datetime) -> float:
        return (micros(end) - micros(start)) / 3.6e9


@REGISTRY.register(
    "dateDiff",
    Arg("end", TS),
    Arg("start", TS),
    ZONE,
    returns=INT,
    examples=[((_NOON, datetime(2024, 2, 28, 23)), 1), ((_NOON, datetime(2024, 2, 28, 23), "Europe/Paris"), 0)],
    edges={"zone": EDGES["zone"], "end": EDGES["timestamp"], "start": EDGES["timestamp"]},
)
class DateDiff:
    """Days from the date of `start` to the date of `end`. Null when either is null."""

    @staticmethod
    def column(F: Any, end: Column, start: Column, zone: str) -> Column:
        return F.date_diff(local_date(F, end, zone), local_date(F, start, zone)).cast("bigint")

    @staticmethod
    def row(end: datetime, start: datetime, zone: str) -> int:
        return local(end, zone).toordinal() - local(start, zone).toordinal()


@REGISTRY.register(
    "epochSeconds",
    Arg("timestamp", TS),
    returns=NUM,
    examples=[((datetime(1970, 1, 1, 0, 0, 1, 500_000),), 1.5), ((_NOON,), 1709209800.0)],
)
class EpochSeconds:
    """Seconds since 1970 in UTC, with fraction. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column) -> Column:
        return F.unix_micros(timestamp) / 1e6

    @staticmethod
    def row(timestamp: datetime) -> float:
        return micros(timestamp) / 1e6


@REGISTRY.register(
    "addSeconds",
    Arg("timestamp", TS),
    Arg("seconds", NUM),
    returns=TS,
    examples=[((_NOON, 0.25), datetime(2024, 2, 29, 12, 30, 0, 250_000)), ((_NOON, 1e12), None)],
)
class AddSeconds:
    """The timestamp `seconds` later, rounded to microseconds. Null outside the years 1 to 9999."""

    @staticmethod
    def column(F: Any, timestamp: Column, seconds: Column) -> Column:
        return _from_micros(F, F.try_add(F.unix_micros(timestamp), F.rint(seconds * 1e6).try_cast("bigint")))

    @staticmethod
    def row(timestamp: datetime, seconds: float) -> datetime | None:
        try:
            return timestamp + timedelta(microseconds=round(seconds * 1e6))
        except (OverflowError, ValueError):  # too far, or NaN
            return None


@REGISTRY.register(
    "truncTime",
    Arg("timestamp", TS),
    Arg("unit", STR, constant=True, check=_check_unit),
    ZONE,
    returns=TS,
    examples=[
        ((_NOON, "hour"), datetime(2024, 2, 29, 12)),
        ((_NOON, "week"), datetime(2024, 2, 26)),
        ((_NOON, "day", "Asia/Kolkata"), datetime(2024, 2, 28, 18, 30)),
    ],
    edges={**EDGES, "unit": [*_CLOCK_UNITS, *_CALENDAR_UNITS]},
)
class TruncTime:
    """The start of the second, minute, hour, day, week (Monday), month, quarter or year. Null before the year 1."""

    @staticmethod
    def column(F: Any, timestamp: Column, unit: str, zone: str) -> Column:
        if unit in _CLOCK_UNITS:
            wall = F.unix_micros(wall_clock(F, timestamp, zone))
            return _from_micros(F, F.unix_micros(timestamp) - F.pmod(wall, F.lit(_CLOCK_UNITS[unit] * 1_000_000)))
        date = local_date(F, timestamp, zone)
        days = F.unix_date(date if unit == "day" else F.trunc(date, unit))
        midnight = F.timestamp_seconds(days.cast("bigint") * DAY)
        return _from_micros(F, F.unix_micros(midnight if zone == "UTC" else F.to_utc_timestamp(midnight, zone)))

    @staticmethod
    def row(timestamp: datetime, unit: str, zone: str) -> datetime | None:
        wall = local(timestamp, zone)
        try:
            if unit in _CLOCK_UNITS:
                since_midnight = wall - wall.replace(hour=0, minute=0, second=0, microsecond=0)
                return timestamp - since_midnight % timedelta(seconds=_CLOCK_UNITS[unit])
            return utc(_start_of_date(wall, unit), zone)
        except OverflowError:
            return None


def _start_of_date(wall: datetime, unit: str) -> datetime:
    midnight = datetime(wall.year, wall.month, wall.day)
    if unit == "week":
        return midnight - timedelta(days=wall.weekday())
    if unit == "day":
        return midnight
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    return datetime(wall.year, (wall.month - 1) // months * months + 1, 1)
