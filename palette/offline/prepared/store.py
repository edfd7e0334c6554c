"""Prepared histories beside their tables: found again by other sessions, extended when the table grows.

The folder ``<table>.sorted`` has the runs, named by their content, and a record for each version that was prepared. It
is on a disk or in an object store, as the table (:mod:`palette.offline.prepared.folders`). A record is written when all
its runs are there, so a preparation that was killed leaves nothing that looks whole; what it left is removed by
``vacuum``. Two sessions that prepare at once write files of the same names, or other ones: the record that is written
last is used, and each is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from palette.errors import DataError
from palette.offline.cache import LRUCache
from palette.offline.delta.external_tables import METASTORE
from palette.offline.delta.log_reader import Unreadable, changed_files, commit_info, newest_version
from palette.offline.local_mode import is_local
from palette.offline.objects import is_object, missing_files
from palette.offline.prepared import folders, partitions
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.layout import Layout
from palette.offline.prepared.partitions import (
    HOT_ROWS,
    find_hot,
    merge_runs,
    plan_parts,
    prepare_parts,
)
from palette.offline.prepared.sources import FileSource, open_source
from palette.offline.prepared.temporary_folder import temporary_folder
from palette.paths import has_scheme

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup
    from palette.offline.delta.tables import DeltaTables
    from palette.offline.delta.version import TableVersion

__all__ = [
    "check_removable",
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
    folder, kind = version.tables.prepared(version.schema.group), _kind(version, by_created=by_created)
    return _load(folder, kind, version.number, folders.entries(folder) if is_reachable(version) else {})


def is_reachable(version: TableVersion) -> bool:
    """Return whether drivers and workers have a path to the files of a table: then to what is prepared as well."""
    root, path = version.tables.root, version.tables.path(version.schema.group)
    if not is_object(root) and (has_scheme(root) or root.startswith((METASTORE, "dbfs:"))):
        return False
    # Workers that reach a table of others in an object store need not reach the directory of this store.
    if is_object(path) and not is_object(root) and not is_local(version.spark):
        return False
    return version.files is not None or newest_version(path) is not None


def vacuum_prepared(tables: DeltaTables, group: FeatureGroup, pins: Iterable[int], hours: float) -> None:
    """Remove what was prepared of versions that are not pinned, and were superseded before the last hours."""
    folder, before = tables.prepared(group), (time.time() - hours * 3600) * 1000
    keep, newest = set(pins), dict[str, int]()
    try:
        present = folders.entries(folder)
    except OSError as error:
        LOG.warning("%s: what is prepared of it was not vacuumed: %s", group.full_name, error)
        return
    for kind, number in _recorded(present):
        # Commits without rows, as of VACUUM itself, supersede nothing.
        newest[kind] = max(number, newest.get(kind, number))
        with suppress(Unreadable):
            if commit_info(tables.path(group), number + 1).get("timestamp", 0) > before:
                keep.add(number)
    remove_prepared(folder, keep | set(newest.values()), hours=hours)


def _recorded(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return kind and version of each record among the names in a folder."""
    return [(match[1], int(match[2])) for name in names if (match := RECORD.fullmatch(name))]


def check_removable(tables: DeltaTables, group: FeatureGroup) -> None:
    """Raise :class:`DataError` if this process cannot see what is prepared of a table, and so could not erase it."""
    try:
        folders.entries(tables.prepared(group))
    except OSError as error:
        raise DataError(
            f"{group.full_name}: what is prepared of it cannot be erased: {error}; then erase again, nothing was erased"
        ) from error


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
    kept, used, superseded = set(keep), set[str](), list[str]()
    present = folders.entries(folder)
    for kind, number in _recorded(present):
        if number not in kept:
            superseded.append(_record(folder, kind, number))
        elif history := _load(folder, kind, number, present):
            used |= history.names
    # The records first: none may refer to a run that is removed.
    folders.remove(superseded)
    # The clock of an object store may be ahead of this one.
    before = time.time() - hours * 3600 if hours else math.inf
    unused = [name for name in present if not RECORD.fullmatch(name) and name not in used]
    folders.remove(os.path.join(folder, name) for name in unused if present[name] <= before)


