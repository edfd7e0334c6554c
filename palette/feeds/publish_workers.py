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

# What a task raised, in the traceback that Spark tells.
RAISED = re.compile(r"^[\w.]*(?:Error|Exception): .*", re.MULTILINE)
_sent: weakref.WeakSet[Any] = weakref.WeakSet()


def fill_online(online: OnlineStore, rows: DataFrame, schema: GroupSchema, *, replace: bool = False) -> int:
    """Put rows, one a key, into an online store; never an older one over a newer one, unless they are to replace all.

    Parameters
    ----------
    online : OnlineStore
        One with an ``opener`` (Redis) is opened and filled by each task; another one by this process, in batches.
    replace : bool
        Whether they take the place of newer rows and deletions as well; see :meth:`OnlineStore.replace`.

    Returns
    -------
    int
        How many rows took their place. A task that Spark repeats counts only what was left to do.

    Raises
    ------
    StoreError
        If a task could not fill it.
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
    filled = selected.mapInArrow(fill, "taken bigint, left_out bigint, fault string")
    try:
        taken, left_out, fault = filled.agg(F.sum("taken"), F.sum("left_out"), F.min("fault")).first()
    except PythonException as error:
        raised = RAISED.findall(str(error)) or ["a task failed"]
        raise StoreError(f"{schema.name}: {online!r} was not filled: {raised[-1]}") from error
    online.invalidate()
    warn_left_out(schema.name, [(left_out or 0, fault)])
    return int(taken or 0)


def _filler(
    opened: Callable[[Any], Any], entity: Entity, group: FeatureGroup, *, replace: bool = False
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what a task runs: it opens the store, and puts its batches as they come."""
    schema = GroupSchema(entity, group)

    def fill(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store, done = opened({group.full_name: (entity, group)}.__getitem__), []
        try:
            for batch in batches:
                held, number, fault = split_faults(batch)
                packed, name = pack_arrow(schema, held), schema.name
                count = store.replace(name, packed) if replace else store.put(name, packed, resolved=True)
                done.append((count, number, fault))
        finally:
            store.close()
        taken, left_out, faults = zip(*done, strict=True) if done else ((), (), ())
        fault = next((one for one in faults if one is not None), None)
        types = (pa.int64(), pa.int64(), pa.string())
        arrays = [
            pa.array([value], form) for value, form in zip((sum(taken), sum(left_out), fault), types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, ["taken", "left_out", "fault"])

    return fill


def retain_online(online: OnlineStore, rows: DataFrame, schema: GroupSchema) -> int:
    """Remove the online rows of keys that no row has; return how many are gone."""

    def keys() -> Iterator[Any]:
        for batch in arrow_batches(rows, schema):
            yield from pack_arrow_keys(schema.entity, batch)

    return online.retain(schema.name, keys())


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
