"""Rows that commits have added to a table since a version."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.delta.log_reader import Unreadable, fresh_files
from palette.offline.delta.validate import cast_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import GroupSchema
    from palette.offline.delta.tables import DeltaTables

__all__ = ["rows_since"]

# Spark would read these in a path as a pattern.
PATTERN = set("*?[]{}\\")


def rows_since(tables: DeltaTables, spark: SparkSession, schema: GroupSchema, since: int, version: int) -> DataFrame:
    """Return the rows of a version that are in files added by commits after version ``since``.

    These are all rows written since, whatever their event times, and old rows that share a file with them.
    """
    opened = tables.open(spark, schema, version)
    table = opened.load()
    paths = None
    if opened.files is not None:
        with contextlib.suppress(Unreadable):
            paths = fresh_files(tables.path(schema.group), since, version)
    if paths is not None:
        rows = _read(table, paths)
    else:
        old = set(map(os.path.basename, tables.load(spark, schema.group, since).inputFiles()))
        rows = _rows_in(table, set(map(os.path.basename, table.inputFiles())) - old)
    return rows.select(*(cast_column(table.schema[name], dtype) for name, dtype in opened.columns.items()))


def _read(table: DataFrame, paths: list[str]) -> DataFrame:
    if not paths:
        return table.limit(0)
    if any(PATTERN & set(path) for path in paths):
        return _rows_in(table, set(map(os.path.basename, paths)))
    return table.sparkSession.read.schema(table.schema).parquet(*paths)


def _rows_in(table: DataFrame, names: set[str]) -> DataFrame:
    # File names contain a random number each. The complete table is read.
    return table.filter(F.col("_metadata.file_name").isin(*sorted(names))) if names else table.limit(0)
