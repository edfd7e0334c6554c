"""Prepared histories beside their tables: found again by other sessions, extended when the table grows.

The folder ``<table>.sorted`` has the runs, named by their content, and a record for each version that was prepared.
A record is written when all its runs are there, so a preparation that was killed leaves nothing that looks whole; what
it left is removed by ``vacuum``. Two sessions that prepare at once write files of the same names, or other ones: the
record that is written last is used, and each is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from palette.offline.cache import LRUCache
from palette.offline.delta.external_tables import METASTORE
from palette.offline.delta.log_reader import Unreadable, changed_files, commit_info
from palette.offline.prepared import partitions
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.layout import Layout
from palette.offline.prepared.partitions import (
    HOT_ROWS,
    find_hot,
    merge_runs,
    plan_parts,
    prepare_parts,
)
from palette.offline.prepared.run_files import UNFINISHED
from palette.offline.prepared.small import temporary_folder
from palette.offline.prepared.sources import FileSource, open_source
from palette.paths import has_scheme

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup
    from palette.offline.delta.tables import DeltaTables
    from palette.offline.delta.version import TableVersion

__all__ = [
    "find_prepared",
    "is_reachable",
    "open_prepared",
    "remove_prepared",
    "vacuum_prepared",
]

LOG = logging.getLogger(__name__)
FORMAT = 1
# Runs of a part from which on they are merged.
MAX_RUNS = 8
# How much larger than planned the parts may become before the history gets more of them.
GROWTH = 4
RECORD = re.compile(r"([0-9a-f]{16})-(\d{20})\.json")
_opened: LRUCache[PreparedHistory] = LRUCache(limit=128)


def open_prepared(version: TableVersion, *, by_created: bool, hot_rows: int = HOT_ROWS) -> PreparedHistory:
    """Return the prepared history of a version: as it was prepared before, extended from an older one, or made now."""
    version.require(())
    key = (version.table, version.identity, version.number, _kind(version, by_created=by_created), hot_rows)
    return _opened.get(key, lambda: _open(version, by_created=by_created, hot_rows=hot_rows), _is_complete)


def find_prepared(version: TableVersion, *, by_created: bool) -> PreparedHistory | None:
    """Return the prepared history of a version if there is one."""
    return _load(version.tables.prepared(version.schema.group), _kind(version, by_created=by_created), version.number)


def is_reachable(version: TableVersion) -> bool:
    """Return whether drivers and workers have a path to the files of a table: then to what is prepared as well."""
    tables, group = version.tables, version.schema.group
    elsewhere = has_scheme(tables.root) or tables.root.startswith((METASTORE, "dbfs:"))
    return not elsewhere and os.path.isdir(os.path.join(tables.path(group), "_delta_log"))


def vacuum_prepared(tables: DeltaTables, group: FeatureGroup, pins: Iterable[int], hours: float) -> None:
    """Remove what was prepared of versions that are not pinned, and were superseded before the last hours."""
    folder, before = tables.prepared(group), (time.time() - hours * 3600) * 1000
    keep, newest = set(pins), dict[str, int]()
    for kind, number in _recorded(folder):
        # Commits without rows, as of VACUUM itself, supersede nothing.
        newest[kind] = max(number, newest.get(kind, number))
        with suppress(Unreadable):
            if commit_info(tables.path(group), number + 1).get("timestamp", 0) > before:
                keep.add(number)
    remove_prepared(folder, keep | set(newest.values()), hours=hours)


def _recorded(folder: str) -> list[tuple[str, int]]:
    """Return kind and version of each record in a folder."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [(match[1], int(match[2])) for name in names if (match := RECORD.fullmatch(name))]


def remove_prepared(folder: str, keep: Iterable[int] = (), *, hours: float = 0) -> None:
    """Remove the prepared histories of a table but those of some versions, and files that none of these refers to.

    Parameters
    ----------
    folder : str
        From :meth:`palette.offline.DeltaTables.prepared`.
    keep : iterable of int
        Versions.
    hours : float
        Files that are younger are left: a preparation may be writing them.
    """
    kept, used = set(keep), set()
    for kind, number in _recorded(folder):
        if number in kept:
            history = _load(folder, kind, number)
            used |= {path for paths in history.runs.values() for path in paths} if history else set()
        else:
            os.unlink(_record(folder, kind, number))
    before = time.time() - hours * 3600
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if not RECORD.fullmatch(name) and path not in used:
            with suppress(FileNotFoundError):
                if os.stat(path).st_mtime <= before:
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def _is_complete(history: PreparedHistory) -> bool:
    return all(os.path.exists(path) for paths in history.runs.values() for path in paths)


