"""The plan for large histories: basis and histories meet in one shuffle per join key.

Basis rows and the rows of all feature groups of a join key are united and sorted by key and time, in one window; a
running ``max`` over each group's rows is what is known at each basis row. No pairs are multiplied out, and Spark spills
what does not fit. The basis is packed into one column, so that all its columns come out unchanged: an array of one
struct, since the elements of an array keep their nullability where a struct would lose it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.offline.join.hot_keys import PART, HotKeys, hot_keys, part_number, with_cuts
from palette.offline.join.request import OutputColumn, spread_number, status_column
from palette.offline.point_in_time import EFFECTIVE, ROW, key_column, visible

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest

__all__ = ["TIME", "outputs", "pack", "shuffle", "unpack"]

BASIS = "__palette_basis"
TIME = "__palette_time"
SIDE = "__palette_side"
SPREAD = "__palette_spread"
# Basis rows without a key match nothing; they are spread over this many tasks instead of one.
NULL_KEY_TASKS = 256


def pack(request: JoinRequest) -> DataFrame:
    """Return the basis in one column, with its keys, its time, and a number that spreads rows without a key."""
    basis = request.basis
    spread = spread_number(basis, NULL_KEY_TASKS)
    packed = F.array(F.struct("*")).alias(BASIS)
    return basis.select(packed, *request.keys.values(), request.time.alias(TIME), spread.alias(SPREAD))


def shuffle(request: JoinRequest, lookups: Sequence[Lookup], frame: DataFrame, hot_rows: int) -> DataFrame:
    """Add one column for each group to a packed basis: the row that is known at the basis row, or null.

    Parameters
    ----------
    frame : DataFrame
        From :func:`pack`, with any further columns.
    hot_rows : int
        Rows of history beyond which a key is split by time.
    """
    for join_keys in dict.fromkeys(lookup.join_keys for lookup in lookups):
        sharing = {_row_column(lookup): lookup for lookup in lookups if lookup.join_keys == join_keys}
        histories = {column: _history(request, lookup) for column, lookup in sharing.items()}
        keys = next(iter(histories.values())).columns[: len(join_keys)]
        content = tuple(request.content_key(lookup) for lookup in sharing.values())
        hot = hot_keys(request.spark, content, keys, histories, hot_rows)
        frame = _join_sorted(frame, keys, histories, hot)
    return frame


def outputs(request: JoinRequest, lookups: Sequence[Lookup]) -> Mapping[str, OutputColumn]:
    """Return each output column as a field of the rows that :func:`shuffle` adds."""
    columns = {}
    for lookup in lookups:
        row, ttl = exact_column(_row_column(lookup)), lookup.schema.ttl_micros
        expired = F.lit(False)
        if ttl is not None:
            # Ages are compared as numbers: an interval of days would follow the clock changes of the session's zone.
            expired = F.col(TIME) - F.unix_micros(row.getField(str(lookup.schema.timestamp))) > ttl
        for column, feature in lookup.columns.items():
            value = row.getField(feature) if ttl is None else F.when(~expired, row.getField(feature))
            status = status_column(row.isNull(), expired, value) if request.status else None
            columns[column] = OutputColumn(value, status)
    return columns


def _row_column(lookup: Lookup) -> str:
    return f"__palette_{lookup.reference('row')}"


def _history(request: JoinRequest, lookup: Lookup) -> DataFrame:
    """Return the history of a look-up, its keys named like those of the basis."""
    version = request.version(lookup)
    version.require(lookup.columns.values())
    history = visible(version.read(), lookup.schema, request.point_in_time)
    indices = enumerate(request.key_indices(lookup))
    keys = [F.col(key_column(own)).alias(key_column(index)) for own, index in indices]
    return history.select(*keys, EFFECTIVE, ROW)


def _join_sorted(
    frame: DataFrame, keys: Sequence[str], histories: Mapping[str, DataFrame], hot: HotKeys | None
) -> DataFrame:
    """Sort basis and histories of one join key together, and carry the winning rows forward."""
    union = frame.withColumns({EFFECTIVE: F.col(TIME), SIDE: F.lit(1)})
    for column, history in histories.items():
        rows = history.withColumn(SIDE, F.lit(0)).withColumnRenamed(ROW, column)
        union = union.unionByName(rows, allowMissingColumns=True)
    part = F.lit(0).cast("bigint")
    if hot is not None:
        union = with_cuts(union, keys, hot.cuts)
        part = part_number(F.col(EFFECTIVE))
    null_key = functools.reduce(operator.or_, [F.col(key).isNull() for key in keys])
    union = union.withColumn(PART, F.when(null_key, F.col(SPREAD)).otherwise(part))
    for (column, history), carried in zip(histories.items(), hot.carried if hot else (), strict=False):
        first = frame.sparkSession.createDataFrame(carried)
        row = F.col(ROW).cast(history.schema[ROW].dataType).alias(column)
        union = union.unionByName(first.select(*keys, PART, row, F.lit(0).alias(SIDE)), allowMissingColumns=True)
    # A null time sorts before all others, so it sees only the rows that are always valid.
    order = [F.col(EFFECTIVE).asc_nulls_first(), F.col(SIDE)]
    window = Window.partitionBy(*keys, PART).orderBy(*order).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    known = union.withColumns({column: F.max(exact_column(column)).over(window) for column in histories})
    return known.filter(F.col(SIDE) == 1).select(*(exact_column(name) for name in [*frame.columns, *histories]))


def unpack(frame: DataFrame, outputs: Sequence[Column]) -> DataFrame:
    """Return the unpacked basis and the output columns."""
    return frame.select(F.inline(BASIS), *outputs)
