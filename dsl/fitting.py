"""Fitting: all statistics of a stage in one pass over the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.compilers.bind import MAX_ENTRIES, Binding, bind, bound_statistic, frozen, statistic_calls, too_many_entries
from dsl.compilers.column import constant_arguments, statistic_columns
from dsl.compilers.deep_expressions import in_steps
from dsl.json_values import encode
from dsl.registry import Statistic
from dsl.syntax.nodes import Call, Node

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["fit_statistics", "settle"]

_PART = "__statistic_part"


def settle(nodes: Mapping[str, Node], bindings: Mapping[str, Binding]) -> dict[str, Call]:
    """Check expressions against their columns; return their statistics, bound, by canonical text."""
    calls = {str(call): bound_statistic(call, bindings) for call in statistic_calls(nodes.values())}
    bind(nodes, bindings, dict.fromkeys(calls))
    return calls


def fit_statistics(
    dataset: DataFrame, calls: Mapping[str, Call], bindings: Mapping[str, Binding], F: Any
) -> dict[str, Any]:
    """Compute statistics in one Spark job.

    Parameters
    ----------
    dataset : DataFrame
        The training data; it is not touched when there are no statistics.
    calls : mapping of str to Call
        What `settle` returned.
    bindings : mapping of str to Binding
        Where references find their values.
    F : module
        ``pyspark.sql.functions``.

    Returns
    -------
    dict of str to JSON value
        The constants by canonical text.
    """
    steps = in_steps(dataset, calls, bindings, F)
    whole = [expr for expr in steps.exprs.values() if isinstance(expr, Call)]
    values = _collected(steps.frame, whole, steps.bindings, F)
    return {
        text: encode(frozen(call, _statistic(call).finish(value, **constant_arguments(call))).plain)
        for (text, call), value in zip(calls.items(), values, strict=True)
    }


def _collected(dataset: DataFrame, calls: Sequence[Call], bindings: Mapping[str, Binding], F: Any) -> list[Any]:
    if not calls:
        return []
    grouped = [number for number, call in enumerate(calls) if _statistic(call).grouped]
    if grouped:
        return _by_group(dataset, calls, grouped, bindings, F)
    return _overall(dataset, calls, bindings, F)


def _overall(dataset: DataFrame, calls: Sequence[Call], bindings: Mapping[str, Binding], F: Any) -> list[Any]:
    columns = []
    for number, call in enumerate(calls):
        values, constants = statistic_columns(call, bindings, F)
        columns.append(_statistic(call).aggregate(F, *values, **constants).alias(f"statistic{number}"))
    return list(dataset.agg(*columns).collect()[0])


def _by_group(
    dataset: DataFrame, calls: Sequence[Call], grouped: Sequence[int], bindings: Mapping[str, Binding], F: Any
) -> list[Any]:
    """Read each row once for all plain statistics (part 0), and once more for each grouped one.

    Spark's grouping sets would do the same, but would compute every statistic for every group.
    """
    part_of = {number: part for part, number in enumerate(grouped, start=1)}
    keys = F.lit(None).cast("string")
    columns = []
    for number, call in enumerate(calls):
        statistic = _statistic(call)
        own = F.col(_PART) == part_of.get(number, 0)
        values, constants = statistic_columns(call, bindings, F)
        masked: list[Column] = [F.when(own, value) for value in values]
        if statistic.grouped:
            keys = F.when(own, values[0]).otherwise(keys)
        columns.append(statistic.aggregate(F, *masked, **constants).alias(f"statistic{number}"))
    parts = F.explode(F.array(*(F.lit(part) for part in range(len(grouped) + 1))))
    most = len(grouped) * (MAX_ENTRIES + 2) + 1
    found = dataset.withColumn(_PART, parts).groupBy(_PART, keys.alias("key")).agg(*columns).limit(most).collect()
    if len(found) == most:
        raise too_many_entries(calls[grouped[0]], most)
    overall = next((row for row in found if row[_PART] == 0), None)
    if overall is None:  # of no rows at all
        return [
            [] if number in part_of else value for number, value in enumerate(_overall(dataset, calls, bindings, F))
        ]
    return [
        [{"key": row["key"], "value": row[f"statistic{number}"]} for row in found if row[_PART] == part_of[number]]
        if number in part_of
        else overall[f"statistic{number}"]
        for number in range(len(calls))
    ]


def _statistic(call: Call) -> Statistic:
    function = call.function
    assert isinstance(function, Statistic)
    return function
