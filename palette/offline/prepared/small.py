"""Small histories, prepared by the driver: one run for each table version, point in time and set of features."""

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

from palette.offline.cache import LRUCache
from palette.offline.join.histories import FileHistory, SparkHistory, TiedRows, open_history
from palette.offline.prepared.arrays import build_arrays
from palette.offline.prepared.run_files import write_run
from palette.offline.prepared.split import plain_key

if TYPE_CHECKING:
    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest

__all__ = ["prepare_small", "prepared_files", "temporary_folder"]

# Only paths are cached. The files stay until the process ends: a DataFrame made with them may be executed at any time.
prepared_files: LRUCache[str] = LRUCache(limit=512)


def prepare_small(request: JoinRequest, lookups: Sequence[Lookup]) -> list[str]:
    """Return for each look-up the file of a run, prepared now or earlier."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda lookup: _file(request, lookup), lookups))


def _file(request: JoinRequest, lookup: Lookup) -> str:
    features = sorted(set(lookup.columns.values()))
    key = (*request.content_key(lookup), *features)
    # A cleaner of the temporary directory may have removed it. Prepared again it has the same name.
    return prepared_files.get(key, lambda: _prepare(request, lookup, features), os.path.exists)


def _prepare(request: JoinRequest, lookup: Lookup, features: Sequence[str]) -> str:
    version = request.version(lookup)
    version.require(features)
    history = open_history(version)
    try:
        return _write(request, lookup, features, history)
    except TiedRows:
        assert isinstance(history, SparkHistory)
        return _write(request, lookup, features, history.resolve_ties())


def _write(request: JoinRequest, lookup: Lookup, features: Sequence[str], history: FileHistory | SparkHistory) -> str:
    schema, by_created = lookup.schema, request.point_in_time == "created"
    table = history.read(list(dict.fromkeys([*schema.identity(), *features])))
    required = schema.identity(with_created=by_created)
    masks = [pc.is_valid(table.column(name)) for name in required if table.column(name).null_count]
    usable = functools.reduce(pc.and_, masks) if masks else None

    def column(source: pa.Table, name: str) -> pa.Array:
        values = source.column(name)
        return (values if usable is None else values.filter(usable)).combine_chunks()

    def tie_breakers() -> Iterable[pa.Array]:
        for name in schema.features:
            if name in history.types:
                yield column(table if name in features else history.read_column(name), name)

    event = None if schema.timestamp is None else column(table, schema.timestamp).cast(pa.int64()).to_numpy()
    created = None if schema.created is None else column(table, schema.created).cast(pa.int64())
    keys = [plain_key(column(table, name)) for name in schema.keys]
    arrays = build_arrays(keys, event, created, tie_breakers, by_created=by_created)
    ages = event if schema.ttl_micros is not None and by_created else None
    return write_run(arrays, {name: column(table, name) for name in features}, temporary_folder(), event=ages)


def temporary_folder() -> str:
    """Return this process's folder for what it prepares; it is removed when the process ends."""
    folder = _folder()
    # A cleaner may have removed it.
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


@functools.cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="palette-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
