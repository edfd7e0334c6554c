"""Whole expressions, drawn at random from the registry, print and parse to themselves; both compilers agree on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from dsl.compilers.bind import Binding, bind
from dsl.compilers.column import compile_columns
from dsl.compilers.row import compile_row
from dsl.dtypes import BOOL, INT, NUM, READERS, STR, STRS, TS, VEC, DType, Var
from dsl.errors import DslError
from dsl.functions.instants import micros
from dsl.registry import DECLARED, REGISTRY, Arg, Function
from dsl.syntax.build import call, literal
from dsl.syntax.nodes import Node
from dsl.syntax.parser import parse
from dsl.syntax.printer import to_text
from dsl.testing import EDGES, same
from tests.draws import scaled

EXPRESSIONS, ROWS = scaled(400), 60
OF_TYPE = {dtype: reader for reader, dtype in READERS.items()}
COLUMNS = {f"{dtype.value}{number}": dtype for dtype in OF_TYPE for number in (1, 2)}
EXACT = [function for function in REGISTRY if not function.ulps]


class Draw:
    """Draws expressions of a type, nested up to a depth."""

    def __init__(self, rng: random.Random, functions: Sequence[Function]) -> None:
        self._random = rng
        self._functions = functions

    def expression(self, wanted: DType, depth: int) -> Node:
        if not depth or self._random.random() < 0.15:
            return self._leaf(wanted)
        for _ in range(20):
            function = self._random.choice(self._functions)
            variables = self._variables(function, wanted)
            if variables is None:
                continue
            try:
                return call(function.name, *self._arguments(function, variables, depth - 1))
            except DslError:  # constants that do not go together
                continue
        return self._leaf(wanted)

    def _variables(self, function: Function, wanted: DType) -> dict[Var, DType] | None:
        """Choose the types of a function's variables, or None if it cannot return the type."""
        free = {arg.dtype for arg in function.args if isinstance(arg.dtype, Var)}
        chosen = {variable: self._random.choice(sorted(variable.allowed)) for variable in sorted(free, key=str)}
        if isinstance(function.returns, Var):
            return {**chosen, function.returns: wanted} if wanted in function.returns.allowed else None
        return chosen if function.returns is wanted else None

    def _arguments(self, function: Function, variables: dict[Var, DType], depth: int) -> list[Any]:
        repeated = sum(arg.repeated for arg in function.args)
        count = len(function.args) + repeated * self._random.randrange(3)
        return [self._argument(function, parameter, variables, depth) for parameter in function.parameters(count)]

    def _argument(self, function: Function, parameter: Arg, variables: dict[Var, DType], depth: int) -> Any:
        wanted = variables[parameter.dtype] if isinstance(parameter.dtype, Var) else parameter.dtype
        if not parameter.constant:
            return self.expression(wanted, depth)
        values = [
            v for v in function.edges.get(parameter.name, EDGES[wanted]) if literal(v).dtype in (wanted, DType.NULL)
        ]
        if parameter.default is DECLARED:
            values = [value for value in values if value is not None]
        return literal(self._random.choice(values))

    def _leaf(self, wanted: DType) -> Node:
        if self._random.random() < 0.2:
            return call("coalesce", literal(self._random.choice(EDGES[wanted])), self._read(wanted))
        return self._read(wanted)

    def _read(self, wanted: DType) -> Node:
        return call(OF_TYPE[wanted], f"basis:{wanted.value}{self._random.choice((1, 2))}")


def drawn(rng: random.Random, functions: Sequence[Function], count: int) -> list[Node]:
    draw = Draw(rng, functions)
    types = [NUM, INT, STR, BOOL, TS, VEC]
    return [draw.expression(types[number % len(types)], depth=3) for number in range(count)]


def rows(rng: random.Random) -> list[dict[str, Any]]:
    return [{name: rng.choice(EDGES[dtype]) for name, dtype in COLUMNS.items()} for _ in range(ROWS)]


@pytest.mark.parametrize("draw", range(5))
def test_text_of_an_expression_parses_to_itself(draw, rng):
    for node in drawn(rng, list(REGISTRY), EXPRESSIONS):
        text = to_text(node)
        assert parse(text) == node, text
        assert to_text(parse(text)) == text


@pytest.mark.spark
@pytest.mark.parametrize("draw", range(3))
def test_row_equals_column(draw, rng, spark):
    expressions = {f"out{number}": node for number, node in enumerate(drawn(rng, EXACT, EXPRESSIONS))}
    data = rows(rng)
    score = compile_row(expressions)
    failures = []
    for row, found in zip(data, transformed(spark, expressions, data), strict=True):
        scored = score(row)
        failures += [
            f"{node}\n  of {row}\n  row {scored[name]!r}, column {found[name]!r}"
            for name, node in expressions.items()
            if not same(scored[name], found[name])
        ]
    assert not failures, f"{len(failures)} differences, such as\n" + "\n".join(failures[:3])


def transformed(spark, expressions: dict[str, Node], data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute expressions by Spark, fifty in a job; timestamps are microseconds, independent of time zones."""
    from pyspark.sql import functions as F

    arrow = {NUM: pa.float64(), INT: pa.int64(), STR: pa.string(), BOOL: pa.bool_(), TS: pa.int64()}
    arrow |= {VEC: pa.list_(pa.float64()), STRS: pa.list_(pa.string())}
    plain = {name: pa.array([_plain(row[name]) for row in data], arrow[dtype]) for name, dtype in COLUMNS.items()}
    times = {name: F.timestamp_micros(name) for name, dtype in COLUMNS.items() if dtype is TS}
    frame = spark.createDataFrame(pa.table({"n": pa.array(range(len(data)), pa.int32()), **plain}))
    frame = frame.repartition(2).withColumns(times)
    bindings = {f"basis:{name}": Binding(name, dtype.spark) for name, dtype in COLUMNS.items()}
    results: list[dict[str, Any]] = [{} for _ in data]
    names = list(expressions)
    for start in range(0, len(names), 50):
        part = {name: expressions[name] for name in names[start : start + 50]}
        columns = compile_columns(bind(part, bindings), bindings, F)
        selected = [
            (F.unix_micros(column) if part[name].dtype is TS else column).alias(name)
            for name, column in columns.items()
        ]
        for row in frame.select("n", *selected).collect():
            results[row["n"]].update({name: _value(row[name], part[name].dtype) for name in part})
    return results


def _plain(value: Any) -> Any:
    return micros(value) if hasattr(value, "year") else value


def _value(value: Any, dtype: DType) -> Any:
    from datetime import datetime, timedelta

    return datetime(1970, 1, 1) + timedelta(microseconds=value) if dtype is TS and value is not None else value
