"""Tables and files by what people call them: what jobs read rows from, and write them to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from palette.errors import DataError, DefinitionError
from palette.paths import has_scheme
from palette.session import require_delta

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["check_mode", "parsed", "read_frame", "write_frame"]

FORMATS = ("delta", "parquet", "orc", "json", "csv")
SUFFIXES = {".parquet": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".csv": "csv"}
TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}")
MODES = ("error", "append", "overwrite")
# User and password of a URL.
SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
EXPECTED = f"a path, {', '.join(f'{name}:PATH' for name in FORMATS)}, or table:NAME"
# What Spark says of a file, with its reason at the end of a trace.
FILE_FAULT, CAUSE = "FAILED_READ_FILE", "Caused by: "
# A directory that is to be made, beside those with a slash or a scheme.
DIRECTORY = re.compile(r"[\w.-]*\w[\w.-]*")


def read_frame(
    spark: SparkSession,
    source: str,
    *,
    types: Mapping[str, str] | None = None,
    likely: Mapping[str, str] | None = None,
) -> DataFrame:
    """Read rows. CSV and JSON files are read strictly, once before this returns: what is torn is an error.

    Parameters
    ----------
    spark : SparkSession
        Reads them.
    source : str
        A path that ends with ``.parquet``, ``.orc``, ``.json`` or ``.jsonl`` (one object a line, or one array of
        objects), or ``.csv`` (RFC 4180, the first line has the names; nothing between two commas is null, ``""`` is
        the empty string); ``FORMAT:PATH``; the directory of a Delta table; or a table's name, which is ``table:NAME``
        where there may be a directory of that name.
    types : mapping of str to str, optional
        Types that columns of a CSV or JSON file must have, instead of those that are inferred: ``1001`` may be a
        string. Times without zone are UTC.
    likely : mapping of str to str, optional
        Types that are taken where all values of such a column have them.

    Raises
    ------
    DefinitionError
        If it is none of these.
    DataError
        If it cannot be read; of a CSV or JSON file also if a record is not whole, or a value is not of the type that
        its column must have: file, line or column, and value are named.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from palette.offline.files import read_csv, read_json

    form, place = parsed(source)
    if form == "delta":
        require_delta(spark)
    try:
        if form == "table":
            return spark.table(place)
        if form in ("csv", "json"):
            return (read_csv if form == "csv" else read_json)(spark, place, types, likely)
        return spark.read.format(form).load(place)
    except (PySparkException, Py4JError) as error:
        raise DataError(SECRET.sub("", f"{source!r:.500} cannot be read: {_reason(error)}")) from error


def write_frame(df: DataFrame, target: str, mode: str = "error") -> int:
    """Write rows, all or none, and return how many.

    Parameters
    ----------
    df : DataFrame
        The rows.
    target : str
        A path that ends as one for :func:`read_frame`; ``FORMAT:PATH``; a path without an ending, which becomes the
        directory of a Delta table; or ``table:NAME``, a Delta table of the session's catalog.
    mode : {"error", "append", "overwrite"}
        What becomes of rows that are there; by default they are an error. Only Delta tables are overwritten, in one
        commit: files of other formats would be gone if the write failed.

    Raises
    ------
    DefinitionError
        If the target or the mode is none, or there are rows and nothing was said about them.
    DataError
        If it cannot be written, as columns do not suit those that are there.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from palette.offline.files import CSV_OPTIONS, JSON_OPTIONS, writable_csv
    from palette.offline.observations import observed

    form, place = parsed(target, fresh=True)
    check_mode(form, target, mode)
    if form in ("delta", "table"):
        require_delta(df.sparkSession)
    seen = Observation()
    rows = df.observe(seen, F.count(F.lit(1)).alias("rows"))
    try:
        if form == "table":
            _write_table(rows, place, mode)
        else:
            rows = writable_csv(rows) if form == "csv" else rows
            options = {"csv": CSV_OPTIONS, "json": JSON_OPTIONS}.get(form, {})
            rows.write.mode(mode).format(form).options(**options).save(place)
    except AnalysisException as error:
        told = f"{target!r} cannot be written: {str(error).splitlines()[0]}"
        if mode == "error" and "EXISTS" in (error.getCondition() or ""):
            raise DefinitionError(f"{told}; say what becomes of it: append or overwrite (mode=, --mode)") from error
        raise DataError(told) from error
    return int(observed(seen).get("rows", 0))


def _write_table(rows: DataFrame, name: str, mode: str) -> None:
    """Write into a table of the session's catalog; what observes the rows does not see them in CREATE TABLE AS."""
    from pyspark.sql import functions as F

    spark = rows.sparkSession
    is_new = not spark.catalog.tableExists(name)
    if is_new:
        catalog = name.split(".")[0] if name.count(".") > 1 else spark.catalog.currentCatalog()
        if catalog == "spark_catalog" and spark.conf.get("spark.sql.catalogImplementation") == "in-memory":
            raise DefinitionError(
                f"table:{name}: this session keeps the names of tables in its memory, and nobody would find it: take "
                f"a path, or a session with a metastore"
            )
    if is_new or mode == "error":
        spark.createDataFrame([], rows.schema).write.format("delta").saveAsTable(name)
    try:
        if mode == "overwrite":
            rows.writeTo(name).overwrite(F.lit(True))
        else:
            rows.write.format("delta").mode("append").saveAsTable(name)
    except BaseException:
        if is_new:
            spark.sql(f"DROP TABLE IF EXISTS {name}")
        raise


def check_mode(form: str, target: str, mode: str) -> None:
    """Refuse a mode that is none, or that files of a format cannot be written in."""
    if mode not in MODES:
        raise DefinitionError(f"mode is one of {', '.join(MODES)}, found {mode!r}")
    if mode == "overwrite" and form not in ("delta", "table"):
        raise DefinitionError(
            f"{target!r}: files of {form} are not overwritten, they would be gone if the write failed: take another "
            f"path, or a Delta table (a path without an ending)"
        )


def parsed(text: str, *, fresh: bool = False) -> tuple[str, str]:
    """Return format and path, or ``table`` and its name, of what people call rows; ``fresh`` ones are to be written."""
    form, colon, place = text.partition(":")
    if colon and place and (form in FORMATS or (form == "table" and TABLE.fullmatch(place))):
        return form, place
    ending = os.path.splitext(text.rstrip("/"))[1].lower()
    if ending in SUFFIXES:
        return SUFFIXES[ending], text
    if os.path.isdir(os.path.join(text, "_delta_log")) or (not ending and has_scheme(text)):
        return "delta", text
    if ending and (fresh or os.path.exists(text)):
        raise DefinitionError(f"{text!r} does not tell its format by its ending {ending!r}: expected {EXPECTED}")
    if fresh and (DIRECTORY.fullmatch(text) or "/" in text):
        return "delta", text
    if not fresh and TABLE.fullmatch(text):
        return "table", text
    raise DefinitionError(f"{text!r} is no {'target' if fresh else 'source'} of rows: expected {EXPECTED}")


def _reason(error: Exception) -> str:
    """Return the line that says why, of what Java tells in many."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip()]
    told = lines[1:] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines
    cause = next((line for line in reversed(lines) if line.startswith(CAUSE)), "") if FILE_FAULT in told[0] else ""
    return f"{told[0]:.500}{cause and ': '}{cause.removeprefix(CAUSE):.500}"
