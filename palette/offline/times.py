"""Spark columns of timestamps as whole microseconds since 1970, UTC, whatever the time zone of the session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["is_time", "micros", "spark_type"]

DAY = 86_400_000_000
PLAIN = re.compile(r"\btimestamp\b")


def spark_type(dtype: str) -> str:
    """Return a declared type for Spark's parser, which makes of ``timestamp`` what ``spark.sql.timestampType`` says.

    Examples
    --------
    >>> spark_type("timestamp"), spark_type("array<timestamp>"), spark_type("timestamp_ntz"), spark_type("bigint")
    ('timestamp_ltz', 'array<timestamp_ltz>', 'timestamp_ntz', 'bigint')
    """
    return PLAIN.sub("timestamp_ltz", dtype)


def is_time(dtype: T.DataType) -> bool:
    """Tell whether values of this type are points in time: TIMESTAMP, TIMESTAMP_NTZ or DATE."""
    return isinstance(dtype, (T.TimestampType, T.TimestampNTZType, T.DateType))


def micros(column: Column, dtype: T.DataType) -> Column:
    """Return a time column as microseconds UTC; TIMESTAMP_NTZ and DATE are read as UTC.

    Casting them to TIMESTAMP would read them in the session's zone, so they are taken apart instead.
    """
    if isinstance(dtype, T.TimestampType):
        return F.unix_micros(column)
    days = F.unix_date(column.cast("date")).cast("bigint") * F.lit(DAY)
    if isinstance(dtype, T.DateType):
        return days
    minutes = (F.hour(column) * 60 + F.minute(column)).cast("bigint") * F.lit(60_000_000)
    return days + minutes + (F.date_part(F.lit("SECOND"), column) * 1_000_000).cast("bigint")
