"""CSV files (RFC 4180)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError
from palette.offline.files.scan import count_csv, count_local
from palette.offline.files.text_types import from_string, readable_types, resolve_types, schema_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["CSV_OPTIONS", "TIMES", "read_csv", "writable_csv"]

# The defaults drop what is below a millisecond.
TIMES = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"}
# Null is nothing, the empty string is "". Spark's own escape character, a backslash, is known to nobody else.
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
    # Any string that no file holds: then "" is not null.
    "nullValue": "\0null\0",
    "emptyValue": "",
    # Each file's header is compared with the schema, each record's number of fields with the header's.
    "enforceSchema": False,
    "columnPruning": False,
    # Of times without zone.
    "timeZone": "UTC",
}
QUOTE = '"'


def read_csv(
    spark: SparkSession, place: str, types: Mapping[str, str] | None = None, likely: Mapping[str, str] | None = None
) -> DataFrame:
    r"""Read a CSV file, or a directory of files with the same header.

    Nothing between two commas is null, ``""`` is the empty string (null in a column of another type). Types that are
    not given are inferred where nothing is lost by it: a column of ``007`` is one of strings. Times without zone are
    UTC. Of files that end lines by ``\r\n``, those in quotes are read as ``\n``.

    Parameters
    ----------
    spark : SparkSession
        Reads it.
    place : str
        The path.
    types, likely : mapping of str to str, optional
        As for :func:`palette.offline.files.text_types.resolve_types`; columns that the file lacks are left out.

    Raises
    ------
    DataError
        If it is not CSV (the file and the line are named where it is local), the header has a name twice or an empty
        one, or a value is not of the type that its column must have.
    """
    expected = count_local(place, count_csv)
    names = _header(spark, place)
    reader = spark.read.format("csv").options(header=True, multiLine=_spans_lines(spark, place, expected), **READING)
    texts = reader.schema(schema_of(dict.fromkeys(names, "string"))).load(place).select(*map(exact_column, names))
    found = resolve_types(texts, readable_types(names, types), readable_types(names, likely), place)
    if expected is not None and found.rows != expected:
        raise DataError(f"{place}: {expected:,} records, and Spark reads {found.rows:,}")
    # Spark's reader takes an empty string in quotes for a malformed number.
    later = {name for name in found.with_empty if found.types[name] != "string"}
    schema = schema_of({**found.types, **dict.fromkeys(later, "string")})
    rows = reader.schema(schema).load(place)
    columns = {name: from_string(exact_column(name), found.types[name]) for name in later}
    return rows.select(*(columns.get(name, exact_column(name)).alias(name) for name in rows.columns)) if later else rows


def _header(spark: SparkSession, place: str) -> list[str]:
    first = spark.read.format("csv").options(header=False, multiLine=True, **READING).load(place).first()
    if first is None:
        raise DataError(f"{place}: no header: the first line has the names of the columns")
    names = [value for column, value in first.asDict().items() if column.startswith("_c")]
    if not all(names):
        raise DataError(f"{place}: the header has a column without a name: {','.join(name or '' for name in names)}")
    lower = [name.lower() for name in names]
    if double := next((name for name in names if lower.count(name.lower()) > 1), None):
        raise DataError(f"{place}: the header has the column {double!r} twice: rename or drop one")
    return names


def _spans_lines(spark: SparkSession, place: str, expected: int | None) -> bool:
    """Tell whether a record has several lines; files without such are read in parts, by many tasks.

    Raises
    ------
    DataError
        If a quote of a file that is not local is not closed.
    """
    text = spark.read.text(place).select("value", F.col("_metadata.file_path").alias("file"))
    odd = (F.length("value") - F.length(F.replace("value", F.lit(QUOTE), F.lit("")))) % 2
    files = (
        text.groupBy("file")
        .agg(F.sum(odd).alias("lines"))
        .agg(F.max("lines").alias("lines"), F.min(F.when(F.col("lines") % 2 == 1, F.col("file"))).alias("file"))
    )
    found = files.collect()[0]
    if expected is None and found.file is not None:
        raise DataError(f"{found.file}: a quote is not closed, or stands in a value that is not quoted")
    return bool(found.lines)


def writable_csv(rows: DataFrame) -> DataFrame:
    """Return rows that a CSV file can hold: a single column has ``""`` for null, since a blank line is no record."""
    if len(rows.columns) != 1:
        return rows
    name = rows.columns[0]
    return rows.select(F.coalesce(exact_column(name).cast("string"), F.lit("")).alias(name))
