"""Permanent erasure of keys from a Delta table: from its newest version, and from the files of older ones."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import DataError
from palette.offline.delta.maintenance import without_retention_checks
from palette.offline.delta.retry import retry_on_conflict
from palette.offline.delta.validate import cast_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

__all__ = ["Erasure"]

# Columns of the list of files that VACUUM accepts.
INVENTORY = "path string, length bigint, isDir boolean, modificationTime bigint"
LISTED = "__palette_files_to_erase"


@dataclass(frozen=True)
class Erasure:
    """Erasure of some keys from a table.

    Parameters
    ----------
    table : str
        Its name in SQL.
    keys : DataFrame
        Each key once, in columns named like the table's.
    """

    table: str
    keys: DataFrame

    @cached_property
    def files(self) -> list[tuple[str, int, bool, int]]:
        """The files with rows of the keys: of all versions, and those that no version refers to."""
        spark, detail = self.keys.sparkSession, self._detail
        if "columnMapping" in self._features:
            raise DataError(
                f"{self.table}: the table maps its columns, so that older versions cannot be searched for keys: write "
                f"it again without delta.columnMapping.mode, and drop this one"
            )
        if detail["properties"].get("delta.enableChangeDataFeed") == "true":
            raise DataError(
                f"{self.table}: the table has a change data feed, whose files contain the keys as well: set "
                f"delta.enableChangeDataFeed to false, remove _change_data, and erase again"
            )
        schema = T.StructType([T.StructField(name, field.dataType) for name, field in self._fields.items()])
        reader = spark.read.schema(schema).option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet")
        rows = reader.parquet(_literal(detail["location"])).select("*", "_metadata")
        metadata = [
            F.col("_metadata.file_path").alias("path"),
            F.col("_metadata.file_size").alias("length"),
            F.lit(False).alias("isDir"),
            F.unix_millis("_metadata.file_modification_time").alias("modificationTime"),
        ]
        files = self._filter(rows).select(*metadata).distinct().collect()
        # VACUUM compares paths as they are, not as they are written in a URI.
        return [(unquote(path), *rest) for path, *rest in files]

    def rows(self, time: str | None) -> tuple[int, int | None]:
        """Return how many rows of the newest version have the keys, and the latest time in one of their columns."""
        rows = self._filter(self.keys.sparkSession.table(self.table))
        when = F.lit(None) if time is None else F.unix_micros(cast_column(rows.schema[time], "timestamp"))
        count, latest = rows.select(when.alias("at")).agg(F.count(F.lit(1)), F.max("at")).first()
        return count, latest

    def lost(self, versions: Mapping[str, int]) -> tuple[str, ...]:
        """Return the names of versions that need a file with the keys."""
        erased = {os.path.basename(path) for path, *_ in self.files}
        needed: dict[int, bool] = {}
        for version in set(versions.values()):
            table = self.keys.sparkSession.read.format("delta").option("versionAsOf", version).table(self.table)
            needed[version] = not erased.isdisjoint(os.path.basename(unquote(path)) for path in table.inputFiles())
        return tuple(sorted(name for name, version in versions.items() if needed[version]))

    def delete(self) -> None:
        """Delete the rows from the newest version, and then the files of all versions that contain the keys.

        Raises
        ------
        DataError
            If files with the keys are left, because of another writer.
        """
        files, spark = self.files, self.keys.sparkSession
        if not files:
            return
        # Spark expands the statement as a format string, and a path may contain braces.
        table = self.table.replace("{", "{{").replace("}", "}}")
        same = " AND ".join(f"t.`{name}` = s.`{name}`" for name in self.keys.columns)
        merge = f"MERGE INTO {table} t USING {{keys}} s ON {same} WHEN MATCHED THEN DELETE"
        retry_on_conflict(lambda: spark.sql(merge, keys=self.keys).collect(), self.table)
        if "deletionVectors" in self._features:
            # Rows that are only marked as deleted are still in their files.
            spark.sql(f"REORG TABLE {self.table} APPLY (PURGE)").collect()
        spark.createDataFrame(files, INVENTORY).createOrReplaceTempView(LISTED)
        vacuum = f"VACUUM {self.table} USING INVENTORY (TABLE {LISTED}) RETAIN 0 HOURS"
        try:
            with without_retention_checks(spark):
                spark.sql(vacuum).collect()
        finally:
            spark.catalog.dropTempView(LISTED)
        if left := Erasure(self.table, self.keys).files:
            first = os.path.basename(left[0][0])
            raise DataError(
                f"{self.table}: {len(left)} files still contain erased keys ({first}), because of another writer: "
                f"erase again when it is done"
            )

    @cached_property
    def _detail(self) -> Row:
        detail: Row = self.keys.sparkSession.sql(f"DESCRIBE DETAIL {self.table}").first()
        return detail

    @property
    def _features(self) -> Sequence[str]:
        return self._detail["tableFeatures"] or ()

    @cached_property
    def _fields(self) -> dict[str, T.StructField]:
        table = self.keys.sparkSession.table(self.table).schema
        return {name: table[name] for name in self.keys.columns}

    def _filter(self, rows: DataFrame) -> DataFrame:
        same = [F.col(f"rows.{name}") == F.col(f"keys.{name}") for name in self.keys.columns]
        return rows.alias("rows").join(self.keys.alias("keys"), same, "left_semi")


def _literal(path: str) -> str:
    """Escape a path, so that Spark does not read it as a pattern."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)
