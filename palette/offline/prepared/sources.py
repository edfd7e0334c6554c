"""Where the rows of a history come from: tasks read its Parquet files, or Spark reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from palette.offline.join.histories import FileHistory, open_history
from palette.offline.local_mode import is_local
from palette.offline.prepared import parquet_files, split
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.layout import EFFECTIVE, HASH, Layout

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.offline.delta.version import TableVersion

__all__ = ["FileSource", "Source", "open_source"]

# Bytes of rows that a task reads and splits at once.
CHUNK_BYTES = 1 << 26


class Source:
    """The rows of a history.

    Parameters
    ----------
    version : TableVersion
        The table.
    layout : Layout
        The columns.
    rows, size : int
        How many rows there are, and about how many bytes they take in memory.
    """

    def __init__(self, version: TableVersion, layout: Layout, rows: int, size: int) -> None:
        self.rows = rows
        self.size = size
        self._spark = version.spark
        self._layout = layout

    def messages(self, history: PreparedHistory, only: Sequence[int] | None, folder: str) -> DataFrame:
        """Return the rows of some parts, or of all, see :mod:`palette.offline.prepared.split`.

        Where all workers are on this machine the messages lie in the folder.
        """
        raise NotImplementedError

    def sample(self, share: float) -> pa.Table:
        """Return hash and effective time of about a share of the rows."""
        raise NotImplementedError

    def _spread(
        self, history: PreparedHistory, only: Sequence[int] | None = None, folder: str | None = None
    ) -> dict[str, Any]:
        return {
            "parts": history.parts,
            "cuts": dict(history.cuts),
            "only": only,
            "rows": max(1, CHUNK_BYTES * self.rows // max(1, self.size)),
            "files": folder if is_local(self._spark) else None,
            "share": 1.0,
        }


class FileSource(Source):
    """Parquet files that tasks read.

    Parameters
    ----------
    paths : sequence of str
        Files of the table, which workers open at these paths.
    """

    def __init__(self, version: TableVersion, layout: Layout, paths: Sequence[str]) -> None:
        footers = list(zip(paths, parquet_files.read_footers(paths), strict=True))
        size = FileHistory(paths, version.columns).size(list(version.columns))
        super().__init__(version, layout, sum(footer.num_rows for _, footer in footers), size)
        self._groups = [
            (path, group, footer.row_group(group).num_rows)
            for path, footer in footers
            for group in range(footer.num_row_groups)
        ]

    def messages(self, history: PreparedHistory, only: Sequence[int] | None, folder: str) -> DataFrame:
        """Return the rows of some parts, or of all."""
        return self._read(split.split_files, split.MESSAGES, self._spread(history, only, folder))

    def sample(self, share: float) -> pa.Table:
        """Return hash and effective time of about a share of the rows."""
        spread = self._spread(PreparedHistory({})) | {"share": share}
        return self._read(split.sample_files, f"{HASH} bigint, {EFFECTIVE} bigint", spread).toArrow()

    def parts(self, history: PreparedHistory) -> set[int]:
        """Return the parts that the rows belong to."""
        numbers = self._read(split.number_files, "part bigint", self._spread(history)).toArrow()
        return set(numbers.column("part").to_pylist())

    def _read(
        self, function: Callable[..., Iterator[pa.RecordBatch]], schema: str, spread: dict[str, Any]
    ) -> DataFrame:
        """Return what a function returns for the row groups, which are spread over tasks by their rows."""
        tasks, before, numbers = max(1, -(-self.size // CHUNK_BYTES)), 0, []
        for _, _, rows in self._groups:
            numbers.append(before * tasks // max(1, self.rows))
            before += rows
        columns = [[path for path, _, _ in self._groups], [group for _, group, _ in self._groups], numbers]
        types = pa.schema([("path", pa.string()), ("group", pa.int64()), ("task", pa.int32())])
        spread_groups = self._spark.createDataFrame(pa.table(columns, schema=types)).repartitionById(tasks, "task")
        shape = self._layout.shape

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return function(batches, shape, spread)

        return spread_groups.mapInArrow(read, schema)


class SparkSource(Source):
    """A table that only Spark can read."""

    def __init__(self, version: TableVersion, layout: Layout) -> None:
        table = version.read()
        super().__init__(version, layout, table.count(), open_history(version).size(list(version.columns)))
        self._selected = layout.select(table)

    def messages(self, history: PreparedHistory, only: Sequence[int] | None, folder: str) -> DataFrame:
        """Return the rows of some parts, or of all."""
        shape, spread = self._layout.shape, self._spread(history, only, folder)

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return split.split_rows(batches, shape, spread)

        return self._selected.drop(EFFECTIVE).mapInArrow(read, split.MESSAGES)

    def sample(self, share: float) -> pa.Table:
        """Return hash and effective time of about a share of the rows."""
        rows = self._selected.select(HASH, EFFECTIVE)
        return (rows if share >= 1 else rows.sample(share, seed=1)).toArrow()


def open_source(version: TableVersion, layout: Layout) -> Source:
    """Return all rows of a version."""
    return SparkSource(version, layout) if version.files is None else FileSource(version, layout, version.files.paths)
