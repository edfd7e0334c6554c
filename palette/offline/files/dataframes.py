"""DataFrames read from and written to tables and files, by path or name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from palette.errors import ArgumentError, DataError
from palette.paths import has_scheme
from palette.session import require_delta

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["check_mode", "create_named", "parse_location", "read_frame", "write_errors", "write_frame"]

FORMATS = ("delta", "parquet", "orc", "json", "csv")
SUFFIXES = {".parquet": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".csv": "csv"}
TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}")
MODES = ("error", "append", "overwrite")
# User and password of a URL.
SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
EXPECTED = f"a path, {', '.join(f'{name}:PATH' for name in FORMATS)}, or table:NAME"
# Spark's condition for an unreadable file; the reason is at the end of a trace.
FILE_FAULT, CAUSE = "FAILED_READ_FILE", "Caused by: "
# A new directory, without a slash or a scheme.
DIRECTORY = re.compile(r"[\w.-]*\w[\w.-]*")


def read_frame(
    spark: SparkSession,
    source: str,
    *,
    types: Mapping[str, str] | None = None,
    likely: Mapping[str, str] | None = None,
) -> DataFrame:
    """Read rows. CSV and JSON files are read strictly, once before this returns: an incomplete record is an error.

    Parameters
    ----------
    spark : SparkSession
        The session that reads.
    source : str
        A path that ends with ``.parquet``, ``.orc``, ``.json`` or ``.jsonl`` (one object a line, or one array of
        objects), or ``.csv`` (RFC 4180, the first line has the names; nothing between two commas is null, ``""`` is
        the empty string); ``FORMAT:PATH``; the directory of a Delta table; or a table's name, which is ``table:NAME``
        where there may be a directory of that name.
    types : mapping of str to str, optional
        Types that columns of a CSV or JSON file must have, instead of those that are inferred: ``1001`` may be a
        string. Times without zone are UTC.
    likely : mapping of str to str, optional
        Types that are used where all values of such a column have them.

    Raises
    ------
    ArgumentError
        If it is not a source.
    DataError
        If it cannot be read; for a CSV or JSON file also if a record is incomplete, or a value is not of the type that
        its column must have: the message has file, line or column, and value.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from palette.offline.files import read_csv, read_json

    form, location = parse_location(source)
    if form == "delta":
        require_delta(spark)
    try:
        if form == "table":
            return spark.table(location)
        if form in ("csv", "json"):
            return (read_csv if form == "csv" else read_json)(spark, location, types, likely)
        return spark.read.format(form).load(location)
    except (PySparkException, Py4JError) as error:
        raise DataError(SECRET.sub("", f"{source!r:.500} cannot be read: {_reason(error)}")) from error


def write_frame(df: DataFrame, target: str, mode: str = "error", options: Mapping[str, str] | None = None) -> int:
    """Write rows, all or none, and return their number.

    Parameters
    ----------
    df : DataFrame
        The rows.
    target : str
        A path that ends as one for :func:`read_frame`; ``FORMAT:PATH``; a path without an ending, which becomes the
        directory of a Delta table; or ``table:NAME``, a Delta table of the session's catalog.
    mode : {"error", "append", "overwrite"}
        Whether existing rows are an error (the default), extended or replaced. Only Delta tables are overwritten, in
        one commit: files of other formats would be lost if the write failed.
    options : mapping of str to str, optional
        Properties of a Delta table that this creates.

    Raises
    ------
    ArgumentError
        If the target or the mode is invalid, or the target exists and no mode was given.
    DataError
        If it cannot be written, for example because columns do not match the existing ones.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from palette.offline.files import CSV_OPTIONS, JSON_OPTIONS, writable_csv
    from palette.offline.observations import read_observation

    form, location = parse_location(target, new=True)
    check_mode(form, target, mode)
    if form in ("delta", "table"):
        require_delta(df.sparkSession)
    observation = Observation()
    rows = df.observe(observation, F.count(F.lit(1)).alias("rows"))
    with write_errors(target, mode):
        if form == "table":
            _write_table(rows, location, mode, options or {})
        else:
            rows = writable_csv(rows) if form == "csv" else rows
            form_options = {"csv": CSV_OPTIONS, "json": JSON_OPTIONS}.get(form, options or {})
            rows.write.mode(mode).format(form).options(**form_options).save(location)
    return int(read_observation(observation).get("rows", 0))


@contextmanager
def write_errors(target: str, mode: str) -> Iterator[None]:
    """Raise errors of Spark's analysis in a block that writes as :class:`ArgumentError` or :class:`DataError`."""
    from pyspark.errors import AnalysisException

    try:
        yield
    except AnalysisException as error:
        message = f"{target!r} cannot be written: {str(error).splitlines()[0]}"
        if mode == "error" and "EXISTS" in (error.getCondition() or ""):
            raise ArgumentError(f"{message}; set mode to append or overwrite (mode=, --mode)") from error
        raise DataError(message) from error


