"""Data-quality alarms raised after a job: shares of missing values, groups whose newest row is old."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from palette.definitions.base import duration, duration_text
from palette.errors import ArgumentError
from palette.times import to_datetime_or_none

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import FeatureGroup
    from palette.store import FeatureStore

__all__ = ["check_stale", "missing_values", "share", "span", "stale"]


def share(text: str) -> float:
    """Parse a share between 0 and 1.

    Examples
    --------
    >>> share("0.05")
    0.05
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1, such as 0.05")
    return value


def span(text: str) -> dt.timedelta:
    """Parse a time span.

    Examples
    --------
    >>> span("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def missing_values(missing: Mapping[str, float], limit: float | None) -> Iterator[str]:
    """Yield an alarm for each feature whose share of missing values exceeds a limit.

    Examples
    --------
    >>> list(missing_values({"a:b:c:k": 0.3, "a:b:d:k": 0.2}, 0.2))
    ['a:b:c:k: 30.00% of the rows have no value (--alarm-missing 0.2)']
    """
    for feature, actual in missing.items():
        if limit is not None and actual > limit:
            yield f"{feature}: {actual:.2%} of the rows have no value (--alarm-missing {limit:g})"


def check_stale(group: FeatureGroup, limit: dt.timedelta | None) -> None:
    """Raise if the age of a group without event time is to be checked."""
    if limit is not None and group.timestamp is None:
        raise ArgumentError(f"{group.full_name} has no event time: leave out --alarm-stale")


def stale(
    spark: SparkSession, store: FeatureStore, group: FeatureGroup, to: dt.datetime, limit: dt.timedelta | None
) -> Iterator[str]:
    """Yield an alarm if the newest event time of a group's table is before ``to`` by more than a limit."""
    if limit is None or group.timestamp is None:
        return
    from pyspark.sql import functions as F

    from palette.columns import exact_column

    option = f"(--alarm-stale {duration_text(limit)})"
    if store.tables.version(spark, group) is None:
        yield f"{group.full_name}: the table has no rows {option}"
        return
    rows = store.tables.load(spark, group, None)
    ((micros,),) = rows.select(F.unix_micros(F.max(exact_column(group.timestamp)))).collect()
    newest = to_datetime_or_none(micros)
    if newest is None:
        yield f"{group.full_name}: the table has no rows {option}"
    elif newest < to - limit:
        yield f"{group.full_name}: the newest event time is {newest}, {to - newest} before {to} {option}"
