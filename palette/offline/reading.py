"""The rows of a feature group as Arrow columns: from the Parquet files themselves, or through Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import types as T

from palette.definitions import arrow_type
from palette.offline.checks import readable
from palette.offline.log import Unreadable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import Entity, FeatureGroup
    from palette.offline.tables import DeltaTables

__all__ = ["FileHistory", "SparkHistory", "open_files", "open_history"]


class FileHistory:
    """A history in Parquet files, of which columns are read as they are wanted.

    Parameters
    ----------
    paths : sequence of str
        Always read in this order.
    types : dict of str to str
        Columns with their declared types.
    """

    def __init__(self, paths: Sequence[str], types: dict[str, str]) -> None:
        self.paths = paths
        self.types = types

    def size(self, names: Sequence[str]) -> int:
        """Return the bytes of columns, uncompressed."""
        wanted = set(names)
        chunks = (
            group.column(place)
            for footer in map(pq.read_metadata, self.paths)
            for group in map(footer.row_group, range(footer.num_row_groups))
            for place in range(group.num_columns)
        )
        return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted)

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return columns in their declared types."""
        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        return pa.concat_tables([schema.empty_table(), *(_read_file(path, schema) for path in self.paths)])


def _read_file(path: str, schema: pa.Schema) -> pa.Table:
    # Spark writes timestamps as INT96 unless told otherwise; taken as nanoseconds they would overflow.
    file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us", memory_map=True)
    present = set(file.schema_arrow.names)
    table = file.read([name for name in schema.names if name in present])
    columns = [
        # A column that was added to the table later is not in its older files.
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


class SparkHistory:
    """A history that Spark has read: all at once, since a second reading might come in another order."""

    def __init__(self, table: pa.Table, types: dict[str, str]) -> None:
        self.types = types
        self._table = table.select(list(types)).cast(pa.schema([(name, arrow_type(types[name])) for name in types]))

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return columns in their declared types."""
        return self._table.select(list(names))


def open_files(tables: DeltaTables, entity: Entity, group: FeatureGroup, version: int) -> FileHistory:
    """Return the rows of one version of a group, to be read from its files.

    Raises
    ------
    Unreadable
        If they can be read through Spark only.
    """
    files = tables.files(group, version)
    schema = T.StructType.fromJson(json.loads(files.schema))
    return FileHistory(files.paths, readable(schema, entity, group, version))


def open_history(
    spark: SparkSession, tables: DeltaTables, entity: Entity, group: FeatureGroup, version: int
) -> FileHistory | SparkHistory:
    """Return the rows of one version of a group."""
    try:
        return open_files(tables, entity, group, version)
    except Unreadable:
        df = tables.read(spark, entity, group, version)
        return SparkHistory(df.toArrow(), readable(df.schema, entity, group, version))
