"""CSV files (RFC 4180)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError
from palette.offline.files.scan import count_csv, count_local
from palette.offline.files.text_types import from_string, readable_types, resolve_types, to_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["CSV_OPTIONS", "TIMES", "read_csv", "writable_csv"]

# The defaults drop microseconds.
TIMES = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"}
# Null is an empty field, the empty string is "". Spark's default escape character, a backslash, is not RFC 4180.
CSV_OPTIONS: dict[str, Any] = {
    "header": True,
    "quote": '"',
    "escape": '"',
    "ignoreLeadingWhiteSpace": False,
    "ignoreTrailingWhiteSpace": False,
    **TIMES,
}
READING = {
    "quote": '"',
    "escape": '"',
    "mode": "FAILFAST",
    "unescapedQuoteHandling": "RAISE_ERROR",
    # A string that no file contains: then "" is not null.
    "nullValue": "\0null\0",
    "emptyValue": "",
    # Each file's header is compared with the schema, each record's number of fields with the header's.
    "enforceSchema": False,
    "columnPruning": False,
    # For times without zone.
    "timeZone": "UTC",
}
QUOTE = '"'


def read_csv(
    spark: SparkSession, path: str, types: Mapping[str, str] | None = None, likely: Mapping[str, str] | None = None
) -> DataFrame:
    r"""Read a CSV file, or a directory of files with the same header.

    An empty field is null, ``""`` is the empty string (null in a column of another type). Types that are not given are
    inferred where that loses nothing: a column of ``007`` has strings. Times without zone are UTC. In files with line
    ends ``\r\n``, those in quotes are read as ``\n``.

    Parameters
    ----------
    spark : SparkSession
        The session that reads.
    path : str
        Of the file or directory.
    types, likely : mapping of str to str, optional
        As for :func:`palette.offline.files.text_types.resolve_types`; columns that the file lacks are ignored.

    Raises
    ------
    DataError
        If it is not CSV (the message has file and line where it is local), the header has a duplicate or empty name, or
        a value is not of the type that its column must have.
    """
    expected = count_local(path, count_csv)
    names = _header(spark, path)
    reader = spark.read.format("csv").options(header=True, multiLine=_spans_lines(spark, path, expected), **READING)
    strings = reader.schema(to_schema(dict.fromkeys(names, "string"))).load(path).select(*map(exact_column, names))
    resolved = resolve_types(strings, readable_types(names, types), readable_types(names, likely), path)
    if expected is not None and resolved.rows != expected:
        raise DataError(f"{path}: {expected:,} records, and Spark reads {resolved.rows:,}")
    # Spark's reader treats an empty string in quotes as a malformed number.
    cast_later = {name for name in resolved.with_empty if resolved.types[name] != "string"}
    schema = to_schema({**resolved.types, **dict.fromkeys(cast_later, "string")})
    rows = reader.schema(schema).load(path)
    columns = {name: from_string(exact_column(name), resolved.types[name]) for name in cast_later}
    return (
        rows.select(*(columns.get(name, exact_column(name)).alias(name) for name in rows.columns))
        if cast_later
        else rows
    )


def _header(spark: SparkSession, path: str) -> list[str]:
    first = spark.read.format("csv").options(header=False, multiLine=True, **READING).load(path).first()
    if first is None:
        raise DataError(f"{path}: no header: the first line has the names of the columns")
    names = [value for column, value in first.asDict().items() if column.startswith("_c")]
    if not all(names):
        raise DataError(f"{path}: the header has a column without a name: {','.join(name or '' for name in names)}")
    lower = [name.lower() for name in names]
    if double := next((name for name in names if lower.count(name.lower()) > 1), None):
        raise DataError(f"{path}: the header has a duplicate column {double!r}: rename or drop one")
    return names


def _spans_lines(spark: SparkSession, path: str, expected: int | None) -> bool:
    """Return whether any record has several lines; other files are read in parts, by many tasks.

    Raises
    ------
    DataError
        If a quote is not closed in a file that is not local.
    """
    lines = spark.read.text(path).select("value", F.col("_metadata.file_path").alias("file"))
    odd = (F.length("value") - F.length(F.replace("value", F.lit(QUOTE), F.lit("")))) % 2
    files = (
        lines.groupBy("file")
        .agg(F.sum(odd).alias("lines"))
        .agg(F.max("lines").alias("lines"), F.min(F.when(F.col("lines") % 2 == 1, F.col("file"))).alias("file"))
    )
    quotes = files.collect()[0]
    if expected is None and quotes.file is not None:
        raise DataError(f"{quotes.file}: a quote is not closed, or is in a value that is not quoted")
    return bool(quotes.lines)


def writable_csv(rows: DataFrame) -> DataFrame:
    """Return rows as CSV represents them: a single column has ``""`` for null, since a blank line is not a record."""
    if len(rows.columns) != 1:
        return rows
    name = rows.columns[0]
    return rows.select(F.coalesce(exact_column(name).cast("string"), F.lit("")).alias(name))
