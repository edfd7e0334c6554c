"""The rows of a feature group as Arrow columns: from the Parquet files themselves, or through Spark."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.definitions import arrow_type
from palette.offline.point_in_time import ROW
from palette.offline.prepared.parquet_files import open_file, read_files, read_footers
from palette.offline.zero_signs import zero_signs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.version import TableVersion

__all__ = ["FileHistory", "SparkHistory", "TiedRows", "open_history"]

# Files, and rows of each, from which the average length of strings is estimated.
SAMPLED_FILES, SAMPLED_ROWS = 8, 4096
LARGEST = (1 << 31) - 1


class TiedRows(Exception):  # noqa: N818 - a result, not a failure
    """Rows are tied, and a column that was not read with them decides which one wins."""


class FileHistory:
    """A history in Parquet files, read column by column.

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
        """Return about how many bytes columns take in memory.

        Parquet records the sizes of dictionaries and runs, a thousandth of these where values repeat. So numbers are
        counted, and the length of strings is estimated from the first rows of some of the files.
        """
        widths = {name: _width(arrow_type(self.types[name])) for name in names if name in self.types}
        rows = sizes = 0.0
        for footer in read_footers(self.paths):
            rows += footer.num_rows
            for group in map(footer.row_group, range(footer.num_row_groups)):
                for chunk in map(group.column, range(group.num_columns)):
                    width = widths.get(chunk.path_in_schema.split(".")[0])
                    if width is not None:
                        sizes += chunk.num_values * width
        strings = [name for name, width in widths.items() if not width]
        return math.ceil(sizes + rows * _bytes_a_row(self.paths[:: -(-len(self.paths) // SAMPLED_FILES) or 1], strings))

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return columns in their declared types; long strings as ``large_string``."""
        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        return _widen_strings(pa.concat_tables([schema.empty_table(), *read_files(self.paths, schema)]))

    def read_column(self, name: str) -> pa.Table:
        """Return one more column, its rows in the order of the others."""
        return self.read([name])


def _width(dtype: pa.DataType) -> float:
    """Return the bytes of a value, or of an element of a list; 0 for strings."""
    leaf = dtype.value_type if pa.types.is_list(dtype) else dtype
    return 0 if pa.types.is_string(leaf) else leaf.bit_width / 8


def _bytes_a_row(paths: Sequence[str], names: Sequence[str]) -> float:
    rows = size = 0
    for path in paths:
        file = open_file(path)
        present = [name for name in names if name in file.schema_arrow.names]
        if present and (batch := next(file.iter_batches(batch_size=SAMPLED_ROWS, columns=present), None)):
            rows += len(batch)
            size += batch.nbytes
    return size / max(1, rows)


def _widen_strings(table: pa.Table) -> pa.Table:
    """Return a table whose columns fit into one array each: the offsets of a plain string array end at 2 GB."""
    wide = {pa.string(): pa.large_string(), pa.list_(pa.string()): pa.large_list(pa.large_string())}
    for index, field in enumerate(table.schema):
        if field.type in wide and table.column(index).nbytes > LARGEST:
            table = table.set_column(index, field.name, table.column(index).cast(wide[field.type]))
    return table


class SparkHistory:
    """A history that is read through Spark, the requested columns all at once.

    A second read might return the rows in another order.

    Parameters
    ----------
    rows : DataFrame
        All rows of one version, in the declared types.
    types : dict of str to str
        Columns with their declared types, features in declared order.
    identity : sequence of str
        Keys and times: rows that share them are tied.
    """

    def __init__(self, rows: DataFrame, types: dict[str, str], identity: Sequence[str]) -> None:
        self.types = types
        self._rows = rows
        self._identity = identity

    def size(self, names: Sequence[str]) -> int:
        """Return about how many bytes columns take in memory.

        The number of rows, which Delta knows from its log, times the width of a row: numbers are counted, and the
        length of strings and lists is estimated from the first rows.
        """
        types = {name: arrow_type(self.types[name]) for name in names if name in self.types}
        width = sum(dtype.bit_width / 8 for dtype in types.values() if not _varies(dtype))
        if varying := [_length(exact_column(name), dtype) for name, dtype in types.items() if _varies(dtype)]:
            probed = self._rows.select(functools.reduce(operator.add, varying)).take(SAMPLED_ROWS)
            width += sum(row[0] for row in probed) / max(1, len(probed))
        return math.ceil(self._rows.count() * width)

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return columns in their declared types."""
        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        return _widen_strings(self._rows.select(*map(exact_column, names)).toArrow().cast(schema))

    def read_column(self, name: str) -> pa.Table:
        """Raise :class:`TiedRows`: a column cannot be added to those that were read before."""
        raise TiedRows(name)

    def resolve_ties(self) -> SparkHistory:
        """Return the history without the rows that lose a tie."""
        keys = [exact_column(name) for name in self._identity]
        types = {name: dtype for name, dtype in self.types.items() if name not in self._identity}
        row = F.struct(*map(exact_column, types), *zero_signs(types))
        winners = self._rows.groupBy(*keys).agg(F.max(row).alias(ROW))
        winners = winners.select(*keys, *(f"{ROW}.{name}" for name in types))
        return SparkHistory(winners, self.types, self._identity)


def _varies(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_string(dtype) or pa.types.is_list(dtype))


def _length(column: Column, dtype: pa.DataType) -> Column:
    """Return the bytes that a string or list takes in Arrow."""
    size: Any = F.octet_length(column)
    if pa.types.is_list(dtype):
        width = _width(dtype)
        size = F.size(column) * (width or 4)
        size = size if width else size + F.octet_length(F.array_join(column, ""))
    return F.coalesce(size, F.lit(0)) + 4


def open_history(version: TableVersion) -> FileHistory | SparkHistory:
    """Return the rows of a version: in its files, or through Spark where these cannot be read directly."""
    if version.files is not None:
        return FileHistory(version.files.paths, version.columns)
    return SparkHistory(version.read(), version.columns, version.schema.identity())