def _is_complete(history: PreparedHistory) -> bool:
    """Return whether all runs exist: one listing of their folder is cheaper than a question for each."""
    paths = [path for paths in history.runs.values() for path in paths]
    try:
        return not paths or history.names <= folders.entries(os.path.dirname(paths[0])).keys()
    except OSError:
        # The object store is not reached any more.
        return False


def _kind(version: TableVersion, *, by_created: bool) -> str:
    """Return the name of what is prepared: equal where the rows of a version are sorted in the same way."""
    schema = version.schema
    parts = [FORMAT, version.identity, list(schema.keys.items()), schema.timestamp, schema.created, by_created]
    features = [(name, dtype) for name, dtype in schema.features.items() if name in version.columns]
    return hashlib.sha256(json.dumps([*parts, features]).encode()).hexdigest()[:16]


def _open(version: TableVersion, *, by_created: bool, hot_rows: int) -> PreparedHistory:
    folder, kind = version.tables.prepared(version.schema.group), _kind(version, by_created=by_created)
    reachable = is_reachable(version)
    present = folders.entries(folder) if reachable else {}
    if (history := _load(folder, kind, version.number, present)) is not None:
        return history
    if not (reachable and _is_writable(folder, version)):
        folder = temporary_folder()
        present = folders.entries(folder)
    layout = Layout(version.schema, version.columns, by_created=by_created, folder=folder)
    history = _extend(version, layout, kind, present)
    if history is None:
        LOG.info("%s: preparing version %d", version.schema.name, version.number)
        source = open_source(version, layout)
        parts = plan_parts(source.size)
        cuts = find_hot(source, hot_rows, parts) if layout.timed else {}
        history = prepare_parts(layout, source, PreparedHistory({}, parts, cuts))
    _save(folder, kind, version.number, history)
    return history


def _extend(version: TableVersion, layout: Layout, kind: str, present: Mapping[str, float]) -> PreparedHistory | None:
    """Return the history of an older version with what was written since; None if there is none to extend.

    A history that has outgrown its parts is not extended: it is prepared again with more.
    """
    if version.files is None:
        return None
    older = (number for own, number in _recorded(present) if own == kind)
    folder, table = layout.shape["folder"], version.tables.path(version.schema.group)
    for number in sorted((number for number in older if number < version.number), reverse=True):
        base = _load(folder, kind, number, present)
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
    if missing_files(files):
        return None
    numbers = FileSource(version, layout, files).parts(base)
    for first, at in base.cuts.values():
        slices = range(first, first + len(at) + 1)
        if not numbers.isdisjoint(slices):
            numbers.update(slices)
    return None if len(numbers) > (base.parts + base.slices) / 2 else sorted(numbers)


def _is_writable(folder: str, version: TableVersion) -> bool:
    """Return whether this process can write in a folder."""
    try:
        folders.check_writable(folder)
    except OSError as error:
        # Elsewhere workers would not see the folder of this process.
        if is_object(folder) and not is_local(version.spark):
            raise DataError(
                f"{version.schema.name}: its history cannot be prepared: {error}; or read it with hint='shuffle'"
            ) from error
        LOG.info("%s: prepared for this process alone: %s", version.schema.name, error)
        return False
    return True


def _load(folder: str, kind: str, number: int, present: Mapping[str, float]) -> PreparedHistory | None:
    """Return a history whose record and runs are among the names in a folder."""
    path = _record(folder, kind, number)
    if os.path.basename(path) not in present:
        return None
    try:
        history = PreparedHistory.from_json(json.loads(folders.read(path)))
    except FileNotFoundError:
        return None
    if not history.names <= present.keys():
        return None
    runs = {part: [os.path.join(folder, name) for name in names] for part, names in history.runs.items()}
    return replace(history, runs=runs)


def _save(folder: str, kind: str, number: int, history: PreparedHistory) -> None:
    runs = {part: [os.path.basename(path) for path in paths] for part, paths in history.runs.items()}
    record = replace(history, runs=runs).to_json()
    folders.write_text(json.dumps(record), folder, os.path.basename(_record(folder, kind, number)))


def _record(folder: str, kind: str, number: int) -> str:
    return os.path.join(folder, f"{kind}-{number:020}.json")
