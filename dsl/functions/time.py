"""Parts of a timestamp in a time zone: UTC by default, never the session's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, TS
from dsl.functions.instants import DAY, EDGES, ZONE, local, local_date, local_seconds
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["DayOfMonth", "DayOfWeek", "DayOfYear", "Hour", "IsWeekend", "Minute", "Month", "Quarter", "Second",
    "WeekOfYear", "Year"]  # fmt: skip

_TIMESTAMP = Arg("timestamp", TS)
_LEAP = datetime(2024, 2, 29, 23, 30, 15)  # a Thursday


@REGISTRY.register(
    "year",
    _TIMESTAMP,
    ZONE,
    returns=INT,
    edges=EDGES,
    examples=[((_LEAP,), 2024), ((datetime(2023, 12, 31, 23), "Europe/Paris"), 2024)],
)
class Year:
    """The year. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.year(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).year


@REGISTRY.register("quarter", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 1)])
class Quarter:
    """The quarter of the year, 1 to 4. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.quarter(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return (local(timestamp, zone).month + 2) // 3


@REGISTRY.register(
    "month", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 2), ((_LEAP, "Europe/Paris"), 3)]
)
class Month:
    """The month, 1 to 12. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.month(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).month


@REGISTRY.register("weekOfYear", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 9)])
class WeekOfYear:
    """The ISO 8601 week, 1 to 53: weeks begin on Monday, the first has a Thursday. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.weekofyear(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).isocalendar()[1]


@REGISTRY.register("dayOfYear", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 60)])
class DayOfYear:
    """The day of the year, 1 to 366. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.dayofyear(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).timetuple().tm_yday


@REGISTRY.register("dayOfMonth", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 29)])
class DayOfMonth:
    """The day of the month, 1 to 31. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.dayofmonth(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).day


@REGISTRY.register(
    "dayOfWeek", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 5), ((datetime(2024, 3, 3),), 1)]
)
class DayOfWeek:
    """The day of the week, from 1 for Sunday to 7 for Saturday, as in Spark. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.dayofweek(local_date(F, timestamp, zone)).cast("bigint")

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).isoweekday() % 7 + 1


@REGISTRY.register(
    "isWeekend",
    _TIMESTAMP,
    ZONE,
    returns=BOOL,
    edges=EDGES,
    examples=[((_LEAP,), False), ((datetime(2024, 3, 3),), True)],
)
class IsWeekend:
    """Whether the day is Saturday or Sunday. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.dayofweek(local_date(F, timestamp, zone)).isin(1, 7)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> bool:
        return local(timestamp, zone).weekday() > 4


@REGISTRY.register(
    "hour", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 23), ((_LEAP, "Asia/Kolkata"), 5)]
)
class Hour:
    """The hour, 0 to 23. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.floor(F.pmod(local_seconds(F, timestamp, zone), F.lit(DAY)) / 3600)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).hour


@REGISTRY.register(
    "minute", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 30), ((_LEAP, "Asia/Kolkata"), 0)]
)
class Minute:
    """The minute, 0 to 59. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.floor(F.pmod(local_seconds(F, timestamp, zone), F.lit(3600)) / 60)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).minute


@REGISTRY.register("second", _TIMESTAMP, ZONE, returns=INT, edges=EDGES, examples=[((_LEAP,), 15)])
class Second:
    """The second, 0 to 59, without its fraction. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return F.pmod(local_seconds(F, timestamp, zone), F.lit(60))

    @staticmethod
    def row(timestamp: datetime, zone: str) -> int:
        return local(timestamp, zone).second
