"""Spark types and columns of timestamps: microseconds since 1970 UTC, whatever the time zone of the session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["data_type", "is_time", "micros", "spark_type"]

DAY = 86_400_000_000
PLAIN = re.compile(r"\btimestamp\b")
ELEMENT = re.compile(r"array<(.*)>")
DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
SCALARS: dict[str, type[T.DataType]] = {
    "tinyint": T.ByteType,
    "smallint": T.ShortType,
    "int": T.IntegerType,
    "bigint": T.LongType,
    "float": T.FloatType,
    "double": T.DoubleType,
    "string": T.StringType,
    "boolean": T.BooleanType,
    "timestamp": T.TimestampType,
    "date": T.DateType,
}


def spark_type(dtype: str) -> str:
    """Return a declared type for Spark's parser, which reads ``timestamp`` as ``spark.sql.timestampType``.

    Examples
    --------
    >>> spark_type("timestamp"), spark_type("array<timestamp>"), spark_type("timestamp_ntz"), spark_type("bigint")
    ('timestamp_ltz', 'array<timestamp_ltz>', 'timestamp_ntz', 'bigint')
    """
    return PLAIN.sub("timestamp_ltz", dtype)


def data_type(dtype: str) -> T.DataType:
    """Return a declared type as Spark's, without its parser, which is a call to Java.

    Examples
    --------
    >>> data_type("timestamp"), data_type("array<double>"), data_type("decimal(10,2)")
    (TimestampType(), ArrayType(DoubleType(), True), DecimalType(10,2))
    """
    if element := ELEMENT.fullmatch(dtype):
        return T.ArrayType(data_type(element[1]))
    if decimal := DECIMAL.fullmatch(dtype):
        return T.DecimalType(int(decimal[1]), int(decimal[2]))
    return SCALARS[dtype]()


def is_time(dtype: T.DataType) -> bool:
    """Return whether values of this type are points in time: TIMESTAMP, TIMESTAMP_NTZ or DATE."""
    return isinstance(dtype, (T.TimestampType, T.TimestampNTZType, T.DateType))


def micros(column: Column, dtype: T.DataType) -> Column:
    """Return a time column as microseconds UTC; TIMESTAMP_NTZ and DATE are read as UTC.

    A cast to TIMESTAMP would read them in the session's zone, so they are split into days, hours and seconds.
    """
    if isinstance(dtype, T.TimestampType):
        return F.unix_micros(column)
    days = F.unix_date(column.cast("date")).cast("bigint") * F.lit(DAY)
    if isinstance(dtype, T.DateType):
        return days
    minutes = (F.hour(column) * 60 + F.minute(column)).cast("bigint") * F.lit(60_000_000)
    return days + minutes + (F.date_part(F.lit("SECOND"), column) * 1_000_000).cast("bigint")
