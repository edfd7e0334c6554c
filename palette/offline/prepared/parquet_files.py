"""Rows of Parquet files in declared types.

The functions here are pickled by value and refer to nothing else in this package but :mod:`palette.offline.objects`, so
that workers run them without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from palette.offline.objects import in_parallel, is_object, open_input

__all__ = ["open_file", "read_files", "read_footers", "read_row_group"]


def open_file(path: str) -> pq.ParquetFile:
    """Open a file, local or of an object store."""
    # Spark writes timestamps as INT96 by default; read as nanoseconds they would overflow.
    if is_object(path):
        return pq.ParquetFile(open_input(path), coerce_int96_timestamp_unit="us", pre_buffer=True)
    return pq.ParquetFile(path, coerce_int96_timestamp_unit="us", memory_map=True)


def read_footers(paths: Sequence[str]) -> list[pq.FileMetaData]:
    """Return what files record about their rows."""
    return in_parallel(lambda path: open_file(path).metadata, paths)


def read_files(paths: Sequence[str], schema: pa.Schema) -> list[pa.Table]:
    """Return columns of files; null where a file is older than the column."""

    def read(path: str) -> pa.Table:
        file, present = _open(path, schema)
        return _declared(file.read(present), schema)

    return in_parallel(read, paths)


def read_row_group(path: str, group: int, schema: pa.Schema, rows: int, share: float = 1.0) -> Iterator[pa.Table]:
    """Yield columns of a row group, or of a share of it, its first rows; so many rows at once, in one thread."""
    file, present = _open(path, schema)
    left = math.ceil(share * file.metadata.row_group(group).num_rows)
    for batch in file.iter_batches(min(rows, max(left, 1)), row_groups=[group], columns=present, use_threads=False):
        yield _declared(pa.Table.from_batches([batch[:left]]), schema)
        left -= len(batch)
        if left <= 0:
            return


def _open(path: str, schema: pa.Schema) -> tuple[pq.ParquetFile, list[str]]:
    file = open_file(path)
    stored = set(file.schema_arrow.names)
    return file, [name for name in schema.names if name in stored]


def _declared(table: pa.Table, schema: pa.Schema) -> pa.Table:
    present = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
