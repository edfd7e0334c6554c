"""What was done, and yet a person should look at: shares of rows without a value, groups whose newest row is old."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from palette.definitions.base import duration, duration_text
from palette.errors import DefinitionError
from palette.times import to_datetime_or_none

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import FeatureGroup
    from palette.store import FeatureStore

__all__ = ["check_stale", "missing_values", "share", "span", "stale"]


def share(text: str) -> float:
    """Return a share between 0 and 1, of an argument.

    Examples
    --------
    >>> share("0.05")
    0.05
    """
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to 1, as 0.05")
    return found


def span(text: str) -> dt.timedelta:
    """Return a time span, of an argument.

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
    """Yield an alarm for each feature of which more rows than a share have no value.

    Examples
    --------
    >>> list(missing_values({"a:b:c:k": 0.3, "a:b:d:k": 0.2}, 0.2))
    ['a:b:c:k: 30.00% of the rows have no value (--alarm-missing 0.2)']
    """
    for feature, found in missing.items():
        if limit is not None and found > limit:
            yield f"{feature}: {found:.2%} of the rows have no value (--alarm-missing {limit:g})"


def check_stale(group: FeatureGroup, limit: dt.timedelta | None) -> None:
    """Refuse to watch the age of what has no time."""
    if limit is not None and group.timestamp is None:
        raise DefinitionError(f"{group.full_name} has no event time: leave out --alarm-stale")


def stale(
    spark: SparkSession, store: FeatureStore, group: FeatureGroup, to: dt.datetime, limit: dt.timedelta | None
) -> Iterator[str]:
    """Yield an alarm if the newest event time of a group's table is older than a time span before a moment."""
    if limit is None or group.timestamp is None:
        return
    from pyspark.sql import functions as F

    from palette.columns import exact_column

    told = f"(--alarm-stale {duration_text(limit)})"
    if store.tables.version(spark, group) is None:
        yield f"{group.full_name}: there is no row at all {told}"
        return
    rows = store.tables.load(spark, group, None)
    ((micros,),) = rows.select(F.unix_micros(F.max(exact_column(group.timestamp)))).collect()
    newest = to_datetime_or_none(micros)
    if newest is None:
        yield f"{group.full_name}: there is no row at all {told}"
    elif newest < to - limit:
        yield f"{group.full_name}: the newest event time is {newest}, {to - newest} before {to} {told}"
