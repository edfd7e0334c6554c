"""What is kept of the events of a block, from which the functions of all windows are put together.

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

__all__ = ["State", "needs", "result", "states_of"]

EVERY_EVENT = "*"
# Added to a number it makes -0.0 to 0.0: Spark takes the two for equal and would keep either.
ONE_ZERO = 0.0
NEEDS = {"mean": ("sum", "count")}


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
        """Return an event's value as the state takes it in; null does not count.

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
            return _told_apart(field)
        if self.kind in ("sum", "percentile"):
            if not isinstance(dtype, T.NumericType):
                raise self._unsuitable(dtype, "a number")
            return column.cast("double") + ONE_ZERO
        if not widens(dtype.simpleString(), self.dtype):
            raise self._unsuitable(dtype, f"{self.dtype}, as it is declared (dtype=)")
        column = cast_column(field, self.dtype)
        return (column + ONE_ZERO).cast(self.dtype) if self.dtype in ("double", "float") else column

    def _unsuitable(self, found: T.DataType, wanted: str) -> SchemaError:
        return SchemaError(
            f"{self.kind} of {self.column!r}: the column of the events is {found.simpleString()}, expected {wanted}: "
            f"cast it in the query, or change the aggregate"
        )

    def begun(self, value: Column, time: Column) -> Column:
        """Return the state of events, aggregated from their values."""
        if self.kind == "count":
            return F.count(value)
        if self.kind == "last":
            return F.max(F.when(value.isNotNull(), F.struct(time.alias("time"), value.alias("value"))))
        if self.kind == "distinct":
            return F.hll_sketch_agg(value)
        if self.kind == "percentile":
            return F.kll_sketch_agg_double(value)
        return {"sum": F.sum, "min": F.min, "max": F.max}[self.kind](value)

    def merged(self, states: Column) -> Column:
        """Return one state of all events, aggregated from states of some."""
        if self.kind == "distinct":
            return F.hll_union_agg(states)
        if self.kind == "percentile":
            return F.kll_merge_agg_double(states)
        return {"sum": F.sum, "count": F.sum, "min": F.min, "max": F.max, "last": F.max}[self.kind](states)


def _told_apart(field: T.StructField) -> Column:
    """Return a value as the sketch takes it: whole numbers, or texts that are never empty, since it skips those."""
    column, dtype = exact_column(field.name), field.dataType
    if isinstance(dtype, T.IntegralType):
        return column.cast("bigint")
    if is_time(dtype):
        return micros(column, dtype)
    if isinstance(dtype, T.FractionalType) and not isinstance(dtype, T.DecimalType):
        column = column.cast("double") + ONE_ZERO
    elif isinstance(dtype, T.BinaryType):
        column = F.hex(column)
    elif not isinstance(dtype, (T.StringType, T.BooleanType, T.DecimalType)):
        raise SchemaError(
            f"distinct of {field.name!r}: values of type {dtype.simpleString()} cannot be told apart: "
            f"turn them into texts in the query (to_json)"
        )
    return F.concat(F.lit("."), column.cast("string"))


def needs(aggregate: Aggregate) -> list[State]:
    """Return the states that a function is computed from."""
    kinds = NEEDS.get(aggregate.function, (aggregate.function,))
    kept = aggregate.function in ("min", "max", "last")
    return [State(aggregate.column, kind, aggregate.dtype if kept else "") for kind in kinds]


def states_of(source: BatchSource) -> list[State]:
    """Return the states that the aggregates of a source need, each once."""
    return list(dict.fromkeys(state for aggregate in source.aggregates for state in needs(aggregate)))


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
    found = state(function)
    if function == "count":
        return F.coalesce(found, F.lit(0)).cast("bigint")
    if function == "last":
        return found["value"]
    if function == "distinct":
        return F.coalesce(F.hll_sketch_estimate(found), F.lit(0)).cast("bigint")
    if function == "percentile":
        quantile = F.kll_sketch_get_quantile_double(found, F.lit(aggregate.at))
        return F.when(F.kll_sketch_get_n_double(found) > 0, quantile)
    return found
