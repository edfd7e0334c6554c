"""Tasks that read a history and split its rows by part: each part's rows of a chunk become one message.

Spark shuffles the messages, a few for each part and task, instead of the rows: these never become rows of the JVM where
tasks read the files themselves. On one machine the messages lie in files, and only their names are shuffled. The
functions here are pickled by value, see :mod:`palette.offline.prepared.arrays`.
"""

from __future__ import annotations

import functools
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from palette.offline.prepared.hashes import hash_keys
from palette.offline.prepared.parquet_files import read_row_group
from palette.offline.prepared.search import part_numbers

__all__ = ["MESSAGES", "number_files", "plain_key", "read_messages", "sample_files", "split_files", "split_rows"]

# What a task returns: a part, and rows of it as an Arrow message, or the file in which it lies, and where it starts.
MESSAGES = "part bigint, rows binary, file string, start bigint"
REFERENCES = pa.schema([("part", pa.int64()), ("rows", pa.binary()), ("file", pa.string()), ("start", pa.int64())])
TIMES = ("event", "created")
# A sample is drawn from the first rows of each row group, so many times as many: the others are not read. A key that is
# missed by that has less rows than a row group.
NEAR = 8
# Bytes of messages that are handed over at once.
TOGETHER = 1 << 24


def split_files(
    batches: Iterator[pa.RecordBatch], shape: dict[str, Any], spread: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Yield the messages of row groups, whose paths and numbers are in the columns ``path`` and ``group``.

    Parameters
    ----------
    shape : dict
        ``read``: the columns as they are declared; ``schema``: the columns of a message; ``keys``, ``event``,
        ``created``: names in the table, None where the group has no such time; ``by_created``.
    spread : dict
        ``parts`` and ``cuts``, see :func:`palette.offline.prepared.search.part_numbers`; ``only``: the parts whose rows
        are requested, or None; ``rows``: how many are split at once; ``files``: a folder for the messages, or None.
    """
    return _split(_read(batches, shape, spread), shape, spread)


def number_files(
    batches: Iterator[pa.RecordBatch], shape: dict[str, Any], spread: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Yield the numbers of the parts that rows of row groups belong to, each once for each batch of rows."""
    for rows in _read(batches, shape | {"features": ()}, spread):
        yield pa.record_batch([pa.array(np.unique(_numbers(rows, shape, spread)))], ["part"])


def split_rows(
    batches: Iterator[pa.RecordBatch], shape: dict[str, Any], spread: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Yield the messages of rows that Spark has read."""
    tables = (pa.Table.from_batches([batch]).cast(shape["schema"]) for batch in batches)
    return _split(tables, shape, spread)


def sample_files(
    batches: Iterator[pa.RecordBatch], shape: dict[str, Any], spread: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Yield hash and effective time of about a share of the rows, all from the beginnings of row groups."""
    for rows in _read(batches, shape | {"features": ()}, spread):
        yield pa.record_batch(
            [rows.column("hash").combine_chunks(), pa.array(_effective(rows, shape))], ["hash", "effective"]
        )


def read_messages(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> dict[int, list[pa.RecordBatch]]:
    """Return the rows of each part."""
    messages: dict[int, list[pa.RecordBatch]] = {}
    opened: dict[str, pa.MemoryMappedFile] = {}
    for batch in batches:
        parts, files, starts = (batch.column(name).to_pylist() for name in ("part", "file", "start"))
        for part, rows, name, start in zip(parts, batch.column("rows"), files, starts, strict=True):
            source = rows.as_buffer()
            if name is not None:
                if name not in opened:
                    opened[name] = pa.memory_map(name)
                source = opened[name]
                source.seek(start)
            message = pa.ipc.read_message(source)
            messages.setdefault(part, []).append(pa.ipc.read_record_batch(message, schema))
    return messages


def _read(batches: Iterator[pa.RecordBatch], shape: dict[str, Any], spread: dict[str, Any]) -> Iterator[pa.Table]:
    """Yield the rows of row groups that can ever be visible."""
    names = [*shape["keys"], *(shape[time] for time in TIMES if shape[time] is not None), *shape["features"]]
    schema = pa.schema([shape["read"].field(name) for name in names])
    for batch in batches:
        for path, group in zip(batch.column("path").to_pylist(), batch.column("group").to_pylist(), strict=True):
            random = np.random.default_rng([group, zlib.crc32(path.encode())])
            first = min(1.0, NEAR * spread["share"])
            for table in read_row_group(path, group, schema, spread["rows"], first):
                if spread["share"] < 1:
                    table = table.filter(pa.array(random.random(len(table)) < spread["share"] / first))
                yield _columns(table, shape)


def _columns(table: pa.Table, shape: dict[str, Any]) -> pa.Table:
    """Return the columns of a message, as :meth:`palette.offline.prepared.layout.Layout.select` does."""
    times = {time: shape[time] for time in TIMES if shape[time] is not None}
    required = [name for time, name in times.items() if time == "event" or shape["by_created"]]
    for name in [*shape["keys"], *required]:
        if table.column(name).null_count:
            table = table.filter(pc.is_valid(table.column(name)))
    keys = [plain_key(table.column(name).combine_chunks()) for name in shape["keys"]]
    columns = {f"key{index}": key for index, key in enumerate(keys)}
    columns |= {time: table.column(name).cast(pa.int64()) for time, name in times.items()}
    columns |= {f"value{index}": table.column(name) for index, name in enumerate(shape["features"])}
    return pa.table(columns | {"hash": pa.array(hash_keys(keys))})


def plain_key(key: pa.Array) -> pa.Array:
    """Return a key column as it is compared, see :func:`palette.offline.point_in_time.key_columns`."""
    if pa.types.is_date(key.type):
        key = key.cast(pa.int32())
    return key.cast(pa.int64()) if pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type) else key


def _split(tables: Iterable[pa.Table], shape: dict[str, Any], spread: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    chunks = _chunks(tables, spread["rows"])
    if spread["files"] is not None:
        handle, path = tempfile.mkstemp(dir=spread["files"])
        with os.fdopen(handle, "wb") as file:
            for rows in chunks:
                starts = []
                for part, message in _messages(rows, shape, spread):
                    starts.append((part, file.tell()))
                    file.write(message)
                parts = [part for part, _ in starts]
                columns = [parts, [None] * len(parts), [path] * len(parts), [start for _, start in starts]]
                yield pa.record_batch(columns, schema=REFERENCES)
        return
    for rows in chunks:
        waiting, size = [], 0
        for part, message in _messages(rows, shape, spread):
            waiting.append((part, message))
            size += message.size
            if size > TOGETHER:
                yield _together(waiting)
                waiting, size = [], 0
        if waiting:
            yield _together(waiting)


def _messages(rows: pa.Table, shape: dict[str, Any], spread: dict[str, Any]) -> Iterator[tuple[int, pa.Buffer]]:
    """Yield parts and their rows in a chunk."""
    numbers = _numbers(rows, shape, spread)
    if spread["only"] is not None:
        chosen = np.isin(numbers, spread["only"])
        rows, numbers = rows.filter(pa.array(chosen)), numbers[chosen]
    if not len(rows):
        return
    # Parts are few enough for 16 bits, whose stable sort is one of radices.
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    numbers = numbers[order]
    (ordered,) = rows.combine_chunks().take(pa.array(order)).combine_chunks().to_batches()
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield int(numbers[start]), ordered.slice(start, end - start).serialize()


def _numbers(rows: pa.Table, shape: dict[str, Any], spread: dict[str, Any]) -> Any:
    """Return the part of each row, by its hash and the time from which it counts."""
    return part_numbers(rows.column("hash").to_numpy(), _effective(rows, shape), spread["parts"], spread["cuts"])


def _effective(rows: pa.Table, shape: dict[str, Any]) -> Any:
    """Return the times from which rows count, in microseconds; 0 for rows that always count."""
    times = [rows.column(time).to_numpy() for time in TIMES[: 1 + shape["by_created"]] if time in rows.column_names]
    return functools.reduce(np.maximum, times) if times else np.zeros(len(rows), np.int64)


def _chunks(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield tables of about so many rows."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _together(waiting: Sequence[tuple[int, pa.Buffer]]) -> pa.RecordBatch:
    parts, messages = zip(*waiting, strict=True)
    ends = np.cumsum([0, *(message.size for message in messages)]).astype(np.int32)
    rows = pa.Array.from_buffers(pa.binary(), len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(messages))])
    none = [pa.nulls(len(parts), field.type) for field in (REFERENCES.field("file"), REFERENCES.field("start"))]
    return pa.record_batch([pa.array(parts, pa.int64()), rows, *none], schema=REFERENCES)
