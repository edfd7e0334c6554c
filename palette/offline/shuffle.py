"""The plan for large histories: basis and histories meet in one shuffle per join key.

Basis rows and the rows of all feature groups of a join key are put one under the other and sorted by key and time, in
one window; a running ``max`` of each group's rows is what is known at each basis row. Nothing is multiplied out, and
Spark spills what does not fit. The basis travels packed in one column, so that whatever it holds comes out as it went
in: an array of one struct, since the elements of an array keep their nullability where a struct would lose it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.offline.checks import quoted
from palette.offline.history import EFFECTIVE, ROW
from palette.offline.hot import PART, HotKeys, mark, part_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["BASIS", "TIME", "meet", "pack", "unpack"]

BASIS = "__palette_basis"
TIME = "__palette_time"
SIDE = "__palette_side"
SPREAD = "__palette_spread"
# Basis rows without a key match nothing; they go to this many tasks instead of to one.
NULL_KEY_TASKS = 256
HASHABLE = (T.NumericType, T.StringType, T.BooleanType, T.TimestampType, T.TimestampNTZType, T.DateType, T.BinaryType)


def pack(basis: DataFrame, keys: Sequence[Column], time: Column) -> DataFrame:
    """Return the basis in one column, with its keys, its time, and a number that spreads rows without key."""
    simple = [F.col(f"`{field.name}`") for field in basis.schema if _hashable(field, basis)]
    spread = F.pmod(F.xxhash64(*simple), F.lit(NULL_KEY_TASKS)) if simple else F.lit(0).cast("bigint")
    return basis.select(F.array(F.struct("*")).alias(BASIS), *keys, time.alias(TIME), spread.alias(SPREAD))


def _hashable(field: T.StructField, basis: DataFrame) -> bool:
    alone = sum(name.lower() == field.name.lower() for name in basis.columns) == 1
    return alone and "`" not in field.name and isinstance(field.dataType, HASHABLE)


def meet(frame: DataFrame, keys: Sequence[str], histories: Mapping[str, DataFrame], hot: HotKeys | None) -> DataFrame:
    """Add to a packed basis one column for each history: the row that is known at the basis row, or null.

    Parameters
    ----------
    frame : DataFrame
        From :func:`pack`.
    keys : sequence of str
        Its columns that hold this join key.
    histories : mapping of str to DataFrame
        New column to history (see :func:`palette.offline.history.visible`), with the same key columns.
    hot : HotKeys, optional
        How to split the keys that have very many rows.
    """
    together = frame.withColumns({EFFECTIVE: F.col(TIME), SIDE: F.lit(1)})
    for column, history in histories.items():
        rows = history.withColumn(SIDE, F.lit(0)).withColumnRenamed(ROW, column)
        together = together.unionByName(rows, allowMissingColumns=True)
    part = F.lit(0).cast("bigint")
    if hot is not None:
        together = mark(together, keys, hot.cuts)
        part = part_of(F.col(EFFECTIVE))
    no_key = functools.reduce(operator.or_, [F.col(key).isNull() for key in keys])
    together = together.withColumn(PART, F.when(no_key, F.col(SPREAD)).otherwise(part))
    for (column, history), carried in zip(histories.items(), hot.carried if hot else (), strict=False):
        first = frame.sparkSession.createDataFrame(carried)
        row = F.col(ROW).cast(history.schema[ROW].dataType).alias(column)
        together = together.unionByName(first.select(*keys, PART, row, F.lit(0).alias(SIDE)), allowMissingColumns=True)
    # A null time sorts before all others, so it sees just the rows that are valid always.
    order = [F.col(EFFECTIVE).asc_nulls_first(), F.col(SIDE)]
    window = Window.partitionBy(*keys, PART).orderBy(*order).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    known = together.withColumns({column: F.max(quoted(column)).over(window) for column in histories})
    return known.filter(F.col(SIDE) == 1).select(*(quoted(name) for name in [*frame.columns, *histories]))


def unpack(frame: DataFrame, outputs: Sequence[Column]) -> DataFrame:
    """Return the basis as it was, and the outputs."""
    return frame.select(F.inline(BASIS), *outputs)
