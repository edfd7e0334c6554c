"""What commits have added to a table since a version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.delta.log_reader import Unreadable, fresh_files
from palette.offline.delta.validate import converted, readable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import Entity, FeatureGroup
    from palette.offline.delta.tables import DeltaTables

__all__ = ["rows_since"]

# Spark would take these in a path for a pattern.
PATTERN = set("*?[]{}\\")


def rows_since(
    tables: DeltaTables, spark: SparkSession, entity: Entity, group: FeatureGroup, since: int, version: int
) -> DataFrame:
    """Return the rows of a version that are in files which commits after version ``since`` have added.

    These are all rows written since, whatever their event times, and old rows that share a file with them.
    """
    table = tables.load(spark, group, version)
    columns = readable(table.schema, entity, group, version)
    try:
        tables.files(group, version)
        paths = fresh_files(tables.path(group), since, version)
        found = _read(table, paths)
    except Unreadable:
        old = set(map(os.path.basename, tables.load(spark, group, since).inputFiles()))
        found = _of_files(table, set(map(os.path.basename, table.inputFiles())) - old)
    return found.select(*(converted(table.schema[name], dtype) for name, dtype in columns.items()))


def _read(table: DataFrame, paths: list[str]) -> DataFrame:
    if not paths:
        return table.limit(0)
    if any(PATTERN & set(path) for path in paths):
        return _of_files(table, set(map(os.path.basename, paths)))
    return table.sparkSession.read.schema(table.schema).parquet(*paths)


def _of_files(table: DataFrame, names: set[str]) -> DataFrame:
    # Names of files hold a random number each. The whole table is read.
    return table.filter(F.col("_metadata.file_name").isin(*sorted(names))) if names else table.limit(0)
