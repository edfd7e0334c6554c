"""Rows that commits have added to a table since a version."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.delta.log_reader import Unreadable, fresh_files
from palette.offline.delta.validate import cast_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.offline.delta.version import TableVersion

__all__ = ["rows_since"]

# Spark would read these in a path as a pattern.
PATTERN = set("*?[]{}\\")


def rows_since(version: TableVersion, since: int) -> DataFrame:
    """Return the rows of a version that are in files added by commits after version ``since``.

    These are all rows written since, whatever their event times, and old rows that share a file with them.
    """
    group, tables = version.schema.group, version.tables
    table = version.load()
    paths = None
    if version.files is not None:
        with contextlib.suppress(Unreadable):
            paths = fresh_files(tables.path(group), since, version.number)
    if paths is not None:
        rows = _read(table, paths)
    else:
        old = set(map(os.path.basename, tables.load(version.spark, group, since).inputFiles()))
        rows = _rows_in(table, set(map(os.path.basename, table.inputFiles())) - old)
    return rows.select(*(cast_column(table.schema[name], dtype) for name, dtype in version.columns.items()))


def _read(table: DataFrame, paths: list[str]) -> DataFrame:
    if not paths:
        return table.limit(0)
    if any(PATTERN & set(path) for path in paths):
        return _rows_in(table, set(map(os.path.basename, paths)))
    return table.sparkSession.read.schema(table.schema).parquet(*paths)


def _rows_in(table: DataFrame, names: set[str]) -> DataFrame:
    # File names contain a random number each. The complete table is read.
    return table.filter(F.col("_metadata.file_name").isin(*sorted(names))) if names else table.limit(0)
