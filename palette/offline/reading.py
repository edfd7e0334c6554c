"""The rows of a feature group as Arrow columns: from the Parquet files themselves, or through Spark."""

from __future__ import annotations

import json
import math
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

# Files, and rows of each, that tell how long texts are.
PROBED, PROBED_ROWS = 8, 4096
LARGEST = (1 << 31) - 1


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
        """Return about how many bytes columns are in memory.

        What a file says of itself is the size of dictionaries and runs, a thousandth where values repeat. So numbers
        are counted, and how long texts are is seen from the first rows of some of the files.
        """
        widths = {name: _width(arrow_type(self.types[name])) for name in names if name in self.types}
        rows = sizes = 0.0
        for footer in map(pq.read_metadata, self.paths):
            rows += footer.num_rows
            for group in map(footer.row_group, range(footer.num_row_groups)):
                for chunk in map(group.column, range(group.num_columns)):
                    width = widths.get(chunk.path_in_schema.split(".")[0])
                    if width is not None:
                        sizes += chunk.num_values * width
        texts = [name for name, width in widths.items() if not width]
        return math.ceil(sizes + rows * _bytes_a_row(self.paths[:: -(-len(self.paths) // PROBED) or 1], texts))

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return columns in their declared types; large text as ``large_string``."""
        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        return _wide(pa.concat_tables([schema.empty_table(), *(_read_file(path, schema) for path in self.paths)]))


def _width(dtype: pa.DataType) -> float:
    """Return the bytes of a value, of an element in a list; 0 for text."""
    leaf = dtype.value_type if pa.types.is_list(dtype) else dtype
    return 0 if pa.types.is_string(leaf) else leaf.bit_width / 8


def _bytes_a_row(paths: Sequence[str], names: Sequence[str]) -> float:
    rows = size = 0
    for path in paths:
        file = pq.ParquetFile(path, memory_map=True)
        present = [name for name in names if name in file.schema_arrow.names]
        if present and (batch := next(file.iter_batches(batch_size=PROBED_ROWS, columns=present), None)):
            rows += len(batch)
            size += batch.nbytes
    return size / max(1, rows)


def _wide(table: pa.Table) -> pa.Table:
    """Return a table each column of which fits into one array: the offsets of a plain string end at 2 GB."""
    wide = {pa.string(): pa.large_string(), pa.list_(pa.string()): pa.large_list(pa.large_string())}
    for place, field in enumerate(table.schema):
        if field.type in wide and table.column(place).nbytes > LARGEST:
            table = table.set_column(place, field.name, table.column(place).cast(wide[field.type]))
    return table


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
        return _wide(self._table.select(list(names)))


def open_files(tables: DeltaTables, entity: Entity, group: FeatureGroup, version: int) -> FileHistory:
    """Return the rows of one version of a group, to be read from its files.

    Raises
    ------
    Unreadable
        If they can be read through Spark only.
    DataError
        If they were vacuumed.
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