def _kind(version: TableVersion, *, by_created: bool) -> str:
    """Return the name of what is prepared: equal where the rows of a version are sorted in the same way."""
    schema = version.schema
    parts = [FORMAT, version.identity, list(schema.keys.items()), schema.timestamp, schema.created, by_created]
    features = [(name, dtype) for name, dtype in schema.features.items() if name in version.columns]
    return hashlib.sha256(json.dumps([*parts, features]).encode()).hexdigest()[:16]


def _open(version: TableVersion, *, by_created: bool, hot_rows: int) -> PreparedHistory:
    folder, kind = version.tables.prepared(version.schema.group), _kind(version, by_created=by_created)
    if (history := _load(folder, kind, version.number)) is not None:
        return history
    folder = _writable(folder) if is_reachable(version) else temporary_folder()
    layout = Layout(version.schema, version.columns, by_created=by_created, folder=folder)
    history = _extend(version, layout, folder, kind)
    if history is None:
        LOG.info("%s: preparing version %d", version.schema.name, version.number)
        source = open_source(version, layout)
        parts = plan_parts(source.size)
        cuts = find_hot(source, hot_rows, parts) if layout.timed else {}
        history = prepare_parts(layout, source, PreparedHistory({}, parts, cuts))
    _save(folder, kind, version.number, history)
    return history


def _extend(version: TableVersion, layout: Layout, folder: str, kind: str) -> PreparedHistory | None:
    """Return the history of an older version with what was written since; None if there is none to extend.

    A history that has outgrown its parts is not extended: it is prepared again with more.
    """
    if version.files is None:
        return None
    older = (number for own, number in _recorded(folder) if own == kind)
    table = version.tables.path(version.schema.group)
    for number in sorted((number for number in older if number < version.number), reverse=True):
        base = _load(folder, kind, number)
        if base is None:
            continue
        if base.size > GROWTH * base.parts * partitions.PART_BYTES:
            return None
        try:
            added, removed = changed_files(table, number, version.number)
        except Unreadable:
            return None
        LOG.info("%s: extending the prepared version %d to %d", version.schema.name, number, version.number)
        if removed:
            affected = _affected(version, layout, base, [*added, *removed])
            if affected is None:
                return None
            return prepare_parts(layout, open_source(version, layout), base, affected)
        if added:
            base = prepare_parts(layout, FileSource(version, layout, added), base)
        return merge_runs(version.spark, layout, base, MAX_RUNS)
    return None


def _affected(version: TableVersion, layout: Layout, base: PreparedHistory, files: list[str]) -> list[int] | None:
    """Return the parts that rows of some files belong to; None if they are most, or a file does not exist any more."""
    if not all(map(os.path.exists, files)):
        return None
    numbers = FileSource(version, layout, files).parts(base)
    for first, at in base.cuts.values():
        slices = range(first, first + len(at) + 1)
        if not numbers.isdisjoint(slices):
            numbers.update(slices)
    return None if len(numbers) > (base.parts + base.slices) / 2 else sorted(numbers)


def _writable(folder: str) -> str:
    """Return a folder in which this process can write: that of the process where the other one is not writable."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return temporary_folder()


def _load(folder: str, kind: str, number: int) -> PreparedHistory | None:
    try:
        with open(_record(folder, kind, number), encoding="utf-8") as file:
            record = json.load(file)
    except FileNotFoundError:
        return None
    history = PreparedHistory.from_json(record)
    runs = {part: [os.path.join(folder, name) for name in names] for part, names in history.runs.items()}
    history = replace(history, runs=runs)
    return history if _is_complete(history) else None


def _save(folder: str, kind: str, number: int, history: PreparedHistory) -> None:
    runs = {part: [os.path.basename(path) for path in paths] for part, paths in history.runs.items()}
    record = replace(history, runs=runs).to_json()
    handle, path = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(path, _record(folder, kind, number))


def _record(folder: str, kind: str, number: int) -> str:
    return os.path.join(folder, f"{kind}-{number:020}.json")
