"""The plan for small histories: they travel to the rows, and the basis is not shuffled.

Each history becomes a file of sorted arrays (:mod:`palette.offline.arrays`), prepared once per table version. Workers
map it and answer by binary search (:mod:`palette.offline.worker`), in one Arrow function for all look-ups, which
receives nothing but keys and time.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.cloudpickle.cloudpickle import register_pickle_by_value
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from palette.offline import worker
from palette.offline.arrays import build_steps, write_steps
from palette.offline.reading import open_history

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from palette.definitions import Entity, FeatureGroup
    from palette.offline.tables import DeltaTables

__all__ = ["forget", "look_up", "prepare", "send"]

register_pickle_by_value(worker)

# Only paths are remembered. The files stay until the process ends: a DataFrame made with them may run at any time.
REMEMBERED = 512
_prepared: OrderedDict[tuple[Any, ...], str] = OrderedDict()
_lock = threading.Lock()
_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def prepare(
    spark: SparkSession,
    tables: DeltaTables,
    wanted: Sequence[tuple[Entity, FeatureGroup, int, tuple[str, ...]]],
    point_in_time: str,
) -> list[str]:
    """Return a file of sorted arrays for each (entity, group, version, features), prepared now or earlier."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda one: _prepared_file(spark, tables, *one, point_in_time), wanted))


def _prepared_file(
    spark: SparkSession,
    tables: DeltaTables,
    entity: Entity,
    group: FeatureGroup,
    version: int,
    features: tuple[str, ...],
    point_in_time: str,
) -> str:
    definition = (entity.model_dump_json(), group.model_dump_json())
    known = (tables.identifier(group), version, definition, features, point_in_time)
    with _lock:
        if known in _prepared:
            _prepared.move_to_end(known)
            return _prepared[known]
    path = _prepare(spark, tables, entity, group, version, features, point_in_time)
    with _lock:
        _prepared[known] = path
        while len(_prepared) > REMEMBERED:
            _prepared.popitem(last=False)
    return path


def _prepare(
    spark: SparkSession,
    tables: DeltaTables,
    entity: Entity,
    group: FeatureGroup,
    version: int,
    features: tuple[str, ...],
    point_in_time: str,
) -> str:
    history = open_history(spark, tables, entity, group, version)
    times = [name for name in (group.timestamp, group.created) if name is not None]
    table = history.read(list(dict.fromkeys([*entity.keys, *times, *features])))
    by_created = point_in_time == "created"
    required = [*entity.keys, group.timestamp, group.created if by_created else None]
    usable = functools.reduce(pc.and_, [pc.is_valid(table.column(name)) for name in required if name is not None])

    def column(source: pa.Table, name: str) -> pa.Array:
        return source.column(name).filter(usable).combine_chunks()

    def values() -> Iterable[pa.Array]:
        for feature in group.features:
            if feature.name in history.types:
                yield column(table if feature.name in features else history.read([feature.name]), feature.name)

    event = None if group.timestamp is None else column(table, group.timestamp).cast(pa.int64()).to_numpy()
    created = None if group.created is None else column(table, group.created).cast(pa.int64())
    keys = [_plain_key(column(table, name)) for name in entity.keys]
    steps = build_steps(keys, event, created, values, by_created=by_created)
    ages = event if group.ttl is not None and by_created else None
    return write_steps(steps, ages, {name: column(table, name) for name in features}, _folder())


def _plain_key(key: pa.Array) -> pa.Array:
    """Return a key column as it is compared, see :func:`palette.offline.history.key_columns`."""
    if pa.types.is_date(key.type):
        key = key.cast(pa.int32())
    return key.cast(pa.int64()) if pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type) else key


def forget() -> None:
    """Prepare all histories anew when they are asked for next."""
    with _lock:
        _prepared.clear()


@functools.cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="palette-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def send(spark: SparkSession, paths: Iterable[str]) -> None:
    """Give files to the workers, unless they share the driver's disk."""
    if not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local":
        return
    sent = _sent.setdefault(spark, set())
    for path in dict.fromkeys(paths):
        if path not in sent:
            spark.addArtifacts(path, file=True)
            sent.add(path)


def look_up(keys: Sequence[Column], time: Column, lookups: Sequence[dict[str, Any]], types: Sequence[str]) -> Column:
    """Return one struct column with the values of all look-ups, see :func:`palette.offline.worker.answer`."""

    def answer(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        return worker.answer(batches, list(lookups))

    fields = ", ".join(f"c{place}: {dtype}" for place, dtype in enumerate(types))
    return F.arrow_udf(answer, f"struct<{fields}>")(*keys, time)
