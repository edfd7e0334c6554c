"""The plan for small histories: they are sent to the workers, and the basis is not shuffled.

Each history becomes a file of sorted arrays (:mod:`palette.offline.join.arrays`), prepared once per table version.
Workers map it and look rows up by binary search (:mod:`palette.offline.join.worker`), in one Arrow function for all
look-ups, which receives nothing but keys and time.

The files lie in the driver's temporary directory until its process ends, and are not deleted before: a DataFrame made
with them may be executed at any time, and Python does not learn when Spark has dropped it. A cleaner of that directory
may remove them: the next join prepares them again, under the same names. A process needs as much disk as all the
histories that it has broadcast: one for each version, point in time and set of features, each within the limit that the
planner sets. A long-lived process that joins ever new versions needs ``TMPDIR`` on a large disk.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.cloudpickle.cloudpickle import register_pickle_by_value
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.utils import is_remote

from palette.offline.join import worker
from palette.offline.join.prepare import prepare
from palette.offline.join.request import OutputColumn, status_column
from palette.offline.times import data_type

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest

__all__ = ["BROADCAST", "broadcast", "outputs"]

BROADCAST = "__palette_broadcast"
_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()

register_pickle_by_value(worker)


def broadcast(request: JoinRequest, lookups: Sequence[Lookup], keys: Sequence[Column], time: Column) -> Column:
    """Return the column ``BROADCAST``, a struct of the values of all look-ups.

    Parameters
    ----------
    keys, time
        All key columns and the time, as they are named where this column is added.
    """
    files = _send(request.spark, prepare(request, lookups))
    orders = [
        {
            "path": file,
            "keys": request.key_indices(lookup),
            "columns": list(lookup.columns.values()),
            "ttl": lookup.schema.ttl_micros,
            "status": request.status,
        }
        for lookup, file in zip(lookups, files, strict=True)
    ]

    def look_up(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        return worker.look_up_batches(batches, orders)

    types = [dtype for lookup in lookups for dtype in _types(lookup, status=request.status)]
    fields = [T.StructField(f"c{index}", data_type(dtype)) for index, dtype in enumerate(types)]
    return F.arrow_udf(look_up, T.StructType(fields))(*keys, time).alias(BROADCAST)


def outputs(request: JoinRequest, lookups: Sequence[Lookup]) -> Mapping[str, OutputColumn]:
    """Return each output column as a field of ``BROADCAST``."""
    columns = {}
    index = 0
    struct = F.col(BROADCAST)
    for lookup in lookups:
        for offset, column in enumerate(lookup.columns):
            value = struct.getField(f"c{index + offset}")
            status = None
            if request.status:
                state = struct.getField(f"c{index + len(lookup.columns)}")
                status = status_column(state == worker.MISSING, state == worker.EXPIRED, value)
            columns[column] = OutputColumn(value, status)
        index += len(_types(lookup, status=request.status))
    return columns


def _types(lookup: Lookup, *, status: bool) -> list[str]:
    types = [lookup.group.feature(feature).dtype for feature in lookup.columns.values()]
    return [*types, "tinyint"] if status else types


def _send(spark: SparkSession, paths: Sequence[str]) -> list[str]:
    """Send files to the workers; return their names there, which are the paths if workers share the driver's disk."""
    if not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local":
        return list(paths)
    sent = _sent.setdefault(spark, set())
    for path in paths:
        if path not in sent:
            spark.addArtifacts(path, file=True)
            sent.add(path)
    return [os.path.basename(path) for path in paths]
