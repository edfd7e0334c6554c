"""JSON files: one object a line, or one array of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError
from palette.offline.files.csv_files import TIMES
from palette.offline.files.scan import count_json, count_local
from palette.offline.files.text_types import from_string, readable_types, resolve_types, to_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["JSON_OPTIONS", "read_json"]

# Without its nulls a column without values would be lost.
JSON_OPTIONS: dict[str, Any] = {"ignoreNullFields": False, **TIMES}
READING = {"mode": "FAILFAST", "allowSingleQuotes": False}
ARRAY, OBJECT = "[", "{"
# Spark's types of JSON scalars; an integer beyond bigint is a decimal.
NUMBERS = ("bigint", "double")
SCALARS = (*NUMBERS, "string", "boolean", "decimal")
FLOATS = ("float", "double")


def read_json(
    spark: SparkSession, path: str, types: Mapping[str, str] | None = None, likely: Mapping[str, str] | None = None
) -> DataFrame:
    """Read a file of JSON objects, one a line or in one array, or a directory of such files.

    Parameters
    ----------
    spark : SparkSession
        The session that reads.
    path : str
        Of the file or directory.
    types, likely : mapping of str to str, optional
        As for :func:`palette.offline.files.text_types.resolve_types`; columns that the file lacks are ignored. Others
        have JSON's types.

    Raises
    ------
    DataError
        If it is not JSON (the message has file and line where it is local), an object has a duplicate name, or a value
        is not of the type that its column must have.
    """
    expected = count_local(path, count_json)
    reader = spark.read.format("json").options(multiLine=_is_array(spark, path), **READING)
    inferred = reader.load(path).schema
    native: dict[str, Any] = {field.name: field.dataType for field in inferred}
    scalars = [field.name for field in inferred if field.dataType.simpleString().partition("(")[0] in SCALARS]
    strict, hinted = readable_types(scalars, types), readable_types(scalars, likely)
    expected_types = {n: d for n, d in {**hinted, **strict}.items() if inferred[n].dataType.simpleString() != d}
    numbers = {
        n: d for n, d in expected_types.items() if d in FLOATS and inferred[n].dataType.simpleString() in NUMBERS
    }
    strings = [name for name in expected_types if name not in numbers]
    rows = reader.schema(to_schema({**native, **dict.fromkeys(strings, "string")})).load(path)
    if strings:
        resolved = resolve_types(rows.select(*map(exact_column, strings)), strict, hinted, path)
        number = resolved.rows
        strings = [name for name in strings if resolved.types[name] == expected_types[name]]
    elif expected is not None:
        number = rows.count()
    if expected is not None and number != expected:
        raise DataError(f"{path}: {expected:,} records, and Spark reads {number:,}")
    rows = reader.schema(to_schema({**native, **numbers, **dict.fromkeys(strings, "string")})).load(path)
    columns = {name: from_string(exact_column(name), expected_types[name]) for name in strings}
    return (
        rows.select(*(columns.get(name, exact_column(name)).alias(name) for name in rows.columns)) if strings else rows
    )


def _is_array(spark: SparkSession, path: str) -> bool:
    """Return whether files contain arrays, by their first lines.

    Raises
    ------
    DataError
        If some do and others do not, or a file begins with neither array nor object.
    """
    meta = [F.col(f"_metadata.{name}").alias(name) for name in ("file_path", "file_block_start")]
    lines = spark.read.text(path).select(F.trim("value").alias("value"), *meta).filter("value <> ''")
    order = F.struct("file_block_start", F.monotonically_increasing_id())
    lines = lines.select("*", order.alias("position")).groupBy("file_path")
    first = lines.agg(F.min_by("value", "position").alias("line"))
    start = F.substring(F.ltrim("line", F.lit("\ufeff")), 1, 1)
    files = {row[0]: row[1] for row in first.groupBy(start).agg(F.min("file_path")).collect()}
    if other := next((file for start, file in files.items() if start not in (ARRAY, OBJECT)), None):
        raise DataError(f"{other}: expected one JSON object a line, or an array of objects")
    if len(files) > 1:
        raise DataError(f"{path}: {files[ARRAY]} is an array, and {files[OBJECT]} has an object a line: read one kind")
    return ARRAY in files
