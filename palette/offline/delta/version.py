"""One version of a feature group's table, opened for reading."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from palette.errors import DataError
from palette.offline.delta.log_reader import Files, Unreadable, read_log
from palette.offline.delta.validate import cast_column, readable_columns, require_features
from palette.offline.objects import missing_files
from palette.session import require_delta

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import GroupSchema
    from palette.offline.delta.tables import DeltaTables

__all__ = ["TableVersion", "open_version", "table_id"]


@dataclass(frozen=True)
class TableVersion:
    """A version of a table whose log has been read once.

    Parameters
    ----------
    tables : DeltaTables
        Where the table is.
    spark : SparkSession
        Reads what the direct reader cannot.
    schema : GroupSchema
        The declared columns.
    number : int
        The version.
    files : Files, optional
        The Parquet files, if they can be read directly.
    reason : str
        Why they cannot be read directly.
    """

    tables: DeltaTables
    spark: SparkSession
    schema: GroupSchema
    number: int
    files: Files | None
    reason: str = ""

    @property
    def table(self) -> str:
        """The table's name in SQL."""
        return self.tables.identifier(self.schema.group)

    @cached_property
    def identity(self) -> str:
        """The table's own id: a table that was deleted and made again has another one."""
        return table_id(self.spark, self.table) if self.files is None else self.files.identity

    @cached_property
    def stored(self) -> T.StructType:
        """All columns as they are stored."""
        return self.load().schema if self.files is None else T.StructType.fromJson(json.loads(self.files.schema))

    @cached_property
    def columns(self) -> dict[str, str]:
        """The declared columns that this version has, with their declared types.

        Raises
        ------
        SchemaError
            If a key or time is missing, or a stored type does not widen to the declared one.
        """
        return readable_columns(self.stored, self.schema, self.number)

    def require(self, features: Iterable[str]) -> None:
        """Raise :class:`palette.errors.SchemaError` if this version lacks one of the features."""
        require_features(features, self.columns, self.schema, self.number)

    def load(self) -> DataFrame:
        """Return the table as it is stored."""
        return self.tables.load(self.spark, self.schema.group, self.number)

    def read(self) -> DataFrame:
        """Return all rows, the columns in their declared types; features that this version lacks are left out."""
        table = self.load()
        columns = readable_columns(table.schema, self.schema, self.number)
        return table.select(*(cast_column(table.schema[name], dtype) for name, dtype in columns.items()))


def open_version(tables: DeltaTables, spark: SparkSession, schema: GroupSchema, number: int) -> TableVersion:
    """Return a version that exists.

    Raises
    ------
    DataError
        If its files were vacuumed or erased.
    """
    try:
        files = read_log(tables.path(schema.group), number)
    except Unreadable as reason:
        return TableVersion(tables, spark, schema, number, None, str(reason))
    if missing := missing_files(files.paths):
        raise DataError(
            f"{schema.name}: version {number} cannot be read any more, {missing} of its {len(files.paths)} files "
            "were vacuumed or erased: ask for a newer version (vacuum spares what store.keep pins, erase does not)"
        )
    return TableVersion(tables, spark, schema, number, files)


def table_id(spark: SparkSession, table: str) -> str:
    """Return the id of a table by its name in SQL."""
    require_delta(spark)
    return str(spark.sql(f"DESCRIBE DETAIL {table}").select("id").first()[0])
