"""Large histories, prepared by Spark: parts by hash of the key, each sorted in one task.

Tasks read the rows and split them by part (:mod:`palette.offline.prepared.split`), Spark shuffles what they return, and
other tasks sort the parts. A key with very many rows is cut by time into slices, so that no task sorts all of them; the
row that is known at the beginning of each slice is carried into it, so that a look-up reads one slice only. What is hot
is a hash: keys that share it are cut alike, and both sides of a join know it without comparing keys.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from palette.offline import objects
from palette.offline.prepared import folders, in_tasks
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.layout import EFFECTIVE, HASH, Layout
from palette.offline.prepared.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from palette.offline.prepared.sources import Source

__all__ = ["HOT_ROWS", "PART_BYTES", "part_of", "prepare_parts", "slice_column"]

# Bytes of the values of a part: a task sorts one in a few times this memory.
PART_BYTES = 1 << 25
MAX_PARTS = 1 << 15
# Tasks in which the parts are sorted, if there are as many parts.
MIN_TASKS = 8
# Rows of a key from which on it is cut by time.
HOT_ROWS = 1_000_000
MAX_SLICES = 256
# The hottest: those that are cut are looked for in each row.
MAX_HOT = 64
# Rows from which hot keys and their times are estimated.
SAMPLE = 200_000


def part_of(hashes: Column, parts: int) -> Column:
    """Return the part of a hash: its first bits, so that rows in the order of hashes are in that of the parts."""
    return F.shiftrightunsigned(hashes, 65 - parts.bit_length()).cast("int") if parts > 1 else F.lit(0)


def slice_column(hashes: Column, time: Column, cuts: Mapping[int, Sequence[int]]) -> Column:
    """Return the number of cuts of a hash that are not after a time; null where it is not cut."""
    lists = ", ".join(f"{hot}L, array({', '.join(f'{at}L' for at in times)})" for hot, times in cuts.items())
    own = F.expr(f"map({lists})")[hashes]
    return F.size(F.filter(own, lambda cut: cut <= time))


def prepare_parts(
    layout: Layout, source: Source, base: PreparedHistory, only: Sequence[int] | None = None
) -> PreparedHistory:
    """Return a history with the runs of some rows in addition to those of another.

    Parameters
    ----------
    source : Source
        The rows.
    base : PreparedHistory
        Its parts and cuts stay; without runs where the history is prepared for the first time.
    only : sequence of int, optional
        Parts that are prepared again: their runs are replaced, and the rows of others are left out.
    """
    shape = layout.shape

    def write(batches: Any) -> Any:
        return in_tasks.write_parts(batches, shape)

    local = temporary_folder() if objects.is_object(shape["folder"]) else shape["folder"]
    with tempfile.TemporaryDirectory(prefix=folders.UNFINISHED, dir=local) as files:
        messages = source.messages(base, only, files)
        # Few rows of many parts are sorted in few tasks.
        tasks = min(base.parts + base.slices, max(MIN_TASKS, 2 * -(-source.size // PART_BYTES)))
        spread = messages.repartitionById(tasks, (F.col("part") % tasks).cast("int"))
        written = spread.mapInArrow(write, in_tasks.WRITTEN).toArrow()
    replaced = set() if only is None else set(only)
    runs = {number: list(paths) for number, paths in base.runs.items() if number not in replaced}
    # Runs are of about one size: what is replaced does not count any more.
    kept = base.size * _count(runs) // max(1, _count(base.runs))
    new: dict[int, list[str]] = {}
    for number, path in zip(written.column("part").to_pylist(), written.column("path").to_pylist(), strict=True):
        new.setdefault(number, []).append(path)
    for first, at in base.cuts.values():
        slices = [new.get(number, []) for number in range(first, first + len(at) + 1)]
        if any(slices):
            for number, carried in enumerate(in_tasks.carry_forward(slices, shape)):
                if carried is not None:
                    new.setdefault(first + number, []).append(carried)
    for number, paths in new.items():
        runs.setdefault(number, []).extend(paths)
    return PreparedHistory(runs, base.parts, base.cuts, kept + sum(written.column("size").to_pylist()))


def _count(runs: Mapping[int, Sequence[str]]) -> int:
    return sum(map(len, runs.values()))


def plan_parts(size: int) -> int:
    """Return the number of parts for a history of some bytes."""
    return min(MAX_PARTS, 1 << max(0, (max(1, size) - 1) // PART_BYTES).bit_length())


def find_hot(source: Source, hot_rows: int, parts: int) -> dict[int, tuple[int, list[int]]]:
    """Return where hot hashes are cut: estimated from a sample, exactly where the rows are few.

    Parameters
    ----------
    source : Source
        The rows.
    hot_rows : int
        The rows of a hash from which on it is cut.
    parts : int
        The number of other parts.
    """
    if source.rows <= hot_rows:
        return {}
    fraction = min(1.0, SAMPLE / source.rows)
    table = source.sample(fraction)
    hashes, times = (table.column(name).to_numpy() for name in (HASH, EFFECTIVE))
    cuts, first = {}, parts
    distinct, counts = np.unique(hashes, return_counts=True)
    hottest = np.argsort(-counts, kind="stable")[:MAX_HOT]
    for hot, number in zip(distinct[hottest].tolist(), counts[hottest].tolist(), strict=True):
        if number / fraction <= hot_rows:
            break
        slices = min(MAX_SLICES, -(-int(number / fraction) // hot_rows) * 2)
        own = np.sort(times[hashes == hot])
        # A time that many rows share can be several of the quantiles.
        at = np.unique(own[[len(own) * step // slices for step in range(1, slices)]]).tolist()
        cuts[hot] = (first, at)
        first += 1 + len(at)
    return cuts


def merge_runs(spark: SparkSession, layout: Layout, history: PreparedHistory, limit: int) -> PreparedHistory:
    """Return a history in which the parts with more than ``limit`` runs have one."""
    many = {part: paths for part, paths in history.runs.items() if len(paths) > limit}
    if not many:
        return history
    shape = layout.shape

    def merge(batches: Any) -> Any:
        return in_tasks.merge_parts(batches, many, shape)

    numbers = spark.createDataFrame(pa.table({"part": pa.array(sorted(many), pa.int64())}))
    tasks = min(len(many), 4096)
    written = numbers.repartition(tasks, "part").mapInArrow(merge, in_tasks.WRITTEN).toArrow()
    merged = dict(zip(written.column("part").to_pylist(), written.column("path").to_pylist(), strict=True))
    runs = {part: [merged[part]] if part in merged else paths for part, paths in history.runs.items()}
    return replace(history, runs=runs)
