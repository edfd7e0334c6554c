"""Histories made ready to travel: once per table version, point in time and features asked for."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from palette.offline.cache import Memo
from palette.offline.delta.validate import require
from palette.offline.join.arrays import build_steps, write_steps
from palette.offline.join.histories import FileHistory, SparkHistory, Tied, open_history

if TYPE_CHECKING:
    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import Question

__all__ = ["prepare", "prepared_files"]

# Only paths are remembered. The files stay until the process ends: a DataFrame made with them may run at any time.
prepared_files: Memo[str] = Memo(limit=512)


def prepare(question: Question, lookups: Sequence[Lookup]) -> list[str]:
    """Return for each look-up a file of sorted arrays, prepared now or earlier."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda lookup: _file(question, lookup), lookups))


def _file(question: Question, lookup: Lookup) -> str:
    features = sorted(set(lookup.columns.values()))
    known = (*question.content(lookup), *features)
    # What cleans the temporary directory may have removed it. Made again it has the same name.
    return prepared_files.get(known, lambda: _prepare(question, lookup, features), os.path.exists)


def _prepare(question: Question, lookup: Lookup, features: Sequence[str]) -> str:
    group, version = lookup.group, question.version(lookup)
    history = open_history(question.spark, question.tables, lookup.entity, group, version)
    require(features, history.types, group, version)
    try:
        return _write(question, lookup, features, history)
    except Tied:
        assert isinstance(history, SparkHistory)
        return _write(question, lookup, features, history.settled())


def _write(question: Question, lookup: Lookup, features: Sequence[str], history: FileHistory | SparkHistory) -> str:
    entity, group = lookup.entity, lookup.group
    times = [name for name in (group.timestamp, group.created) if name is not None]
    table = history.read(list(dict.fromkeys([*entity.keys, *times, *features])))
    by_created = question.point_in_time == "created"
    required = [*entity.keys, group.timestamp, group.created if by_created else None]
    marks = [pc.is_valid(table.column(name)) for name in required if name and table.column(name).null_count]
    usable = functools.reduce(pc.and_, marks) if marks else None

    def column(source: pa.Table, name: str) -> pa.Array:
        found = source.column(name)
        return (found if usable is None else found.filter(usable)).combine_chunks()

    def values() -> Iterable[pa.Array]:
        for feature in group.features:
            if feature.name in history.types:
                yield column(table if feature.name in features else history.read_beside(feature.name), feature.name)

    event = None if group.timestamp is None else column(table, group.timestamp).cast(pa.int64()).to_numpy()
    created = None if group.created is None else column(table, group.created).cast(pa.int64())
    keys = [_plain_key(column(table, name)) for name in entity.keys]
    steps = build_steps(keys, event, created, values, by_created=by_created)
    ages = event if group.ttl is not None and by_created else None
    folder = _folder()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return write_steps(steps, ages, {name: column(table, name) for name in features}, folder)


def _plain_key(key: pa.Array) -> pa.Array:
    """Return a key column as it is compared, see :func:`palette.offline.point_in_time.key_columns`."""
    if pa.types.is_date(key.type):
        key = key.cast(pa.int32())
    return key.cast(pa.int64()) if pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type) else key


@functools.cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="palette-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
