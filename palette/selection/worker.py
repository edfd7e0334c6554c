"""Binning and counting, as the workers run them: values to codes, and codes to contingency tables.

The functions here are pickled by value, so that a worker needs pyarrow and numpy, but not this package; they refer to
nothing else in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["add", "count", "encode", "to_codes"]

# Bytes of codes in one value of the binary column.
BLOCK = 1 << 24


def encode(batches: Iterator[Any], cuts: Sequence[Any], width: str) -> Iterator[Any]:
    """Yield blocks of codes, one column after another; ``cuts`` has an entry for each column of a batch."""
    for batch in batches:
        codes = np.empty((len(cuts), batch.num_rows), width)
        for index, column_cuts in enumerate(cuts):
            codes[index] = to_codes(batch.column(index), column_cuts)
        step = max(1, BLOCK // (len(cuts) * codes.itemsize))
        blocks = [codes[:, first : first + step].tobytes() for first in range(0, batch.num_rows, step)]
        yield pa.RecordBatch.from_arrays([pa.array(blocks, pa.binary())], ["codes"])


def to_codes(values: Any, cuts: Any) -> Any:
    """Return the code of each value: 0 for null and NaN; strings that are not among the cuts have code 1."""
    if isinstance(cuts, list):
        indices = pc.index_in(values, value_set=pa.array(cuts, values.type))
        codes = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False) + 2
        codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = 0
        return codes
    numbers = values.to_numpy(zero_copy_only=False)
    return np.where(np.isnan(numbers), 0, np.searchsorted(cuts, numbers) + 1)


def count(batches: Iterator[Any], sizes: Sequence[int], pairs: Sequence[Any], width: str) -> Iterator[Any]:
    """Yield the contingency tables of a partition, all in one value.

    Parameters
    ----------
    batches : iterator
        Of blocks of codes.
    sizes : sequence of int
        Number of codes of each column.
    pairs : sequence of (int, sequence of int)
        A column, and those that it is counted with.
    width : str
        The type of a code.
    """
    tables = [np.zeros(sizes[left] * sizes[right], np.int64) for left, others in pairs for right in others]
    for batch in batches:
        for block in batch.column(0):
            codes = np.frombuffer(block.as_buffer(), width).reshape(len(sizes), -1)
            index = 0
            for left, others in pairs:
                row = codes[left].astype(np.int64)
                for right in others:
                    cells = row * sizes[right] + codes[right]
                    tables[index] += np.bincount(cells, minlength=len(tables[index]))
                    index += 1
    yield _pack(np.concatenate(tables))


def add(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the sum of the tables that :func:`count` yields."""
    total: Any = None
    for batch in batches:
        for packed in batch.column(0):
            tables = np.frombuffer(packed.as_buffer(), np.int64)
            total = np.zeros_like(tables) if total is None else total
            total += tables
    if total is not None:
        yield _pack(total)


def _pack(tables: Any) -> Any:
    return pa.RecordBatch.from_arrays([pa.array([tables.tobytes()], pa.binary())], ["tables"])
