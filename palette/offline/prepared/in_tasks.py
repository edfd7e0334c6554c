"""A part of a history is sorted and written in a task of Spark.

The functions here are pickled by value, see :mod:`palette.offline.prepared.arrays`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from palette.offline.prepared.arrays import ALWAYS, build_arrays
from palette.offline.prepared.folders import fetch, make_folder
from palette.offline.prepared.run_files import Run, open_run, write_run
from palette.offline.prepared.split import read_messages

__all__ = ["WRITTEN", "carry_forward", "merge_parts", "write_parts"]

# What a task returns for each file.
WRITTEN = "part bigint, path string, rows bigint, size bigint"


class Rows(NamedTuple):
    """Rows of a history: keys, their hashes (if they are known), times in microseconds (if there are any), values."""

    keys: Sequence[pa.Array]
    hashes: Any
    event: Any
    created: pa.Array | None
    values: Sequence[pa.Array]


def write_parts(batches: Iterator[pa.RecordBatch], shape: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """Write the rows of each part to a run, and yield its part, path, rows and bytes.

    Parameters
    ----------
    batches : iterator of pa.RecordBatch
        Messages, see :mod:`palette.offline.prepared.split`.
    shape : dict
        From :attr:`palette.offline.prepared.layout.Layout.shape`.
    """
    messages = read_messages(batches, shape["schema"])
    for part in sorted(messages):
        table = pa.Table.from_batches(messages.pop(part)).combine_chunks()
        column = {name: table.column(name).combine_chunks() for name in table.column_names}
        del table
        keys = [column[f"key{index}"] for index in range(len(shape["keys"]))]
        event = column["event"].to_numpy() if "event" in column else None
        values = [column[f"value{index}"] for index in range(len(shape["features"]))]
        rows = Rows(keys, column["hash"].to_numpy(), event, column.get("created"), values)
        yield _written(part, _write(rows, shape))


def _write(rows: Rows, shape: dict[str, Any]) -> tuple[str, int]:
    """Sort rows and write them; return the path, and how many of them can win."""
    by_created = shape["by_created"]
    arrays = build_arrays(
        rows.keys, rows.event, rows.created, lambda: rows.values, by_created=by_created, hashes=rows.hashes
    )
    columns = dict(zip(shape["features"], rows.values, strict=True))
    ages = rows.event if by_created else None
    make_folder(shape["folder"])
    return write_run(arrays, columns, shape["folder"], event=ages, created=rows.created), len(arrays.rows)


def _written(part: int, written: tuple[str, int]) -> pa.RecordBatch:
    path, rows = written
    columns = [[part], [path], [rows], [os.path.getsize(fetch(path))]]
    return pa.record_batch(
        [pa.array(columns[0], pa.int64()), pa.array(columns[1]), *(pa.array(one, pa.int64()) for one in columns[2:])],
        ["part", "path", "rows", "size"],
    )


def merge_parts(
    batches: Iterator[pa.RecordBatch], runs: dict[int, list[str]], shape: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Write the runs of each part, whose number is in the column ``part``, to one run."""
    for batch in batches:
        for part in batch.column("part").to_pylist():
            opened = [open_run(path) for path in runs[part]]
            yield _written(part, _write(_concatenate([(run, None) for run in opened], shape), shape))


def carry_forward(paths: Sequence[Sequence[str]], shape: dict[str, Any]) -> list[str | None]:
    """Write, for each slice of a hot key, a run of the rows that are known when it begins; None where there are none.

    Parameters
    ----------
    paths : sequence of sequence of str
        The runs of each slice, in order of time.
    """
    known: list[tuple[Run, Any]] = []
    carried: list[str | None] = []
    for number, slice_ in enumerate(paths):
        carried.append(_write(_concatenate(known, shape), shape)[0] if known and number else None)
        if carried[-1] is not None:
            run = open_run(carried[-1])
            known = [(run, _last(run))]
        known += [(run, _last(run)) for run in map(open_run, slice_) if len(run)]
    return carried


def _last(run: Run) -> Any:
    """Return the last row of each key, which is the greatest."""
    codes = run.packed.codes
    return np.flatnonzero(np.append(codes[1:] != codes[:-1], True))


def _concatenate(pieces: Sequence[tuple[Run, Any]], shape: dict[str, Any]) -> Rows:
    """Return the rows of runs (all where the rows are None)."""
    indices = [np.arange(len(run)) if rows is None else rows for run, rows in pieces]
    keys = [
        pa.concat_arrays([run.key(index, rows) for (run, _), rows in zip(pieces, indices, strict=True)])
        for index in range(len(shape["keys"]))
    ]
    hashes = None
    if all(run.hashes is not None for run, _ in pieces):
        hashes = np.concatenate([run.hash(rows) for (run, _), rows in zip(pieces, indices, strict=True)])
    event = created = None
    if shape["event"]:
        event = np.concatenate([run.event(rows) for (run, _), rows in zip(pieces, indices, strict=True)])
        assert not (event == ALWAYS).any()
    if shape["created"]:
        created = pa.concat_arrays(
            [run.created().take(pa.array(rows)) for (run, _), rows in zip(pieces, indices, strict=True)]
        )
    values = []
    for index, name in enumerate(shape["features"]):
        dtype = shape["schema"].field(f"value{index}").type
        columns = [run.values(name) for run, _ in pieces]
        values.append(
            pa.concat_arrays(
                [
                    pa.nulls(len(rows), dtype) if each is None else each.take(pa.array(rows)).cast(dtype)
                    for each, rows in zip(columns, indices, strict=True)
                ]
            )
        )
    return Rows(keys, hashes, event, created, values)
