"""The plan for large histories: sorted in parts once per table version, beside the table.

Workers map the files of the parts (:mod:`palette.offline.prepared`). Where they share the memory of one machine, and
the files fit into it, the basis stays where it is, and each batch of rows is looked up part by part. Elsewhere basis
rows go to the part of their key in one shuffle per join key, which all groups of that key share; they are not sorted.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.errors import ArgumentError
from palette.offline.join.request import spread_number
from palette.offline.join.search import PreparedLookup, hash_column
from palette.offline.local_mode import is_local
from palette.offline.prepared.partitions import part_of, slice_column
from palette.offline.prepared.store import is_reachable, open_prepared

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest
    from palette.offline.prepared.history import PreparedHistory

__all__ = ["meet", "partitioned", "shuffles_basis"]

# Share of the memory that files of one join may take, so that they stay there.
SHARE = 0.4


def partitioned(request: JoinRequest, lookups: Sequence[Lookup], hot_rows: int) -> list[PreparedLookup]:
    """Prepare the histories of look-ups, or find what was prepared."""
    by_created = request.point_in_time == "created"
    prepared = []
    for lookup in lookups:
        version = request.version(lookup)
        version.require(lookup.columns.values())
        if not (is_reachable(version) or is_local(request.spark)):
            reason = f" ({version.reason})" if version.reason else ""
            raise ArgumentError(
                f"{lookup.schema.name}: hint='partitioned' needs a table that this process and the workers open by a "
                f"path, and {version.table} is elsewhere{reason}: leave the hint out, or keep the store in S3 or where "
                "all mount it"
            )
        prepared.append(PreparedLookup(lookup, open_prepared(version, by_created=by_created, hot_rows=hot_rows)))
    return prepared


def shuffles_basis(spark: SparkSession, history: PreparedHistory) -> bool:
    """Return whether basis rows are sent to the parts of a history, instead of each task reading all of them.

    They stay where all workers share one machine, and the files can remain in its memory.
    """
    if history.parts == 1 and not history.cuts:
        return False
    return not is_local(spark) or history.size > SHARE * _memory()


def meet(
    request: JoinRequest, frame: DataFrame, sharing: Sequence[PreparedLookup], keys: Sequence[Column], time: Column
) -> DataFrame:
    """Return a frame whose rows are spread over tasks as the parts of the histories of one join key are.

    Parts are powers of two, so rows of one part of the finest history are rows of one part of each.
    """
    join_keys = sharing[0].lookup.join_keys
    parts = max(each.history.parts for each in sharing)
    hashes = hash_column(request, join_keys, keys)
    task = part_of(hashes, parts)
    # The slices of a hot key go to different tasks.
    cuts: dict[int, set[int]] = {}
    for each in sharing:
        for hot, (_, at) in each.history.cuts.items():
            cuts.setdefault(hot, set()).update(at)
    if cuts:
        slice_ = slice_column(hashes, time, {hot: sorted(at) for hot, at in cuts.items()})
        # At a null time a row is in the first slice.
        task = (task + F.coalesce(F.when(time.isNotNull(), slice_), F.lit(0))).bitwiseAND(F.lit(parts - 1))
    names = list(request.keys)
    null_key = functools.reduce(operator.or_, [keys[names.index(name)].isNull() for name in join_keys])
    # Rows without a key match nothing; all in one task they would be many.
    spread = spread_number(frame, parts).cast("int")
    return frame.repartitionById(parts, F.when(null_key, spread).otherwise(task))


@functools.cache
def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
