"""Runs: files of sorted arrays, each of one part of a history.

A file holds one row of lists, so that arrays of different lengths lie in one memory-mapped Arrow file, of which only
the columns that are read are loaded: the distinct values of each key column, keys and times packed, and the values.
The functions here are pickled by value, see :mod:`palette.offline.prepared.arrays`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from palette.offline.prepared.arrays import HistoryArrays, PackedTimes
from palette.offline.prepared.folders import UNFINISHED, fetch, publish, scratch_folder

__all__ = [
    "CREATED",
    "EVENT",
    "Run",
    "open_run",
    "read_columns",
    "value_column",
    "write_columns",
    "write_run",
]

EVENT, CREATED = "event", "created"
PAIRS = "pairs"


class Run:
    """A file that is open for look-ups.

    Parameters
    ----------
    lists : mapping of str to pa.Array
        The arrays of the file.
    """

    def __init__(self, lists: Mapping[str, pa.Array]) -> None:
        bits, low = lists["layout"].to_pylist()
        times = lists["times"].to_numpy() if "times" in lists else None
        self.packed = PackedTimes(lists["packed"].to_numpy(), bits, low, times)
        self.keys = [lists[f"key{index}"] for index in range(sum(name.startswith("key") for name in lists))]
        self.hashes: Any = lists["hashes"].to_numpy() if "hashes" in lists else None
        pairs = (f"{PAIRS}{index}" for index in range(len(self.keys) - 1))
        self.pairs = [lists[name].to_numpy() for name in pairs] if self.hashes is None else []
        self._lists = lists

    def __len__(self) -> int:
        return len(self.packed.values)

    def key(self, index: int, rows: Any) -> pa.Array:
        """Return the values of a key column in some rows."""
        codes = self.packed.values[rows] >> self.packed.bits
        if self.hashes is not None:
            return self.keys[index].take(pa.array(codes))
        for number in range(len(self.keys) - 1, 0, -1):
            combined = self.pairs[number - 1][codes]
            size = max(1, len(self.keys[number]))
            if number == index:
                return self.keys[number].take(pa.array(combined % size))
            codes = combined // size
        return self.keys[0].take(pa.array(codes))

    def hash(self, rows: Any) -> Any:
        """Return the hashes of the keys of some rows, where the run has them."""
        return self.hashes[self.packed.values[rows] >> self.packed.bits].view(np.int64)

    def event(self, rows: Any) -> Any:
        """Return the event times of some rows."""
        if EVENT in self._lists:
            return self._lists[EVENT].to_numpy()[rows]
        return self.packed.take(rows).effective

    def created(self) -> Any:
        """Return the created times as int64; None if the group has none, or they are not needed."""
        return self._lists.get(CREATED)

    def values(self, name: str) -> pa.Array | None:
        """Return the values of a feature; None if it was added to the table after this run."""
        return self._lists.get(value_column(name))


def write_run(
    arrays: HistoryArrays,
    columns: Mapping[str, pa.Array],
    folder: str,
    *,
    event: Any = None,
    created: pa.Array | None = None,
) -> str:
    """Write a run to a file named by the hash of its content, and return its path.

    Parameters
    ----------
    columns : mapping of str to pa.Array
        The values, in the order in which the history was read.
    event : array, optional
        Event times, where they are needed and are not those of the arrays.
    created : pa.Array, optional
        Created times as int64, where rows of several runs are compared.
    """
    rows = pa.array(arrays.rows)
    packed = arrays.packed
    lists: dict[str, pa.Array] = {f"key{index}": key for index, key in enumerate(arrays.keys)}
    lists |= {f"{PAIRS}{index}": pa.array(pairs) for index, pairs in enumerate(arrays.pairs)}
    lists |= {"packed": pa.array(packed.values), "layout": pa.array([packed.bits, packed.low], pa.int64())}
    if arrays.hashes is not None:
        lists["hashes"] = pa.array(arrays.hashes)
    if packed.times is not None:
        lists["times"] = pa.array(packed.times)
    if event is not None:
        lists[EVENT] = pa.array(np.asarray(event)[arrays.rows])
    if created is not None:
        lists[CREATED] = created.take(rows)
    lists |= {value_column(name): column.take(rows) for name, column in columns.items()}
    return write_columns(lists, folder)


def write_columns(columns: Mapping[str, pa.Array], folder: str) -> str:
    """Write arrays to a file named by the hash of its content, and return its path."""
    table = pa.table({name: _one_row(values) for name, values in columns.items()})
    handle, path = tempfile.mkstemp(dir=scratch_folder(folder), prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        with open(path, "rb") as written:
            name = hashlib.file_digest(written, "sha256").hexdigest()
        return publish(path, folder, f"{name}.arrow")
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def open_run(path: str, *beside: str) -> Run:
    """Map the file of a run, and files with further columns of its rows.

    Raises
    ------
    FileNotFoundError
        If one was removed.
    """
    columns = read_columns(path)
    for other in beside:
        columns |= read_columns(other)
    return Run(columns)


def read_columns(path: str) -> dict[str, pa.Array]:
    """Map the arrays of a file, or of a local copy of an object."""
    table = pa.ipc.open_file(pa.memory_map(fetch(path))).read_all()
    return {name: table.column(name).chunk(0).values for name in table.column_names}


def value_column(feature: str) -> str:
    """Return the name of the array with a feature's values."""
    return f"value:{feature}"


def _one_row(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
