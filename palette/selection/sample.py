"""The rows with a label, and a sample of them that bins are fitted on.

Which rows the sample has depends on their contents, not on their order or partitions: it takes distinct rows by a hash,
each with the number of rows that it stands for. It is joined by itself, so that fitting costs no join of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError, SchemaError
from palette.offline.join.join import point_in_time_join
from palette.offline.times import micros
from palette.selection.request import LABEL, LONGEST, Asked, is_text, numeric, value

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from palette.offline.join.lookup import Lookup

__all__ = ["WEIGHT", "Labelled", "cluster", "earlier", "known", "labelled", "take_sample"]

WEIGHT = "__palette_weight"
ORDER = "__palette_order"
TIME = "__palette_time"
# How many rows a sample has, and how many values at most.
ROWS, VALUES = 50_000, 20_000_000
HASHES = 1 << 40
# Numbers of more distinct values than this are a quantity, not classes.
CLASSES = 20


@dataclass(frozen=True)
class Labelled:
    """The rows with a label.

    Parameters
    ----------
    rows : DataFrame
        As :class:`Asked` has them; the label is a double, or of classes a text.
    count, nulls : int
        How many have a label, and how many have none.
    distinct : int
        About how many distinct ones there are.
    task : {"classification", "regression"}
        What the label is.
    last : int or None
        The latest time of a row, in microseconds.
    """

    rows: DataFrame
    count: int
    nulls: int
    distinct: int
    task: str
    last: int | None


def labelled(asked: Asked, label: str, task: str) -> Labelled:
    """Return the rows with a label; one pass, without a join.

    Raises
    ------
    DataError
        If there are none, or all have the same label.
    SchemaError
        If a label that is no number is to be a quantity.
    """
    rows, dtype = asked.rows, dict(asked.rows.dtypes)[LABEL]
    if task == "regression" and not numeric(dtype):
        raise SchemaError(f"label {label!r} is {dtype}, which is no quantity: cast it, or task='classification'")
    if is_text(dtype):
        rows = rows.withColumn(LABEL, F.left(LABEL, F.lit(LONGEST)))
    found = F.col(LABEL)
    present = found.isNotNull() & ~F.isnan(found) if dtype in ("float", "double") else found.isNotNull()
    rows = rows.withColumn(LABEL, F.when(present, found))
    time = asked.how["timestamp"]
    last = F.lit(None).cast("bigint") if time is None else micros(exact_column(time), rows.schema[time].dataType)
    facts = rows.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count(found).alias("labelled"),
        F.approx_count_distinct(found).alias("labels"),
        (F.min(found) == F.max(found)).alias("constant"),
        F.approx_count_distinct(_hash(rows)).alias("distinct"),
        F.max(last).alias("last"),
    ).collect()[0]
    if not facts["labelled"]:
        what = f"is null in all of {facts['rows']:,} rows" if facts["rows"] else "has no rows: the basis is empty"
        raise DataError(f"label {label!r} {what}")
    if facts["constant"]:
        raise DataError(f"label {label!r} is the same in all of {facts['labelled']:,} rows: there is nothing to tell")
    if task == "auto":
        task = "regression" if numeric(dtype) and facts["labels"] > CLASSES else "classification"
    rows = rows.filter(found.isNotNull()).withColumn(LABEL, found.cast("double" if task == "regression" else "string"))
    nulls = facts["rows"] - facts["labelled"]
    return Labelled(rows, facts["labelled"], nulls, facts["distinct"], task, facts["last"])


def take_sample(asked: Asked, label: Labelled) -> pa.Table:
    """Return label, weight and values of a sample of the rows, in an order that is always the same.

    Of each group, by its first column, :func:`cluster` tells which rows were looked up at the same row of its history.
    Where a group tells when its rows were written, there are also the values that had been written by the time of each
    row, :func:`earlier`, and of its first column, whether any had been, :func:`known`.
    """
    doubtful, found = _doubtful(asked), [_with_time(lookup) for lookup in asked.lookups]
    rows = label.rows
    wanted = min(ROWS, VALUES // (len(asked.variables) + sum(len(lookup.columns) for lookup in doubtful)))
    if label.distinct > wanted:
        rows = rows.filter(F.pmod(_hash(rows), F.lit(HASHES)) < int(wanted / label.distinct * HASHES))
    rows = rows.groupBy(*map(exact_column, rows.columns)).agg(F.count(F.lit(1)).cast("double").alias(WEIGHT))
    rows = asked.joined(rows.withColumn(ORDER, _hash(rows)), found)
    values = [value(one.column, one.dtype).alias(one.column) for one in asked.variables]
    for lookup in found:
        of = [exact_column(key) for key in lookup.join_keys]
        of += [exact_column(column) for column in lookup.columns if column.startswith(TIME)]
        values.append(F.xxhash64(*of).alias(cluster(next(iter(lookup.columns)))))
    if doubtful:
        dtypes = {earlier(one.column): one for one in asked.variables}
        rows = point_in_time_join(asked.tables, rows, doubtful, point_in_time="created", status=True, **asked.how)
        for lookup in doubtful:
            values += [value(column, dtypes[column].dtype).alias(column) for column in lookup.columns]
            first = next(iter(lookup.columns))
            values.append((F.col(f"{first}__status") != "missing").alias(known(dtypes[first].column)))
    return rows.select(ORDER, WEIGHT, LABEL, *values).toArrow().sort_by(ORDER)


def cluster(column: str) -> str:
    """Return what tells which rows were looked up at the same row of a group."""
    return f"{column}_cluster"


def earlier(column: str) -> str:
    """Return what the values of a column are called that were written by the time of each row."""
    return f"{column}_earlier"


def known(column: str) -> str:
    """Return what tells whether any row of a group had been written by the time of each row."""
    return f"{column}_known"


def _with_time(lookup: Lookup) -> Lookup:
    """Return a look-up that also tells the time of the row that it found."""
    group = lookup.group
    if (time := group.timestamp or group.created) is None:
        return lookup
    return replace(lookup, columns={**lookup.columns, TIME + lookup.reference("row"): time})


def _doubtful(asked: Asked) -> list[Lookup]:
    """Return look-ups of groups that tell when they were written, which the question does not ask for."""
    if asked.point_in_time == "created" or asked.how["timestamp"] is None:
        return []
    return [
        replace(lookup, columns={earlier(column): feature for column, feature in lookup.columns.items()})
        for lookup in asked.lookups
        if lookup.group.created is not None
    ]


def _hash(rows: DataFrame) -> Column:
    return F.xxhash64(*map(exact_column, rows.columns))
