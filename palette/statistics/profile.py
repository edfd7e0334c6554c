"""Statistics of training data, in one pass: what monitoring compares served values with."""

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
# The most frequent values that are told, and how many are followed to find them.
CATEGORIES, FOLLOWED = 100, 10_000
# Longer texts count by their beginnings.
LONGEST = 200
# Deviations of more elements of a vector than this are not taken.
ELEMENTS = 2000
INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
NUMBERS = (*INTEGERS, T.FloatType, T.DoubleType, T.DecimalType)
TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)


@dataclass(frozen=True)
class Statistic:
    """A column of which statistics are taken.

    Parameters
    ----------
    name : str
        Under which they are kept.
    column : str
        The column of the DataFrame.
    role : {"feature", "input", "key", "prediction"}
        What it is to the model. Of keys no values are kept: they may say who somebody is.
    feature : str, optional
        The expression of a feature.
    """

    name: str
    column: str
    role: str
    feature: str | None = None


def take_statistics(
    df: DataFrame, wanted: Sequence[Statistic], vector: str | None = None, size: int = 0
) -> tuple[dict[str, Any], list[float | None] | None]:
    """Run the data once.

    Parameters
    ----------
    df : DataFrame
        The training data with all columns that are wanted.
    wanted : sequence of Statistic
        Of which columns.
    vector : str, optional
        A vector column whose elements' standard deviations are wanted as well.
    size : int
        How many elements it has.

    Returns
    -------
    tuple of dict and list or None
        The statistics as JSON holds them, and the deviations of the vector.
    """
    columns = [exact_column(one.column).alias(f"c{place}") for place, one in enumerate(wanted)]
    types = [field.dataType for field in df.select(*columns).schema]
    aggregates = [F.count(F.lit(1)).alias("rows")]
    for place, one in enumerate(wanted):
        named = _aggregates(f"c{place}", types[place], one.role)
        aggregates += [column.alias(f"c{place}_{name}") for name, column in named]
    deviations = vector is not None and 0 < size <= ELEMENTS
    if vector is not None and deviations:
        columns.append(vector_to_array(exact_column(vector)).alias("v"))
        aggregates += [F.stddev_samp(F.col("v")[place]).alias(f"v{place}") for place in range(size)]
    row = df.select(*columns).agg(*aggregates).head()
    assert row is not None
    found = {
        one.name: {
            "role": one.role,
            **({} if one.feature is None else {"feature": one.feature}),
            "type": types[place].simpleString(),
            **_told(row, f"c{place}_", row["rows"]),
        }
        for place, one in enumerate(wanted)
    }
    plain = encode({"rows": row["rows"], "quantiles": list(QUANTILES), "columns": found})
    return plain, [row[f"v{place}"] for place in range(size)] if deviations else None


def _aggregates(name: str, dtype: T.DataType, role: str) -> Iterator[tuple[str, Column]]:
    """Yield what is computed of a column, by name."""
    column = F.col(name)
    yield "count", F.count(column)
    if role == "key":
        yield "distinct", F.approx_count_distinct(column)
        return
    if isinstance(dtype, NUMBERS):
        yield from _numbers(column.cast("double"))
    if isinstance(dtype, TIMES):
        for which, found in (("min", F.min(column)), ("max", F.max(column))):
            # As a number, since Spark hands times over in the zone of this process.
            moment = F.unix_micros(found) if isinstance(dtype, T.TimestampType) else found.cast("string")
            yield f"{which}_time", moment
    if isinstance(dtype, (*INTEGERS, T.StringType, T.BooleanType)):
        value = f"left({name}, {LONGEST})" if isinstance(dtype, T.StringType) else name
        yield "distinct", F.approx_count_distinct(column)
        top = f"approx_top_k({value}, {CATEGORIES}, {FOLLOWED}) FILTER (WHERE {name} IS NOT NULL)"
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
    # An empty sketch has no quantiles; asking for them is an error.
    yield "quantiles", F.when(F.count(known) > 0, F.kll_sketch_get_quantile_double(sketch, ranks))


def _told(row: Row, prefix: str, rows: int) -> dict[str, Any]:
    values = {name.removeprefix(prefix): value for name, value in row.asDict().items() if name.startswith(prefix)}
    told: dict[str, Any] = {"count": values["count"], "null_rate": _rate(rows - values["count"], rows)}
    if "mean" in values:
        infinite = values["count"] - values["nan"] - values["finite"]
        told |= {"nan_rate": _rate(values["nan"], rows), "infinite_rate": _rate(infinite, rows)}
        told |= {name: values[name] for name in ("mean", "deviation", "min", "max", "quantiles")}
        told["sketch"] = None if values["sketch"] is None else base64.b64encode(values["sketch"]).decode()
    for which in ("min", "max"):
        if (moment := values.get(f"{which}_time")) is not None:
            told[which] = moment if isinstance(moment, str) else _time(moment)
    if "distinct" in values:
        told["distinct"] = values["distinct"]
    if "categories" in values:
        told["categories"] = _categories(values["categories"] or ())
    return told


def _categories(found: Iterable[Any]) -> list[list[Any]]:
    """Return values with their counts, the most frequent first; ties in the order of the values."""
    return [[item, count] for item, count in sorted(found, key=lambda one: (-one[1], one[0]))]


def _rate(some: int, rows: int) -> float | None:
    return some / rows if rows else None


def _time(micros: int) -> str:
    return to_datetime(micros).isoformat()
