"""JSON files: one object a line, or one array of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError
from palette.offline.files.csv_files import TIMES
from palette.offline.files.scan import count_json, count_local
from palette.offline.files.text_types import from_string, readable_types, resolve_types, schema_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["JSON_OPTIONS", "read_json"]

# Without its nulls a column that has no value would be lost.
JSON_OPTIONS: dict[str, Any] = {"ignoreNullFields": False, **TIMES}
READING = {"mode": "FAILFAST", "allowSingleQuotes": False}
ARRAY, OBJECT = "[", "{"
# What Spark infers of JSON's scalars; an integer that is no bigint is a decimal.
NUMBERS = ("bigint", "double")
SCALARS = (*NUMBERS, "string", "boolean", "decimal")
FLOATS = ("float", "double")


def read_json(
    spark: SparkSession, place: str, types: Mapping[str, str] | None = None, likely: Mapping[str, str] | None = None
) -> DataFrame:
    """Read a file of JSON objects, one a line or in one array, or a directory of such files.

    Parameters
    ----------
    spark : SparkSession
        Reads it.
    place : str
        The path.
    types, likely : mapping of str to str, optional
        As for :func:`palette.offline.files.text_types.resolve_types`; columns that the file lacks are left out. Others
        have JSON's types.

    Raises
    ------
    DataError
        If it is not JSON (the file and the line are named where it is local), an object has a name twice, or a value
        is not of the type that its column must have.
    """
    expected = count_local(place, count_json)
    reader = spark.read.format("json").options(multiLine=_is_array(spark, place), **READING)
    inferred = reader.load(place).schema
    native: dict[str, Any] = {field.name: field.dataType for field in inferred}
    scalars = [field.name for field in inferred if field.dataType.simpleString().partition("(")[0] in SCALARS]
    strict, hinted = readable_types(scalars, types), readable_types(scalars, likely)
    wanted = {n: d for n, d in {**hinted, **strict}.items() if inferred[n].dataType.simpleString() != d}
    numbers = {n: d for n, d in wanted.items() if d in FLOATS and inferred[n].dataType.simpleString() in NUMBERS}
    texts = [name for name in wanted if name not in numbers]
    rows = reader.schema(schema_of({**native, **dict.fromkeys(texts, "string")})).load(place)
    if texts:
        found = resolve_types(rows.select(*map(exact_column, texts)), strict, hinted, place)
        number = found.rows
        texts = [name for name in texts if found.types[name] == wanted[name]]
    elif expected is not None:
        number = rows.count()
    if expected is not None and number != expected:
        raise DataError(f"{place}: {expected:,} records, and Spark reads {number:,}")
    rows = reader.schema(schema_of({**native, **numbers, **dict.fromkeys(texts, "string")})).load(place)
    columns = {name: from_string(exact_column(name), wanted[name]) for name in texts}
    return rows.select(*(columns.get(name, exact_column(name)).alias(name) for name in rows.columns)) if texts else rows


def _is_array(spark: SparkSession, place: str) -> bool:
    """Tell whether files hold arrays, by their first line.

    Raises
    ------
    DataError
        If some do and others do not, or a file begins otherwise.
    """
    meta = [F.col(f"_metadata.{name}").alias(name) for name in ("file_path", "file_block_start")]
    text = spark.read.text(place).select(F.trim("value").alias("value"), *meta).filter("value <> ''")
    order = F.struct("file_block_start", F.monotonically_increasing_id())
    first = text.select("*", order.alias("place")).groupBy("file_path").agg(F.min_by("value", "place").alias("line"))
    mark = F.substring(F.ltrim("line", F.lit("\ufeff")), 1, 1)
    found = {row[0]: row[1] for row in first.groupBy(mark).agg(F.min("file_path")).collect()}
    if other := next((file for mark, file in found.items() if mark not in (ARRAY, OBJECT)), None):
        raise DataError(f"{other}: expected one JSON object a line, or an array of objects")
    if len(found) > 1:
        raise DataError(f"{place}: {found[ARRAY]} is an array, and {found[OBJECT]} has an object a line: read one kind")
    return ARRAY in found
