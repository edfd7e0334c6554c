"""The plan for small histories: they are sent to the workers, and the basis is not shuffled.

The driver prepares each history once per table version (:mod:`palette.offline.prepared.small`). The files lie in its
temporary directory until its process ends, and are not deleted before: a DataFrame made with them may be executed at
any time, and Python does not learn when Spark has dropped it. A cleaner of that directory may remove them: the next
join prepares them again, under the same names. A process needs as much disk as all the histories that it has broadcast:
keys, times and features of each version and point in time, each within the limit that the planner sets. A long-lived
process that joins ever new versions needs ``TMPDIR`` on a large disk.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from palette.offline.join.search import PreparedLookup
from palette.offline.local_mode import is_local
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.small import prepare_small

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest

__all__ = ["broadcast"]

_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def broadcast(request: JoinRequest, lookups: Sequence[Lookup]) -> list[PreparedLookup]:
    """Prepare the histories of look-ups, and send them to the workers."""
    prepared = prepare_small(request, lookups)
    sent = _send(request.spark, [path for files in prepared for path in files])
    return [
        PreparedLookup(lookup, PreparedHistory({0: [sent[run]]}, hashed=False, beside=[sent[path] for path in beside]))
        for lookup, (run, *beside) in zip(lookups, prepared, strict=True)
    ]


def _send(spark: SparkSession, paths: Sequence[str]) -> dict[str, str]:
    """Send files to the workers; return their names there, which are the paths if workers share the driver's disk."""
    if is_local(spark):
        return {path: path for path in paths}
    sent = _sent.setdefault(spark, set())
    for path in paths:
        if path not in sent:
            spark.addArtifacts(path, file=True)
            sent.add(path)
    return {path: os.path.basename(path) for path in paths}
