"""Cyclical encodings: a clock or calendar position as a point on a circle, so that 23 h and 0 h are neighbours.

Both bodies read the values from the same table, computed in Python, so they are bit-equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dsl.dtypes import NUM, TS
from dsl.functions.instants import EDGES, ZONE
from dsl.functions.time import DayOfWeek, Hour, Month
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["DayOfWeekCos", "DayOfWeekSin", "HourCos", "HourSin", "MonthCos", "MonthSin"]

_TIMESTAMP = Arg("timestamp", TS)
_SUNRISE = datetime(2024, 4, 7, 6)  # a Sunday in April


def _table(wave: Any, steps: int) -> list[float]:
    # Rounded so that the quarter points are exact: sin(pi) is not zero in doubles.
    return [round(wave(2 * math.pi * step / steps), 15) + 0.0 for step in range(steps)]


_HOUR_SIN, _HOUR_COS = _table(math.sin, 24), _table(math.cos, 24)
_WEEK_SIN, _WEEK_COS = _table(math.sin, 7), _table(math.cos, 7)
_YEAR_SIN, _YEAR_COS = _table(math.sin, 12), _table(math.cos, 12)


def _look_up(F: Any, table: Sequence[float], index: Column) -> Column:
    return F.get(F.array(*map(F.lit, table)), index)


@REGISTRY.register("hourSin", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 1.0)])
class HourSin:
    """Sine of the hour on a circle of 24. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _HOUR_SIN, Hour.column(F, timestamp, zone))

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _HOUR_SIN[Hour.row(timestamp, zone)]


@REGISTRY.register("hourCos", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 0.0)])
class HourCos:
    """Cosine of the hour on a circle of 24. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _HOUR_COS, Hour.column(F, timestamp, zone))

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _HOUR_COS[Hour.row(timestamp, zone)]


@REGISTRY.register("dayOfWeekSin", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 0.0)])
class DayOfWeekSin:
    """Sine of the day of the week on a circle of 7 from Sunday. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _WEEK_SIN, DayOfWeek.column(F, timestamp, zone) - 1)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _WEEK_SIN[DayOfWeek.row(timestamp, zone) - 1]


@REGISTRY.register("dayOfWeekCos", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 1.0)])
class DayOfWeekCos:
    """Cosine of the day of the week on a circle of 7 from Sunday. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _WEEK_COS, DayOfWeek.column(F, timestamp, zone) - 1)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _WEEK_COS[DayOfWeek.row(timestamp, zone) - 1]


@REGISTRY.register("monthSin", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 1.0)])
class MonthSin:
    """Sine of the month on a circle of 12 from January. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _YEAR_SIN, Month.column(F, timestamp, zone) - 1)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _YEAR_SIN[Month.row(timestamp, zone) - 1]


@REGISTRY.register("monthCos", _TIMESTAMP, ZONE, returns=NUM, edges=EDGES, examples=[((_SUNRISE,), 0.0)])
class MonthCos:
    """Cosine of the month on a circle of 12 from January. Null when `timestamp` is null."""

    @staticmethod
    def column(F: Any, timestamp: Column, zone: str) -> Column:
        return _look_up(F, _YEAR_COS, Month.column(F, timestamp, zone) - 1)

    @staticmethod
    def row(timestamp: datetime, zone: str) -> float:
        return _YEAR_COS[Month.row(timestamp, zone) - 1]
