"""Writes to an online store: by Spark's workers if they can reach it, else by this process."""

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
from palette.definitions import GroupSchema
from palette.errors import StoreError
from palette.offline.arrow_export import arrow_batches, arrow_columns
from palette.offline.unsupported_values import split_faults, warn_left_out
from palette.online.snapshot.snapshot import pack_arrow, pack_arrow_keys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import Entity, FeatureGroup
    from palette.online import OnlineStore

__all__ = ["fill_online", "retain_online"]

# The error of a task, in the traceback that Spark reports.
RAISED = re.compile(r"^[\w.]*(?:Error|Exception): .*", re.MULTILINE)
_sent: weakref.WeakSet[Any] = weakref.WeakSet()


def fill_online(online: OnlineStore, rows: DataFrame, schema: GroupSchema, *, replace: bool = False) -> int:
    """Write rows, one a key, to an online store; an older row never replaces a newer one, unless ``replace``.

    Parameters
    ----------
    online : OnlineStore
        Each task opens and fills a store that has an ``opener`` (Redis); this process fills others, in batches.
    replace : bool
        Whether rows replace newer rows and tombstones as well; see :meth:`OnlineStore.replace`.

    Returns
    -------
    int
        How many rows were written. A task that Spark repeats counts only the remaining ones.

    Raises
    ------
    StoreError
        If a task fails.
    """
    entity, group, opener = schema.entity, schema.group, online.opener()
    if opener is None:
        layout = online.layout(schema.name)
        batches = (pack_arrow(schema, batch) for batch in arrow_batches(rows, schema))
        if replace:
            return sum(online.replace(schema.name, batch) for batch in batches)
        return sum(online.put_packed(layout, batch, resolved=True) for batch in batches)
    selected = rows.select(*arrow_columns(rows, schema))
    _ship(rows.sparkSession)
    fill = _filler(opener, entity, group, replace=replace)
    filled = selected.mapInArrow(fill, "written bigint, left_out bigint, fault string")
    try:
        written, left_out, fault = filled.agg(F.sum("written"), F.sum("left_out"), F.min("fault")).first()
    except PythonException as error:
        raised = RAISED.findall(str(error)) or ["a task failed"]
        raise StoreError(f"{schema.name}: {online!r} was not filled: {raised[-1]}") from error
    online.invalidate()
    warn_left_out(schema.name, [(left_out or 0, fault)])
    return int(written or 0)


def _filler(
    open_store: Callable[[Any], Any], entity: Entity, group: FeatureGroup, *, replace: bool = False
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function of a task: it opens the store, and writes its batches."""
    schema = GroupSchema(entity, group)

    def fill(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store, done = open_store({group.full_name: (entity, group)}.__getitem__), []
        try:
            for batch in batches:
                held, number, fault = split_faults(batch)
                packed, name = pack_arrow(schema, held), schema.name
                count = store.replace(name, packed) if replace else store.put(name, packed, resolved=True)
                done.append((count, number, fault))
        finally:
            store.close()
        written, left_out, faults = zip(*done, strict=True) if done else ((), (), ())
        fault = next((fault for fault in faults if fault is not None), None)
        types = (pa.int64(), pa.int64(), pa.string())
        arrays = [
            pa.array([value], form) for value, form in zip((sum(written), sum(left_out), fault), types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, ["written", "left_out", "fault"])

    return fill


def retain_online(online: OnlineStore, rows: DataFrame, schema: GroupSchema) -> int:
    """Delete the online rows of all other keys; return how many were deleted."""

    def keys() -> Iterator[Any]:
        for batch in arrow_batches(rows, schema):
            yield from pack_arrow_keys(schema.entity, batch)

    return online.retain(schema.name, keys())


def _ship(spark: SparkSession) -> None:
    """Send this library to remote workers, once a session."""
    local = not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local"
    if local or spark in _sent or not can_be_archived():
        return
    archive = Path(tempfile.mkdtemp(prefix="palette-workers-")) / "palette_workers.zip"
    # Workers may fetch it as long as the session exists.
    weakref.finalize(spark, shutil.rmtree, archive.parent, ignore_errors=True)
    write_archive(archive)
    spark.addArtifacts(str(archive), pyfile=True)
    _sent.add(spark)
