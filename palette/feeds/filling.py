"""Rows into an online store: by the workers where it can be reached from them, else by this process."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.errors import PythonException
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from palette.archive import can_be_archived, write_archive
from palette.errors import StoreError
from palette.offline.newest import arrow_batches, columns_of
from palette.online.snapshot import packed_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import Entity, FeatureGroup

__all__ = ["fill_online"]

# What a task raised, in the traceback that Spark tells.
RAISED = re.compile(r"^[\w.]*(?:Error|Exception): .*", re.MULTILINE)
_sent: weakref.WeakSet[Any] = weakref.WeakSet()


def fill_online(online: Any, rows: DataFrame, entity: Entity, group: FeatureGroup) -> int:
    """Put rows, one a key, into an online store; never an older one over a newer one.

    Parameters
    ----------
    online : OnlineReader
        One with an ``opener`` (Redis) is opened and filled by each task; another one by this process, in batches.

    Returns
    -------
    int
        How many rows took their place. A task that Spark repeats counts only what was left to do.

    Raises
    ------
    StoreError
        If a task could not fill it.
    """
    store = getattr(online, "behind", online)
    if not hasattr(store, "opener"):
        table = online.table(group.full_name)
        batches = arrow_batches(rows, entity, group)
        return sum(table.put(packed_rows(entity, group, batch), settled=True) for batch in batches)
    wanted = rows.select(*columns_of(rows, entity, group))
    _ship(rows.sparkSession)
    filled = wanted.mapInArrow(_filler(store.opener(), entity, group), "taken bigint")
    try:
        taken = filled.agg(F.sum("taken")).first()[0]
    except PythonException as error:
        raised = RAISED.findall(str(error)) or ["a task failed"]
        raise StoreError(f"{group.full_name}: {store!r} was not filled: {raised[-1]}") from error
    if store is not online:
        online.clear()
    return int(taken or 0)


def _filler(
    opened: Callable[[Any], Any], entity: Entity, group: FeatureGroup
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what a task runs: it opens the store, and puts its batches as they come."""

    def fill(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = opened({group.full_name: (entity, group)}.__getitem__)
        try:
            taken = [store.put(group.full_name, packed_rows(entity, group, batch), settled=True) for batch in batches]
        finally:
            store.close()
        yield pa.RecordBatch.from_pydict({"taken": pa.array([sum(taken)], pa.int64())})

    return fill


def _ship(spark: SparkSession) -> None:
    """Send this library to workers that are elsewhere, once a session."""
    local = not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local"
    if local or spark in _sent or not can_be_archived():
        return
    place = Path(tempfile.mkdtemp(prefix="palette-workers-")) / "palette_workers.zip"
    # Workers may ask for it as long as the session is there.
    weakref.finalize(spark, shutil.rmtree, place.parent, ignore_errors=True)
    write_archive(place)
    spark.addArtifacts(str(place), pyfile=True)
    _sent.add(spark)
