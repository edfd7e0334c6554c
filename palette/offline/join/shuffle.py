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

from palette.columns import exact_column
from palette.offline.delta.validate import require
from palette.offline.join.hot_keys import PART, HotKeys, hot_keys, mark, part_of
from palette.offline.join.request import Answer, status_of, ttl_of
from palette.offline.point_in_time import EFFECTIVE, ROW, key_column, visible

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import Question

__all__ = ["TIME", "answers", "pack", "shuffle", "unpack"]

BASIS = "__palette_basis"
TIME = "__palette_time"
SIDE = "__palette_side"
SPREAD = "__palette_spread"
# Basis rows without a key match nothing; they go to this many tasks instead of to one.
NULL_KEY_TASKS = 256
HASHABLE = (T.NumericType, T.StringType, T.BooleanType, T.TimestampType, T.TimestampNTZType, T.DateType, T.BinaryType)


def pack(question: Question) -> DataFrame:
    """Return the basis in one column, with its keys, its time, and a number that spreads rows without key."""
    basis = question.basis
    simple = [exact_column(field.name) for field in basis.schema if _hashable(field, basis)]
    spread = F.pmod(F.xxhash64(*simple), F.lit(NULL_KEY_TASKS)) if simple else F.lit(0).cast("bigint")
    packed = F.array(F.struct("*")).alias(BASIS)
    return basis.select(packed, *question.keys.values(), question.time.alias(TIME), spread.alias(SPREAD))


def _hashable(field: T.StructField, basis: DataFrame) -> bool:
    alone = sum(name.lower() == field.name.lower() for name in basis.columns) == 1
    return alone and "`" not in field.name and isinstance(field.dataType, HASHABLE)


def shuffle(question: Question, lookups: Sequence[Lookup], frame: DataFrame, hot_rows: int) -> DataFrame:
    """Add to a packed basis one column for each group: the row that is known at the basis row, or null.

    Parameters
    ----------
    frame : DataFrame
        From :func:`pack`, perhaps with further columns.
    hot_rows : int
        Rows of history beyond which a key is split by time.
    """
    for join_keys in dict.fromkeys(lookup.join_keys for lookup in lookups):
        sharing = {_slot(lookup): lookup for lookup in lookups if lookup.join_keys == join_keys}
        histories = {slot: _history(question, lookup) for slot, lookup in sharing.items()}
        keys = next(iter(histories.values())).columns[: len(join_keys)]
        content = tuple(question.content(lookup) for lookup in sharing.values())
        hot = hot_keys(question.spark, content, keys, histories, hot_rows)
        frame = _meet(frame, keys, histories, hot)
    return frame


def answers(lookups: Sequence[Lookup]) -> Mapping[str, Answer]:
    """Return what each new column takes from the rows that :func:`shuffle` found."""
    found = {}
    for lookup in lookups:
        row, ttl = exact_column(_slot(lookup)), ttl_of(lookup.group)
        expired = F.lit(False)
        if ttl is not None:
            expired = F.col(TIME) - F.unix_micros(row.getField(str(lookup.group.timestamp))) > ttl
        for column, feature in lookup.columns.items():
            value = row.getField(feature) if ttl is None else F.when(~expired, row.getField(feature))
            found[column] = Answer(value, status_of(row.isNull(), expired, value))
    return found


def _slot(lookup: Lookup) -> str:
    return f"__palette_{lookup.reference('row')}"


def _history(question: Question, lookup: Lookup) -> DataFrame:
    """Return the history of a look-up, its keys called as those of the basis."""
    table = question.tables.read(question.spark, lookup.entity, lookup.group, question.version(lookup))
    require(lookup.columns.values(), table.columns, lookup.group, question.version(lookup))
    history = visible(table, lookup.entity, lookup.group, question.point_in_time)
    places = enumerate(question.key_places(lookup))
    keys = [F.col(key_column(own)).alias(key_column(place)) for own, place in places]
    return history.select(*keys, EFFECTIVE, ROW)


def _meet(frame: DataFrame, keys: Sequence[str], histories: Mapping[str, DataFrame], hot: HotKeys | None) -> DataFrame:
    """Sort basis and histories of one join key together, and carry the winning rows along."""
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
    known = together.withColumns({column: F.max(exact_column(column)).over(window) for column in histories})
    return known.filter(F.col(SIDE) == 1).select(*(exact_column(name) for name in [*frame.columns, *histories]))


def unpack(frame: DataFrame, outputs: Sequence[Column]) -> DataFrame:
    """Return the basis as it was, and the outputs."""
    return frame.select(F.inline(BASIS), *outputs)
