"""Rows with a label, and a sample of them for fitting bins.

The sample depends on the contents of the rows, not on their order or partitions: it consists of distinct rows, chosen
by a hash, each with a weight, the number of rows that it represents. It is joined by itself, so that fitting costs no
join of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError, SchemaError
from palette.offline.join.join import point_in_time_join
from palette.offline.times import micros
from palette.selection.request import LABEL, LONGEST, SelectionRequest, binned_value, is_numeric, is_string

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from palette.offline.join.lookup import Lookup

__all__ = [
    "WEIGHT",
    "LabelledRows",
    "cluster_column",
    "draw_sample",
    "known_column",
    "select_labelled",
    "written_column",
]

WEIGHT = "__palette_weight"
ORDER = "__palette_order"
TIME = "__palette_time"
# Rows of a sample, and the maximum number of values.
ROWS, VALUES = 50_000, 20_000_000
HASHES = 1 << 40
# Labels with more distinct numbers than this are a quantity, not classes.
CLASSES = 20


@dataclass(frozen=True)
class LabelledRows:
    """The rows with a label.

    Parameters
    ----------
    rows : DataFrame
        Columns as in :class:`SelectionRequest`; the label is a double, or a string for classes.
    count, nulls : int
        Number of rows with a label, and of those without.
    distinct : int
        Approximate number of distinct rows.
    task : {"classification", "regression"}
        Kind of the label.
    last : int or None
        The latest time of a row, in microseconds.
    """

    rows: DataFrame
    count: int
    nulls: int
    distinct: int
    task: str
    last: int | None


def select_labelled(request: SelectionRequest, label: str, task: str) -> LabelledRows:
    """Return the rows with a label; one pass, without a join.

    Raises
    ------
    DataError
        If there are none, or all have the same label.
    SchemaError
        If a label that is not a number is declared a quantity.
    """
    rows, dtype = request.rows, dict(request.rows.dtypes)[LABEL]
    if task == "regression" and not is_numeric(dtype):
        raise SchemaError(f"label {label!r} is {dtype}, which is not a quantity: cast it, or task='classification'")
    if is_string(dtype):
        rows = rows.withColumn(LABEL, F.left(LABEL, F.lit(LONGEST)))
    column = F.col(LABEL)
    present = column.isNotNull() & ~F.isnan(column) if dtype in ("float", "double") else column.isNotNull()
    rows = rows.withColumn(LABEL, F.when(present, column))
    time = request.join_options["timestamp"]
    last = F.lit(None).cast("bigint") if time is None else micros(exact_column(time), rows.schema[time].dataType)
    facts = rows.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count(column).alias("labelled"),
        F.approx_count_distinct(column).alias("labels"),
        (F.min(column) == F.max(column)).alias("constant"),
        F.approx_count_distinct(_hash(rows)).alias("distinct"),
        F.max(last).alias("last"),
    ).collect()[0]
    if not facts["labelled"]:
        what = f"is null in all of {facts['rows']:,} rows" if facts["rows"] else "has no rows: the basis is empty"
        raise DataError(f"label {label!r} {what}")
    if facts["constant"]:
        raise DataError(
            f"label {label!r} is the same in all of {facts['labelled']:,} rows: there is nothing to predict"
        )
    if task == "auto":
        task = "regression" if is_numeric(dtype) and facts["labels"] > CLASSES else "classification"
    rows = rows.filter(column.isNotNull()).withColumn(
        LABEL, column.cast("double" if task == "regression" else "string")
    )
    nulls = facts["rows"] - facts["labelled"]
    return LabelledRows(rows, facts["labelled"], nulls, facts["distinct"], task, facts["last"])


def draw_sample(request: SelectionRequest, label: LabelledRows) -> pa.Table:
    """Return label, weight and values of a sample of the rows, in a reproducible order.

    For each group the column :func:`cluster_column` of its first column is equal for rows that were looked up at the
    same row of its history. Where a group records when its rows were written, there are also the values that had been
    written by the time of each row, :func:`written_column`, and whether any had been, :func:`known_column`.
    """
    backdated, lookups = _created_lookups(request), [_with_time(lookup) for lookup in request.lookups]
    rows = label.rows
    size = min(ROWS, VALUES // (len(request.variables) + sum(len(lookup.columns) for lookup in backdated)))
    if label.distinct > size:
        rows = rows.filter(F.pmod(_hash(rows), F.lit(HASHES)) < int(size / label.distinct * HASHES))
    rows = rows.groupBy(*map(exact_column, rows.columns)).agg(F.count(F.lit(1)).cast("double").alias(WEIGHT))
    rows = request.join(rows.withColumn(ORDER, _hash(rows)), lookups)
    values = [binned_value(variable.column, variable.dtype).alias(variable.column) for variable in request.variables]
    for lookup in lookups:
        origin = [exact_column(key) for key in lookup.join_keys]
        origin += [exact_column(column) for column in lookup.columns if column.startswith(TIME)]
        values.append(F.xxhash64(*origin).alias(cluster_column(next(iter(lookup.columns)))))
    if backdated:
        variables = {written_column(variable.column): variable for variable in request.variables}
        options = request.join_options
        rows = point_in_time_join(request.tables, rows, backdated, point_in_time="created", status=True, **options)
        for lookup in backdated:
            values += [binned_value(column, variables[column].dtype).alias(column) for column in lookup.columns]
            first = next(iter(lookup.columns))
            values.append((F.col(f"{first}__status") != "missing").alias(known_column(variables[first].column)))
    return rows.select(ORDER, WEIGHT, LABEL, *values).toArrow().sort_by(ORDER)


def cluster_column(column: str) -> str:
    """Return the column that identifies the row of a group at which rows were looked up."""
    return f"{column}_cluster"


def written_column(column: str) -> str:
    """Return the column of the values that had been written by the time of each row."""
    return f"{column}_earlier"


def known_column(column: str) -> str:
    """Return the column that is true where any row of a group had been written by the time of each row."""
    return f"{column}_known"


def _with_time(lookup: Lookup) -> Lookup:
    """Return a look-up with the time of the matched row as one more column."""
    if (time := lookup.schema.timestamp or lookup.schema.created) is None:
        return lookup
    return replace(lookup, columns={**lookup.columns, TIME + lookup.reference("row"): time})


def _created_lookups(request: SelectionRequest) -> list[Lookup]:
    """Return look-ups by created time, of groups that have one, where the request is by event time."""
    if request.point_in_time == "created" or request.join_options["timestamp"] is None:
        return []
    return [
        replace(lookup, columns={written_column(column): feature for column, feature in lookup.columns.items()})
        for lookup in request.lookups
        if lookup.schema.created is not None
    ]


def _hash(rows: DataFrame) -> Column:
    return F.xxhash64(*map(exact_column, rows.columns))
