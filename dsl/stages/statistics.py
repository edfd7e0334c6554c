"""Fitting: all statistics of a stage in one pass over the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.compilers.analysis import statistic_calls
from dsl.compilers.bind import MAX_ENTRIES, Binding, bind, bind_statistic, to_constant, too_many_entries
from dsl.compilers.column import constant_arguments, statistic_columns
from dsl.compilers.deep_expressions import split_deep_expressions
from dsl.json_values import encode
from dsl.registry import Statistic
from dsl.syntax.nodes import Call, Node

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["bind_statistics", "fit_statistics"]

_PART = "__statistic_part"


def bind_statistics(nodes: Mapping[str, Node], bindings: Mapping[str, Binding]) -> dict[str, Call]:
    """Check expressions against their columns; return their statistics, bound, by canonical text."""
    statistics = {str(call): bind_statistic(call, bindings) for call in statistic_calls(nodes.values())}
    bind(nodes, bindings, dict.fromkeys(statistics))
    return statistics


def fit_statistics(
    dataset: DataFrame, statistics: Mapping[str, Call], bindings: Mapping[str, Binding], F: Any
) -> dict[str, Any]:
    """Compute statistics in one Spark job.

    Parameters
    ----------
    dataset : DataFrame
        The training data; not read if there are no statistics.
    statistics : mapping of str to Call
        The result of `bind_statistics`.
    bindings : mapping of str to Binding
        By canonical name of the reference.
    F : module
        ``pyspark.sql.functions``.

    Returns
    -------
    dict of str to JSON value
        The constants by canonical text.
    """
    split = split_deep_expressions(dataset, statistics, bindings, F)
    calls = [expr for expr in split.exprs.values() if isinstance(expr, Call)]
    values = _aggregate(split.frame, calls, split.bindings, F)
    return {
        text: encode(to_constant(call, _statistic(call).finish(value, **constant_arguments(call))).plain)
        for (text, call), value in zip(statistics.items(), values, strict=True)
    }


def _aggregate(dataset: DataFrame, calls: Sequence[Call], bindings: Mapping[str, Binding], F: Any) -> list[Any]:
    if not calls:
        return []
    grouped = [index for index, call in enumerate(calls) if _statistic(call).grouped]
    if grouped:
        return _aggregate_by_group(dataset, calls, grouped, bindings, F)
    return _aggregate_overall(dataset, calls, bindings, F)


def _aggregate_overall(dataset: DataFrame, calls: Sequence[Call], bindings: Mapping[str, Binding], F: Any) -> list[Any]:
    columns = []
    for index, call in enumerate(calls):
        values, constants = statistic_columns(call, bindings, F)
        columns.append(_statistic(call).aggregate(F, *values, **constants).alias(f"statistic{index}"))
    return list(dataset.agg(*columns).collect()[0])


def _aggregate_by_group(
    dataset: DataFrame, calls: Sequence[Call], grouped: Sequence[int], bindings: Mapping[str, Binding], F: Any
) -> list[Any]:
    """Read each row once for all plain statistics (part 0), and once more for each grouped one.

    Spark's grouping sets would do the same, but would compute every statistic for every group.
    """
    part_by_index = {index: part for part, index in enumerate(grouped, start=1)}
    keys = F.lit(None).cast("string")
    columns = []
    for index, call in enumerate(calls):
        statistic = _statistic(call)
        in_part = F.col(_PART) == part_by_index.get(index, 0)
        values, constants = statistic_columns(call, bindings, F)
        masked: list[Column] = [F.when(in_part, value) for value in values]
        if statistic.grouped:
            keys = F.when(in_part, values[0]).otherwise(keys)
        columns.append(statistic.aggregate(F, *masked, **constants).alias(f"statistic{index}"))
    parts = F.explode(F.array(*(F.lit(part) for part in range(len(grouped) + 1))))
    limit = len(grouped) * (MAX_ENTRIES + 2) + 1
    groups = dataset.withColumn(_PART, parts).groupBy(_PART, keys.alias("key")).agg(*columns).limit(limit).collect()
    if len(groups) == limit:
        raise too_many_entries(calls[grouped[0]], limit)
    overall = next((row for row in groups if row[_PART] == 0), None)
    if overall is None:  # there are no rows
        values = _aggregate_overall(dataset, calls, bindings, F)
        return [[] if index in part_by_index else value for index, value in enumerate(values)]
    return [
        [{"key": row["key"], "value": row[f"statistic{index}"]} for row in groups if row[_PART] == part_by_index[index]]
        if index in part_by_index
        else overall[f"statistic{index}"]
        for index in range(len(calls))
    ]


def _statistic(call: Call) -> Statistic:
    function = call.function
    assert isinstance(function, Statistic)
    return function
