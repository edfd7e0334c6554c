"""The plan for small histories: they are sent to the workers, and the basis is not shuffled.

The driver prepares each history once per table version (:mod:`palette.offline.prepared.small`). The files lie in its
temporary directory until its process ends, and are not deleted before: a DataFrame made with them may be executed at
any time, and Python does not learn when Spark has dropped it. A cleaner of that directory may remove them: the next
join prepares them again, under the same names. A process needs as much disk as all the histories that it has broadcast:
one for each version, point in time and set of features, each within the limit that the planner sets. A long-lived
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
    files = _send(request.spark, prepare_small(request, lookups))
    return [
        PreparedLookup(lookup, PreparedHistory({0: [file]}, hashed=False))
        for lookup, file in zip(lookups, files, strict=True)
    ]


def _send(spark: SparkSession, paths: Sequence[str]) -> list[str]:
    """Send files to the workers; return their names there, which are the paths if workers share the driver's disk."""
    if is_local(spark):
        return list(paths)
    sent = _sent.setdefault(spark, set())
    for path in paths:
        if path not in sent:
            spark.addArtifacts(path, file=True)
            sent.add(path)
    return [os.path.basename(path) for path in paths]
