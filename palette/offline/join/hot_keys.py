"""Hot keys: a key with very many rows is split by time, so that no task sorts all of them.

Hot keys follow from the history alone, and are prepared once per table version; the basis is never executed. The times
of a hot key are split at quantiles. The row that is known at the start of each later part is carried into it as one
more row, so the parts are independent of each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.cache import LRUCache
from palette.offline.point_in_time import EFFECTIVE, ROW

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["HOT_ROWS", "PART", "HotKeys", "hot_keys", "known_hot_keys", "part_number", "with_cuts"]

HOT_ROWS = 1_000_000
# The list of cuts is searched for each row: more parts than this would make it too long.
MAX_PARTS = 256
PART = "__palette_part"
CUTS = "__palette_cuts"


@dataclass(frozen=True)
class HotKeys:
    """Times at which each hot key is split, and the rows that are carried into each part.

    Parameters
    ----------
    cuts : pa.Table
        Keys, and the ascending first times of all parts but the first.
    carried : list of pa.Table
        For each history: keys, part, row.
    """

    cuts: pa.Table
    carried: list[pa.Table]


known_hot_keys: LRUCache[HotKeys | None] = LRUCache(limit=64)


def with_cuts(rows: DataFrame, keys: Sequence[str], cuts: pa.Table) -> DataFrame:
    """Add the list of cuts to rows of hot keys, null to other rows."""
    return rows.join(F.broadcast(rows.sparkSession.createDataFrame(cuts)), list(keys), "left")


def part_number(time: Column) -> Column:
    """Return the part that a time falls into; the first for null times, and for keys that are not hot."""
    return F.coalesce(F.size(F.filter(F.col(CUTS), lambda cut: cut <= time)), F.lit(0)).cast("bigint")


def hot_keys(
    spark: SparkSession, content: Hashable, keys: Sequence[str], histories: Mapping[str, DataFrame], limit: int
) -> HotKeys | None:
    """Return the hot keys of the histories of a join key; None if there are none.

    Parameters
    ----------
    content : hashable
        Equal for histories of equal rows: the hot keys are worked out once for each.
    keys : sequence of str
        Their key columns.
    limit : int
        The rows, over all histories, beyond which a key is hot.
    """
    return known_hot_keys.get((content, *keys, limit), lambda: _prepare(spark, keys, list(histories.values()), limit))


def _prepare(spark: SparkSession, keys: Sequence[str], histories: Sequence[DataFrame], limit: int) -> HotKeys | None:
    times = histories[0].select(*keys, EFFECTIVE)
    for history in histories[1:]:
        times = times.unionByName(history.select(*keys, EFFECTIVE))
    counts = times.groupBy(*keys).agg(F.count(F.lit(1)).alias("n")).filter(F.col("n") > limit).toArrow()
    if not counts.num_rows:
        return None
    parts = min(MAX_PARTS, -(-max(counts.column("n").to_pylist()) // limit))
    hot = F.broadcast(spark.createDataFrame(counts.select(list(keys))))
    fractions = [part / parts for part in range(1, parts)]
    cuts = times.join(hot, list(keys)).groupBy(*keys).agg(F.percentile_approx(EFFECTIVE, fractions).alias(CUTS))
    # A time that many rows share can be several of the quantiles.
    cuts = cuts.select(*keys, F.array_distinct(CUTS).alias(CUTS)).filter(F.col(CUTS).isNotNull())
    table = cuts.toArrow()
    return HotKeys(table, [_carry_forward(with_cuts(history, keys, table), keys) for history in histories])


def _carry_forward(history: DataFrame, keys: Sequence[str]) -> pa.Table:
    """Return the rows that win at the start of each part of each hot key but the first."""
    last = F.size(CUTS).cast("bigint")
    own = history.filter(F.col(CUTS).isNotNull()).withColumn(PART, part_number(F.col(EFFECTIVE)))
    best = own.groupBy(*keys, CUTS, PART).agg(F.max(ROW).alias(ROW)).filter(F.col(PART) < last)
    later = best.withColumn(PART, F.explode(F.sequence(F.col(PART) + 1, last)))
    return later.groupBy(*keys, PART).agg(F.max(ROW).alias(ROW)).toArrow()
