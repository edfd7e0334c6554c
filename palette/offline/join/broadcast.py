"""The plan for small histories: they travel to the rows, and the basis is not shuffled.

Each history becomes a file of sorted arrays (:mod:`palette.offline.join.arrays`), prepared once per table version.
Workers map it and answer by binary search (:mod:`palette.offline.join.worker`), in one Arrow function for all look-ups,
which receives nothing but keys and time.

The files lie in the driver's temporary directory until its process ends, and are not deleted before: a DataFrame made
with them may be executed at any time, and Python does not learn when Spark has forgotten it. What cleans that directory
may remove them: the next join prepares them again, under the same names. A process takes as much disk as all the
histories that it let travel: one for each version, point in time and set of features, each within the limit that the
planner sets. A process that lives long and joins ever new versions needs ``TMPDIR`` on a large disk.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.cloudpickle.cloudpickle import register_pickle_by_value
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from palette.offline.join import worker
from palette.offline.join.prepare import prepare
from palette.offline.join.request import Answer, status_of, ttl_of
from palette.offline.times import spark_type

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import Question

__all__ = ["TRAVELLED", "answers", "travel"]

TRAVELLED = "__palette_travelled"
_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()

register_pickle_by_value(worker)


def travel(question: Question, lookups: Sequence[Lookup], keys: Sequence[Column], time: Column) -> Column:
    """Return the column ``TRAVELLED``, a struct of all that the look-ups find.

    Parameters
    ----------
    keys, time
        All key columns and the time, as they are called where this column is added.
    """
    files = _send(question.spark, prepare(question, lookups))
    orders = [
        {
            "path": file,
            "keys": question.key_places(lookup),
            "columns": list(lookup.columns.values()),
            "ttl": ttl_of(lookup.group),
            "status": question.status,
        }
        for lookup, file in zip(lookups, files, strict=True)
    ]

    def answer(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        return worker.answer(batches, orders)

    types = [dtype for lookup in lookups for dtype in _types(lookup, status=question.status)]
    fields = ", ".join(f"c{place}: {spark_type(dtype)}" for place, dtype in enumerate(types))
    return F.arrow_udf(answer, f"struct<{fields}>")(*keys, time).alias(TRAVELLED)


def answers(question: Question, lookups: Sequence[Lookup]) -> Mapping[str, Answer]:
    """Return what each new column takes from ``TRAVELLED``."""
    found = {}
    place = 0
    for lookup in lookups:
        state = F.col(TRAVELLED).getField(f"c{place + len(lookup.columns)}")
        for offset, column in enumerate(lookup.columns):
            value = F.col(TRAVELLED).getField(f"c{place + offset}")
            found[column] = Answer(value, status_of(state == worker.MISSING, state == worker.EXPIRED, value))
        place += len(_types(lookup, status=question.status))
    return found


def _types(lookup: Lookup, *, status: bool) -> list[str]:
    types = [lookup.group.feature(feature).dtype for feature in lookup.columns.values()]
    return [*types, "tinyint"] if status else types


def _send(spark: SparkSession, paths: Sequence[str]) -> list[str]:
    """Make files known to the workers, and return how these call them: by path if they share the driver's disk."""
    if not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local":
        return list(paths)
    sent = _sent.setdefault(spark, set())
    for path in paths:
        if path not in sent:
            spark.addArtifacts(path, file=True)
            sent.add(path)
    return [os.path.basename(path) for path in paths]
