"""Tables and files by what people call them: what jobs read rows from, and write them to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from palette.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["read_frame", "write_frame"]

FORMATS = ("delta", "parquet", "orc", "json", "csv")
SUFFIXES = {".parquet": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".csv": "csv"}
TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}")
MODES = ("error", "append", "overwrite")
# User and password of a URL.
SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
EXPECTED = f"a path, {', '.join(f'{name}:PATH' for name in FORMATS)}, or a table's name"


def read_frame(spark: SparkSession, source: str, *, types: Mapping[str, str] | None = None) -> DataFrame:
    """Read rows.

    Parameters
    ----------
    spark : SparkSession
        Reads them.
    source : str
        A path that ends with ``.parquet``, ``.orc``, ``.json``, ``.jsonl`` or ``.csv`` (the first line has the
        names, types are inferred); ``FORMAT:PATH``; the directory of a Delta table; or a table's name.
    types : mapping of str to str, optional
        Types of columns of a CSV file, instead of those that are inferred: ``007`` may be a text. What cannot be one
        is null.

    Raises
    ------
    DefinitionError
        If it is none of these.
    DataError
        If Spark cannot read it.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from palette.offline.checks import quoted

    form, place = _parsed(source)
    try:
        if form == "table":
            return spark.table(place)
        reader = spark.read.format(form)
        if form == "csv":
            reader = reader.options(header=True, inferSchema=types is None)
        found = reader.load(place)
        if form != "csv" or types is None:
            return found
        return found.select(*(quoted(name).try_cast(types.get(name, "string")).alias(name) for name in found.columns))
    except (PySparkException, Py4JError) as error:
        raise DataError(SECRET.sub("", f"{source!r:.500} cannot be read: {_reason(error)}")) from error


def write_frame(df: DataFrame, target: str, mode: str = "error") -> int:
    """Write rows, all or none, and return how many.

    Parameters
    ----------
    df : DataFrame
        The rows.
    target : str
        As for :func:`read_frame`; a path with no known ending becomes a Delta table.
    mode : {"error", "append", "overwrite"}
        What becomes of rows that are there; by default they are an error.

    Raises
    ------
    DefinitionError
        If the target or the mode is none.
    DataError
        If there are rows and nothing was said about them, or their columns do not suit.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    if mode not in MODES:
        raise DefinitionError(f"mode is one of {', '.join(MODES)}, found {mode!r}")
    form, place = _parsed(target, fresh=True)
    seen = Observation()
    writer = df.observe(seen, F.count(F.lit(1)).alias("rows")).write.mode(mode)
    try:
        if form == "table":
            writer.format("delta").saveAsTable(place)
        else:
            writer.format(form).options(**({"header": True} if form == "csv" else {})).save(place)
    except AnalysisException as error:
        hint = "; say what becomes of it: append or overwrite" if mode == "error" else ""
        raise DataError(f"{target!r} cannot be written: {str(error).splitlines()[0]}{hint}") from error
    return int(seen.get["rows"])


def _parsed(text: str, *, fresh: bool = False) -> tuple[str, str]:
    form, colon, place = text.partition(":")
    if colon and form in FORMATS and place:
        return form, place
    ending = os.path.splitext(text.rstrip("/"))[1].lower()
    if ending in SUFFIXES:
        return SUFFIXES[ending], text
    if os.path.isdir(os.path.join(text, "_delta_log")) or (fresh and ("/" in text or os.path.isdir(text))):
        return "delta", text
    if TABLE.fullmatch(text):
        return "table", text
    raise DefinitionError(f"{text!r} is no source of rows: expected {EXPECTED}")


def _reason(error: Exception) -> str:
    """Return the line that says why, of what Java tells in many."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip()]
    told = lines[1:] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines
    return f"{told[0]:.500}"
