"""The plan for large histories: basis and histories meet in one shuffle per join key.

Basis rows and the rows of all feature groups of a join key are put one under the other and sorted by key and time, in
one window; a running ``max`` of each group's rows is what is known at each basis row. Nothing is multiplied out, and
Spark spills what does not fit. The basis travels packed in one column, so that whatever it holds comes out as it went
in: an array of one struct, since the elements of an array keep their nullability where a struct would lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.offline.history import EFFECTIVE, ROW

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


def meet(frame: DataFrame, keys: Sequence[str], histories: Mapping[str, DataFrame]) -> DataFrame:
    """Add to a packed basis one column for each history: the row that is known at the basis row, or null.

    Parameters
    ----------
    frame : DataFrame
        From :func:`pack`.
    keys : sequence of str
        Its columns that hold this join key.
    histories : mapping of str to DataFrame
        New column to history (see :func:`palette.offline.history.visible`), with the same key columns.
    """
    no_key = F.lit(False)
    for key in keys:
        no_key |= F.col(key).isNull()
    part = "__palette_part"
    together = frame.withColumns(
        {EFFECTIVE: F.col(TIME), SIDE: F.lit(1), part: F.when(no_key, F.col(SPREAD)).otherwise(F.lit(0))}
    )
    for column, history in histories.items():
        rows = history.withColumns({SIDE: F.lit(0), part: F.lit(0).cast("bigint")}).withColumnRenamed(ROW, column)
        together = together.unionByName(rows, allowMissingColumns=True)
    # A null time sorts before all others, so it sees just the rows that are valid always.
    order = [F.col(EFFECTIVE).asc_nulls_first(), F.col(SIDE)]
    window = Window.partitionBy(*keys, part).orderBy(*order).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    known = together.withColumns({column: F.max(column).over(window) for column in histories})
    return known.filter(F.col(SIDE) == 1).drop(EFFECTIVE, SIDE, part)


def unpack(frame: DataFrame, outputs: Sequence[Column]) -> DataFrame:
    """Return the basis as it was, and the outputs."""
    return frame.select(F.inline(BASIS), *outputs)
