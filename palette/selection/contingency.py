"""Contingency tables of all rows, counted by the workers.

The values are joined once and become blocks of codes, a byte or two a value, which Spark caches; every further pass
reads only these. The size of a partition's tables depends on the request, not on the data, and one task adds them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pyspark.cloudpickle.cloudpickle import register_pickle_by_value

from palette.selection import worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.statistics.bins import Bins

__all__ = ["Codes"]

register_pickle_by_value(worker)


class Codes:
    """Binned columns, cached by Spark until they are closed: use it in ``with``.

    Parameters
    ----------
    values : DataFrame
        The columns.
    bins : sequence of Bins
        Of each column.
    """

    def __init__(self, values: DataFrame, bins: Sequence[Bins]) -> None:
        self.sizes = [column.size for column in bins]
        self.passes = 0
        self._width = width = "u1" if max(self.sizes) <= 1 << 8 else "u2"
        cuts = [column.cuts for column in bins]

        def encode(batches: Iterator[Any]) -> Iterator[Any]:
            return worker.encode(batches, cuts, width)

        self._codes = values.mapInArrow(encode, "codes binary").persist()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._codes.unpersist()

    def tables(self, pairs: Mapping[int, Sequence[int]]) -> dict[tuple[int, int], Any]:
        """Return the table of each pair of columns, counted in one pass; the first of a pair is that of the rows."""
        sizes, width, requested = self.sizes, self._width, list(pairs.items())

        def count(batches: Iterator[Any]) -> Iterator[Any]:
            return worker.count(batches, sizes, requested, width)

        def add(batches: Iterator[Any]) -> Iterator[Any]:
            return worker.add(batches)

        self.passes += 1
        counted = self._codes.mapInArrow(count, "tables binary").repartition(1).mapInArrow(add, "tables binary")
        counts = np.frombuffer(counted.collect()[0][0], np.int64)
        tables, first = {}, 0
        for left, others in requested:
            for right in others:
                last = first + sizes[left] * sizes[right]
                tables[left, right] = counts[first:last].reshape(sizes[left], sizes[right])
                first = last
        return tables
