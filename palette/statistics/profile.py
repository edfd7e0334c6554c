"""Statistics of training data in one pass, the reference with which monitoring compares served values."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F
from pyspark.sql import types as T

from dsl.json_values import encode
from palette.columns import exact_column
from palette.times import to_datetime

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

__all__ = ["QUANTILES", "Statistic", "take_statistics"]

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
# The number of most frequent values, and the number of counters with which they are approximated.
CATEGORIES, COUNTERS = 100, 10_000
# Longer strings are truncated.
LONGEST = 200
# Longer vectors have no deviations.
ELEMENTS = 2000
INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
NUMBERS = (*INTEGERS, T.FloatType, T.DoubleType, T.DecimalType)
TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)


@dataclass(frozen=True)
class Statistic:
    """A column for which statistics are computed.

    Parameters
    ----------
    name : str
        Name of the statistics.
    column : str
        The column of the DataFrame.
    role : {"feature", "input", "key", "prediction"}
        Its role in the model. Values of keys are not stored: they may identify a person.
    feature : str, optional
        The expression of a feature.
    """

    name: str
    column: str
    role: str
    feature: str | None = None


def take_statistics(
    df: DataFrame, requested: Sequence[Statistic], vector: str | None = None, size: int = 0
) -> tuple[dict[str, Any], list[float | None] | None]:
    """Compute the statistics of columns in one pass.

    Parameters
    ----------
    df : DataFrame
        The training data with all these columns.
    requested : sequence of Statistic
        The columns.
    vector : str, optional
        A vector column, to compute the standard deviations of its elements as well.
    size : int
        Number of its elements.

    Returns
    -------
    tuple of dict and list or None
        The statistics as JSON values, and the deviations of the vector.
    """
    columns = [exact_column(item.column).alias(f"c{index}") for index, item in enumerate(requested)]
    types = [field.dataType for field in df.select(*columns).schema]
    aggregates = [F.count(F.lit(1)).alias("rows")]
    for index, item in enumerate(requested):
        named = _aggregates(f"c{index}", types[index], item.role)
        aggregates += [column.alias(f"c{index}_{name}") for name, column in named]
    deviations = vector is not None and 0 < size <= ELEMENTS
    if vector is not None and deviations:
        columns.append(vector_to_array(exact_column(vector)).alias("v"))
        aggregates += [F.stddev_samp(F.col("v")[index]).alias(f"v{index}") for index in range(size)]
    row = df.select(*columns).agg(*aggregates).head()
    assert row is not None
    statistics = {
        item.name: {
            "role": item.role,
            **({} if item.feature is None else {"feature": item.feature}),
            "type": types[index].simpleString(),
            **_column_statistics(row, f"c{index}_", row["rows"]),
        }
        for index, item in enumerate(requested)
    }
    plain = encode({"rows": row["rows"], "quantiles": list(QUANTILES), "columns": statistics})
    return plain, [row[f"v{index}"] for index in range(size)] if deviations else None


def _aggregates(name: str, dtype: T.DataType, role: str) -> Iterator[tuple[str, Column]]:
    """Yield the aggregates of a column, by name."""
    column = F.col(name)
    yield "count", F.count(column)
    if role == "key":
        yield "distinct", F.approx_count_distinct(column)
        return
    if isinstance(dtype, NUMBERS):
        yield from _numbers(column.cast("double"))
    if isinstance(dtype, TIMES):
        for side, bound in (("min", F.min(column)), ("max", F.max(column))):
            # As a number, since Spark converts times to the zone of this process.
            time = F.unix_micros(bound) if isinstance(dtype, T.TimestampType) else bound.cast("string")
            yield f"{side}_time", time
    if isinstance(dtype, (*INTEGERS, T.StringType, T.BooleanType)):
        value = f"left({name}, {LONGEST})" if isinstance(dtype, T.StringType) else name
        yield "distinct", F.approx_count_distinct(column)
        top = f"approx_top_k({value}, {CATEGORIES}, {COUNTERS}) FILTER (WHERE {name} IS NOT NULL)"
        yield "categories", F.expr(top)


def _numbers(value: Column) -> Iterator[tuple[str, Column]]:
    known = F.when(~F.isnan(value), value)
    finite = F.when(F.abs(known) < math.inf, known)
    sketch = F.kll_sketch_agg_double(known)
    ranks = F.array(*(F.lit(rank) for rank in QUANTILES))
    yield "nan", F.count_if(F.isnan(value))
    yield "finite", F.count(finite)
    yield "mean", F.mean(finite)
    yield "deviation", F.stddev_samp(finite)
    yield "min", F.min(known)
    yield "max", F.max(known)
    yield "sketch", sketch
    # The quantiles of an empty sketch are an error.
    yield "quantiles", F.when(F.count(known) > 0, F.kll_sketch_get_quantile_double(sketch, ranks))


def _column_statistics(row: Row, prefix: str, rows: int) -> dict[str, Any]:
    values = {name.removeprefix(prefix): value for name, value in row.asDict().items() if name.startswith(prefix)}
    statistics: dict[str, Any] = {"count": values["count"], "null_rate": _rate(rows - values["count"], rows)}
    if "mean" in values:
        infinite = values["count"] - values["nan"] - values["finite"]
        statistics |= {"nan_rate": _rate(values["nan"], rows), "infinite_rate": _rate(infinite, rows)}
        statistics |= {name: values[name] for name in ("mean", "deviation", "min", "max", "quantiles")}
        statistics["sketch"] = None if values["sketch"] is None else base64.b64encode(values["sketch"]).decode()
    for bound in ("min", "max"):
        if (time := values.get(f"{bound}_time")) is not None:
            statistics[bound] = time if isinstance(time, str) else _format_time(time)
    if "distinct" in values:
        statistics["distinct"] = values["distinct"]
    if "categories" in values:
        statistics["categories"] = _categories(values["categories"] or ())
    return statistics


def _categories(counts: Iterable[Any]) -> list[list[Any]]:
    """Return values with their counts, the most frequent first; ties in the order of the values."""
    return [[item, count] for item, count in sorted(counts, key=lambda pair: (-pair[1], pair[0]))]


def _rate(some: int, rows: int) -> float | None:
    return some / rows if rows else None


def _format_time(micros: int) -> str:
    return to_datetime(micros).isoformat()
