"""Counts of rows, of values that are missing, and of contents, made while rows are written or read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.columns import exact_column
from palette.offline.observations import read_observation

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["Counts", "content_sum", "count_now", "count_when_written"]


@dataclass(frozen=True)
class Counts:
    """Number of rows, and of those that lack a value of each feature.

    Parameters
    ----------
    rows : int
        Number of rows.
    missing : tuple of int
        For each feature the rows without a value; NaN counts as no value.
    content : int
        Sum of the hashes of the rows, where that was requested.

    Examples
    --------
    >>> Counts(4, (1, 0)) + Counts(2, (1, 2))
    Counts(rows=6, missing=(2, 2), content=0)
    >>> Counts(4, (1, 0)).shares()
    [0.25, 0.0]
    """

    rows: int
    missing: tuple[int, ...]
    content: int = 0

    def __add__(self, other: Counts) -> Counts:
        missing = tuple(a + b for a, b in zip(self.missing, other.missing, strict=True))
        return Counts(self.rows + other.rows, missing, self.content + other.content)

    def __sub__(self, other: Counts) -> Counts:
        missing = tuple(a - b for a, b in zip(self.missing, other.missing, strict=True))
        return Counts(self.rows - other.rows, missing, self.content - other.content)

    def shares(self) -> list[float]:
        """Return for each feature the share of rows without a value."""
        return [count / max(self.rows, 1) for count in self.missing]


def count_when_written(
    rows: DataFrame, columns: Sequence[str], content: Sequence[str] = ()
) -> tuple[DataFrame, Callable[[], Counts]]:
    """Return rows that are counted when they are written, and a function that then returns the counts.

    Parameters
    ----------
    columns : sequence of str
        Columns whose missing values are counted.
    content : sequence of str
        Columns whose contents are summed up.
    """
    observation, aggregates = Observation(), _aggregates(rows, columns, content)
    counted = rows.observe(observation, *(column.alias(name) for name, column in aggregates.items()))
    return counted, lambda: _counts(read_observation(observation), columns)


def count_now(rows: DataFrame, columns: Sequence[str]) -> Counts:
    """Return the counts of rows that are read now."""
    aggregates = (column.alias(name) for name, column in _aggregates(rows, columns, ()).items())
    return _counts(rows.agg(*aggregates).collect()[0].asDict(), columns)


def content_sum(rows: DataFrame, columns: Sequence[str]) -> Column:
    """Return an aggregate that depends on the values of all rows, but not on their order.

    Maps inside other columns, which Spark cannot hash, do not count.
    """
    hashed = [
        F.map_entries(exact_column(name)) if isinstance(rows.schema[name].dataType, T.MapType) else exact_column(name)
        for name in columns
        if _is_hashable(rows.schema[name].dataType)
    ]
    # As decimals, since a sum of bigint overflows.
    values = F.xxhash64(*hashed) if hashed else F.lit(0)
    return F.coalesce(F.sum(values.cast("decimal(20,0)")), F.lit(0))


def _aggregates(rows: DataFrame, columns: Sequence[str], content: Sequence[str]) -> dict[str, Column]:
    counts = {f"n{index}": F.count_if(_lacks(rows, column)) for index, column in enumerate(columns)}
    sums = {"content": content_sum(rows, content)} if content else {}
    return {"rows": F.count(F.lit(1)), **counts, **sums}


def _counts(metrics: Mapping[str, int], columns: Sequence[str]) -> Counts:
    missing = tuple(int(metrics.get(f"n{index}") or 0) for index in range(len(columns)))
    return Counts(int(metrics.get("rows") or 0), missing, int(metrics.get("content") or 0))


def _lacks(rows: DataFrame, column: str) -> Column:
    value = exact_column(column)
    is_float = rows.schema[column].dataType.simpleString() in ("double", "float")
    return value.isNull() | F.isnan(value) if is_float else value.isNull()


def _is_hashable(dtype: T.DataType) -> bool:
    if isinstance(dtype, T.MapType):
        return _has_no_map(dtype.keyType) and _has_no_map(dtype.valueType)
    return _has_no_map(dtype)


def _has_no_map(dtype: T.DataType) -> bool:
    if isinstance(dtype, T.ArrayType):
        return _has_no_map(dtype.elementType)
    if isinstance(dtype, T.StructType):
        return all(_has_no_map(field.dataType) for field in dtype)
    return not isinstance(dtype, (T.MapType, T.VariantType))