def _write_table(rows: DataFrame, name: str, mode: str, options: Mapping[str, str]) -> None:
    """Write to a table of the session's catalog, without CREATE TABLE AS: it bypasses observations."""
    from pyspark.sql import functions as F

    spark = rows.sparkSession
    is_new = not spark.catalog.tableExists(name)
    if is_new or mode == "error":
        create_named(spark, name, rows.schema, options)
    try:
        if mode == "overwrite":
            rows.writeTo(name).overwrite(F.lit(True))
        else:
            rows.write.format("delta").mode("append").saveAsTable(name)
    except BaseException:
        if is_new:
            spark.sql(f"DROP TABLE IF EXISTS {name}")
        raise


def create_named(spark: SparkSession, name: str, schema: StructType, options: Mapping[str, str]) -> None:
    """Create a Delta table of the session's catalog, empty; options are its properties.

    Raises
    ------
    ArgumentError
        If the catalog is in memory.
    """
    if not spark.catalog.tableExists(name):
        catalog = name.split(".")[0] if name.count(".") > 1 else spark.catalog.currentCatalog()
        if catalog == "spark_catalog" and spark.conf.get("spark.sql.catalogImplementation") == "in-memory":
            raise ArgumentError(
                f"table:{name}: this session has an in-memory catalog, so the table would not be visible to others: "
                f"use a path, or a session with a metastore"
            )
    spark.createDataFrame([], schema).write.format("delta").options(**options).saveAsTable(name)


def check_mode(form: str, target: str, mode: str) -> None:
    """Raise :class:`ArgumentError` for an unknown mode, or one that a format does not support."""
    if mode not in MODES:
        raise ArgumentError(f"mode must be one of {', '.join(MODES)}, found {mode!r}")
    if mode == "overwrite" and form not in ("delta", "table"):
        raise ArgumentError(
            f"{target!r}: files of {form} are not overwritten, they would be lost if the write failed: use another "
            f"path, or a Delta table (a path without an ending)"
        )


def parse_location(text: str, *, new: bool = False) -> tuple[str, str]:
    """Return format and path, or ``table`` and its name, of a source, or of a ``new`` target."""
    form, colon, location = text.partition(":")
    if colon and location and (form in FORMATS or (form == "table" and TABLE.fullmatch(location))):
        return form, location
    ending = os.path.splitext(text.rstrip("/"))[1].lower()
    if ending in SUFFIXES:
        return SUFFIXES[ending], text
    if os.path.isdir(os.path.join(text, "_delta_log")) or (not ending and has_scheme(text)):
        return "delta", text
    if ending and (new or os.path.exists(text)):
        raise ArgumentError(f"{text!r} has an unknown ending {ending!r}: expected {EXPECTED}")
    if new and (DIRECTORY.fullmatch(text) or "/" in text):
        return "delta", text
    if not new and TABLE.fullmatch(text):
        return "table", text
    raise ArgumentError(f"{text!r} is not a {'target' if new else 'source'} of rows: expected {EXPECTED}")


def _reason(error: Exception) -> str:
    """Return the reason from a message of Java, which has many lines."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip()]
    message = lines[1:] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines
    cause = next((line for line in reversed(lines) if line.startswith(CAUSE)), "") if FILE_FAULT in message[0] else ""
    return f"{message[0]:.500}{cause and ': '}{cause.removeprefix(CAUSE):.500}"
