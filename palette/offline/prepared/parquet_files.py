"""Rows of Parquet files in declared types.

The functions here are pickled by value and refer to nothing else in this package, so that workers run them without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["read_file", "read_row_group"]


def read_file(path: str, schema: pa.Schema) -> pa.Table:
    """Return columns of a file; null where the file is older than the column."""
    file, present = _open(path, schema)
    return _declared(file.read(present), schema)


def read_row_group(path: str, group: int, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Yield columns of a row group, so many rows at once, in one thread."""
    file, present = _open(path, schema)
    for batch in file.iter_batches(rows, row_groups=[group], columns=present, use_threads=False):
        yield _declared(pa.Table.from_batches([batch]), schema)


def _open(path: str, schema: pa.Schema) -> tuple[pq.ParquetFile, list[str]]:
    # Spark writes timestamps as INT96 by default; read as nanoseconds they would overflow.
    file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us", memory_map=True)
    stored = set(file.schema_arrow.names)
    return file, [name for name in schema.names if name in stored]


def _declared(table: pa.Table, schema: pa.Schema) -> pa.Table:
    present = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
