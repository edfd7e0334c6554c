"""States of events that can be merged, from which the functions of all windows are computed.

A state of a column is something that can be merged: a sum, a count, a sketch. A mean needs a sum and a count;
functions that need the same state of a column share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.columns import exact_column
from palette.definitions import widens
from palette.errors import SchemaError
from palette.offline.delta.validate import cast_column
from palette.offline.times import is_time, micros

if TYPE_CHECKING:
    from pyspark.sql import Column

    from palette.definitions import Aggregate, BatchSource

__all__ = ["State", "get_states", "required_states", "result"]

EVERY_EVENT = "*"
# Added to a number it turns -0.0 into 0.0: to Spark the two are equal, and it would return either.
POSITIVE_ZERO = 0.0
# The states from which a function is computed, if they are not its own.
STATES_OF = {"mean": ("sum", "count")}


@dataclass(frozen=True)
class State:
    """One state of one column.

    Parameters
    ----------
    column : str
        Of the events; ``"*"`` for the events themselves.
    kind : str
        ``sum``, ``count``, ``min``, ``max``, ``last``, ``distinct`` or ``percentile``.
    dtype : str
        Type of the values of ``min``, ``max`` and ``last``.
    """

    column: str
    kind: str
    dtype: str

    @property
    def name(self) -> str:
        """The column of the partial aggregates: ``order_value__sum``; ``__count`` of the events themselves."""
        return f"{'' if self.column == EVERY_EVENT else self.column}__{self.kind}"

    def value(self, field: T.StructField | None) -> Column:
        """Return the value of an event that is aggregated into the state; null does not count.

        Raises
        ------
        SchemaError
            If the column's type does not suit the function.
        """
        if field is None:
            return F.lit(1)
        column, dtype = exact_column(field.name), field.dataType
        if self.kind == "count":
            return column
        if self.kind == "distinct":
            return _sketch_value(field)
        if self.kind in ("sum", "percentile"):
            if not isinstance(dtype, T.NumericType):
                raise self._unsuitable(dtype, "a number")
            return column.cast("double") + POSITIVE_ZERO
        if not widens(dtype.simpleString(), self.dtype):
            raise self._unsuitable(dtype, f"{self.dtype}, as it is declared (dtype=)")
        column = cast_column(field, self.dtype)
        return (column + POSITIVE_ZERO).cast(self.dtype) if self.dtype in ("double", "float") else column

    def _unsuitable(self, actual: T.DataType, expected: str) -> SchemaError:
        return SchemaError(
            f"{self.kind} of {self.column!r}: the column of the events is {actual.simpleString()}, expected "
            f"{expected}: cast it in the query, or change the aggregate"
        )

    def aggregate(self, value: Column, time: Column) -> Column:
        """Return the state of events, from their values."""
        if self.kind == "count":
            return F.count(value)
        if self.kind == "last":
            return F.max(F.when(value.isNotNull(), F.struct(time.alias("time"), value.alias("value"))))
        if self.kind == "distinct":
            return F.hll_sketch_agg(value)
        if self.kind == "percentile":
            return F.kll_sketch_agg_double(value)
        return {"sum": F.sum, "min": F.min, "max": F.max}[self.kind](value)

    def merge(self, states: Column) -> Column:
        """Return one state of all events, from states of parts of them."""
        if self.kind == "distinct":
            return F.hll_union_agg(states)
        if self.kind == "percentile":
            return F.kll_merge_agg_double(states)
        return {"sum": F.sum, "count": F.sum, "min": F.min, "max": F.max, "last": F.max}[self.kind](states)


def _sketch_value(field: T.StructField) -> Column:
    """Return the value for the sketch: an integer, or a string that is never empty, since the sketch skips those."""
    column, dtype = exact_column(field.name), field.dataType
    if isinstance(dtype, T.IntegralType):
        return column.cast("bigint")
    if is_time(dtype):
        return micros(column, dtype)
    if isinstance(dtype, T.FractionalType) and not isinstance(dtype, T.DecimalType):
        column = column.cast("double") + POSITIVE_ZERO
    elif isinstance(dtype, T.BinaryType):
        column = F.hex(column)
    elif not isinstance(dtype, (T.StringType, T.BooleanType, T.DecimalType)):
        raise SchemaError(
            f"distinct of {field.name!r}: values of type {dtype.simpleString()} cannot be counted: "
            f"convert them to strings in the query (to_json)"
        )
    return F.concat(F.lit("."), column.cast("string"))


def required_states(aggregate: Aggregate) -> list[State]:
    """Return the states that a function is computed from."""
    kinds = STATES_OF.get(aggregate.function, (aggregate.function,))
    typed = aggregate.function in ("min", "max", "last")
    return [State(aggregate.column, kind, aggregate.dtype if typed else "") for kind in kinds]


def get_states(source: BatchSource) -> list[State]:
    """Return the distinct states that the aggregates of a source need."""
    return list(dict.fromkeys(state for aggregate in source.aggregates for state in required_states(aggregate)))


def result(aggregate: Aggregate, state: Callable[[str], Column]) -> Column:
    """Return the value of a function.

    Parameters
    ----------
    state : callable
        Kind of a state to the column with it; a state of no events may be null.
    """
    function = aggregate.function
    if function == "mean":
        count = state("count")
        return F.when(count > 0, state("sum") / count.cast("double"))
    value = state(function)
    if function == "count":
        return F.coalesce(value, F.lit(0)).cast("bigint")
    if function == "last":
        return value["value"]
    if function == "distinct":
        return F.coalesce(F.hll_sketch_estimate(value), F.lit(0)).cast("bigint")
    if function == "percentile":
        quantile = F.kll_sketch_get_quantile_double(value, F.lit(aggregate.at))
        return F.when(F.kll_sketch_get_n_double(value) > 0, quantile)
    return value
