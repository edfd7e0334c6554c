"""The row compiler: its function, conversion of inputs, and outputs."""

from __future__ import annotations

import math
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

import dsl
from dsl import Binding, DslTypeError, compile_row, nFill, nVal, parse
from dsl.compilers.bind import bind
from dsl.compilers.coercion import reading_lines
from dsl.compilers.generated import define
from dsl.compilers.row import distinct_reads, generate, reader
from dsl.dtypes import READERS
from dsl.testing import same

param = pytest.param


X = nVal("basis:x")


def test_stage_is_one_function():
    score = compile_row({"a": X + 1, "b": "nFill('r:g:y:k', 0)", "c": dsl.sVal("basis:s")})
    assert score({"x": 1.0, "r:g:y:k": 2, "s": "t"}) == {"a": 2.0, "b": 2.0, "c": "t"}


def test_missing_key_is_null():
    assert compile_row({"a": X, "b": nFill(X, -1)})({}) == {"a": None, "b": -1.0}


def test_single_expression_gives_its_value():
    assert compile_row(X * 2)({"x": 1.5}) == 3.0
    assert compile_row("1 + 1")({}) == 2


def test_row_can_be_any_mapping():
    assert compile_row(X)(MappingProxyType({"x": 1.0})) == 1.0


def test_bindings_name_the_keys():
    score = compile_row({"y": "nFill('r:g:x:k')"}, {"r:g:x:k": Binding("column: `x`", "float", 0.1)})
    assert score({}) == {"y": 0.1}
    assert score({"column: `x`": 0.1}) == {"y": 0.10000000149011612}


def test_statistics_are_constants():
    assert (
        compile_row("zScore('basis:x')", None, {"mean(nVal('basis:x'))": 1.0, "stddev(nVal('basis:x'))": 2.0})(
            {"x": 5.0}
        )
        == 2.0
    )


def test_reference_read_as_two_types():
    assert compile_row({"a": "nVal('basis:i') / 2", "b": "iVal('basis:i') + 1"})({"i": 3}) == {"a": 1.5, "b": 4}
    assert compile_row({"b": "iVal('basis:i') + 1", "a": "nVal('basis:i') / 2"})({"i": 3}) == {"b": 4, "a": 1.5}


def test_column_names_never_reach_the_source():
    names = ["zero", "row", "get", "v0", "'; import os #", "None", "x\ny", "😀"]
    score = compile_row(dict.fromkeys(names, X), {"basis:x": Binding("zero", "int")})
    assert score({"zero": 2}) == dict.fromkeys(names, 2.0)


def test_texts_never_reach_the_source():
    text = "');__import__('os')\n\"\"\""
    assert compile_row(dsl.literal(text))({}) == text


def test_generated_code_has_no_builtins():
    program = generate({"y": X + 1}, {X: "x"})
    function = define("f", ["x"], [*program.lines, f"return {program.outputs['y']}"], program.constants)
    assert function(1.0) == 2.0
    assert function.__globals__["__builtins__"] == {}


def test_common_subexpressions_are_computed_once():
    shared = dsl.round(X, 2)
    bound = bind({"a": shared + 1, "b": shared * shared, "c": shared}, {"basis:x": Binding("x", "double")})
    program = generate(bound, {X: "x"})
    assert len(program.lines) == 3
    assert program.outputs["c"] == "v0"


def test_programs_with_prefixes_go_together():
    first = generate({"a": X + 1}, {X: "x"}, prefix="a")
    second = generate({"b": X + 2}, {X: first.outputs["a"]}, prefix="b")
    assert not set(first.constants) & set(second.constants)
    lines = [*first.lines, *second.lines, f"return {second.outputs['b']}"]
    assert define("f", ["x"], lines, {**first.constants, **second.constants})(1.0) == 4.0


def test_reads_of_are_distinct():
    nodes = {"a": parse("nVal('basis:x') + nVal('basis:x')"), "b": parse("iVal('basis:x') + nVal('basis:y')")}
    assert [str(read) for read in distinct_reads(nodes)] == ["nVal('basis:x')", "iVal('basis:x')", "nVal('basis:y')"]


def test_vectors_belong_to_the_caller():
    score = compile_row({"a": "coalesce(vVal('basis:v'), [1.0])", "b": "[2.0]", "c": "vVal('basis:v')"})
    score({})["a"].append(5.0)
    score({})["b"].append(5.0)
    assert score({}) == {"a": [1.0], "b": [2.0], "c": None}
    given = [3.0]
    scored = score({"v": given})
    assert scored["a"] == scored["c"] == given
    assert len({id(scored["a"]), id(scored["c"]), id(given)}) == 3


def test_null_constant_makes_null():
    assert compile_row({"a": "nVal('basis:x') + null", "b": "null == null"})({"x": 1.0}) == {"a": None, "b": None}


def test_deepest_expression_compiles():
    node = X
    for _ in range(99):
        node = node + 1
    assert compile_row(node)({"x": 0.0}) == 99.0


@pytest.mark.parametrize(
    ("dtype", "source", "value", "expected"),
    [
        param("number", "double", 1, 1.0, id="integer"),
        param("number", "double", Decimal("0.1"), 0.1, id="decimal"),
        param("number", "double", np.float32(0.5), 0.5, id="numpy"),
        param("number", "double", np.float64(1.5), 1.5, id="numpy double"),
        param("number", "double", math.nan, math.nan, id="nan"),
        param("number", "float", 0.1, 0.10000000149011612, id="float rounds"),
        param("number", "float", 1e300, math.inf, id="float overflows"),
        param("number", "float", -1e300, -math.inf, id="float underflows"),
        param("number", "bigint", 2**53 + 1, 2.0**53, id="bigint"),
        param("number", "decimal(10,2)", Decimal("1.10"), 1.1, id="decimal column"),
        param("integer", "bigint", -(2**63), -(2**63), id="least integer"),
        param("integer", "int", np.int64(5), 5, id="numpy integer"),
        param("string", "string", np.str_("a"), "a", id="numpy text"),
        param("boolean", "boolean", np.bool_(True), True, id="numpy boolean"),
        param("timestamp", "timestamp", datetime(2024, 1, 1), datetime(2024, 1, 1), id="naive is UTC"),
        param(
            "timestamp",
            "timestamp",
            datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2024, 1, 1, 5),
            id="zone",
        ),
        param("timestamp", "date", date(2024, 1, 1), datetime(2024, 1, 1), id="date"),
        param(
            "timestamp",
            "timestamp",
            pd.Timestamp("2024-01-01T00:00:00.5Z"),
            datetime(2024, 1, 1, 0, 0, 0, 500000),
            id="pandas",
        ),
        param("timestamp", "timestamp", pd.NaT, None, id="not a time"),
        param("timestamp", "timestamp", np.datetime64("2024-01-01", "ns"), datetime(2024, 1, 1), id="nanoseconds"),
        param("timestamp", "date", np.datetime64("2024-01-01"), datetime(2024, 1, 1), id="numpy date"),
        param("integer", "bigint", np.datetime64("NaT", "ns"), None, id="numpy not a time"),
        param("vector", "array<double>", [1, 2.5], [1.0, 2.5], id="vector"),
        param("vector", "array<double>", (1.0,), [1.0], id="tuple"),
        param("vector", "array<double>", np.array([1.0, 2.0]), [1.0, 2.0], id="numpy vector"),
        param("vector", "array<float>", [0.1], [0.10000000149011612], id="float vector"),
        param("vector", "array<double>", [1.0, None], None, id="vector with a null"),
        param("vector", "array<int>", [1], [1.0], id="integer vector"),
        param("vector", "array<double>", [np.float32(0.5), np.int64(3)], [0.5, 3.0], id="list of numpy's"),
        param("number", "decimal(10,2)", Decimal("1.239"), 1.24, id="decimal rounded to its scale"),
        param("number", "decimal(10,2)", Decimal("-1.005"), -1.01, id="decimal rounded half up"),
        param("number", "decimal(10,2)", 1.005, 1.01, id="float for a decimal"),
        param("number", "decimal(3,2)", Decimal("9.994"), 9.99, id="decimal within its precision"),
        param("number", "decimal(3,2)", Decimal("NaN"), None, id="decimal that is NaN"),
        param("number", "decimal(38,38)", Decimal("1e-999"), 0.0, id="small decimal"),
        param("strings", "array<string>", ["a", None, ""], ["a", ""], id="texts with a null"),
        param("strings", "array<string>", np.array(["a"]), ["a"], id="numpy texts"),
    ],
)
def test_incoming_value(dtype, source, value, expected):
    convert = reader(dsl.DType(dtype), source)
    assert same(convert(value), expected)
    assert convert(None) is None
    (name,) = (name for name, read in READERS.items() if read == dtype)
    score = compile_row(f"{name}('basis:x')", {"basis:x": Binding("x", source)})
    assert same(score({"x": value}), expected)
    assert score({"x": None}) is None


@pytest.mark.parametrize(
    ("dtype", "source", "value", "expected"),
    [
        param("number", "double", 1.5, 1.5, id="double"),
        param("number", "float", 0.5, 0.5, id="float"),
        param("number", "bigint", 2, 2.0, id="integer as number"),
        param("number", "decimal(5,2)", Decimal("1.10"), 1.1, id="decimal"),
        param("integer", "tinyint", 2, 2, id="integer"),
        param("string", "string", "a", "a", id="text"),
        param("timestamp", "timestamp", datetime(2024, 1, 1), datetime(2024, 1, 1), id="time"),
        param("timestamp", "date", date(2024, 1, 1), datetime(2024, 1, 1), id="date"),
        param("vector", "array<double>", [1.0, None], None, id="vector with a null"),
        param("vector", "array<double>", [1.0], [1.0], id="vector"),
        param("strings", "array<string>", ["a", None], ["a"], id="texts with a null"),
    ],
)
def test_value_of_a_store_is_converted_where_it_must_be(dtype, source, value, expected):
    names, constants = {}, {}

    def name(constant, key):
        constants[names.setdefault(key, f"c{len(names)}")] = constant
        return names[key]

    lines = reading_lines("x", dsl.DType(dtype), source, "basis:x", name, trusted=True)
    convert = define("f", ["x"], [*lines, "return x"], constants)
    assert same(convert(value), expected)
    assert convert(None) is None


@pytest.mark.parametrize(
    ("reads", "source", "value"),
    [
        param("nVal", "double", "1", id="text as number"),
        param("nVal", "double", True, id="boolean as number"),
        param("nVal", "double", 10**400, id="too large"),
        param("nVal", "int", 1.5, id="fraction as integer"),
        param("iVal", "bigint", 1.0, id="double as integer"),
        param("iVal", "bigint", True, id="boolean as integer"),
        param("iVal", "bigint", 2**63, id="more than 64 bits"),
        param("sVal", "string", 1, id="number as text"),
        param("sVal", "string", b"a", id="bytes as text"),
        param("bVal", "boolean", 1, id="number as boolean"),
        param("tVal", "timestamp", "2024-01-01", id="text as time"),
        param("tVal", "timestamp", 0, id="number as time"),
        param("vVal", "array<double>", [1.0, "a"], id="text in a vector"),
        param("vVal", "array<double>", 1.0, id="number as vector"),
        param("aVal", "array<string>", ["a", 1], id="number in texts"),
        param("iVal", "bigint", np.datetime64("2024-01-01", "ns"), id="nanoseconds as integer"),
        param("nVal", "bigint", np.timedelta64(1, "ns"), id="nanoseconds as number"),
        param("tVal", "timestamp", np.datetime64("12024-01-01"), id="numpy year"),
        param("aVal", "array<string>", "a", id="text as texts"),
        param("vVal", "array<int>", [1.5], id="fraction in an integer vector"),
        param("vVal", "array<double>", [np.datetime64("2026-01-01", "ns")], id="time in a vector"),
        param("vVal", "array<double>", [10**400], id="too large in a vector"),
        param("nVal", "decimal(3,2)", Decimal("9.995"), id="decimal beyond its precision when rounded"),
        param("nVal", "decimal(3,2)", 10, id="decimal beyond its precision"),
        param("nVal", "decimal(3,2)", math.nan, id="NaN for a decimal"),
        param("nVal", "decimal(3,2)", math.inf, id="infinity for a decimal"),
        param("tVal", "timestamp", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), id="after 9999"),
        param("tVal", "date", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), id="before 1"),
    ],
)
def test_value_of_a_wrong_type_is_named(reads, source, value):
    score = compile_row(f"{reads}('basis:order_size')", {"basis:order_size": Binding("order_size", source)})
    with pytest.raises(DslTypeError, match="basis:order_size: expected") as caught:
        score({"order_size": value})
    assert type(value).__name__ in str(caught.value)


def test_function_is_small_per_row():
    import timeit

    score = compile_row({"a": nFill(X, -1) * 2 + 1, "b": dsl.if_(X > 3, 1.0, 0.0)})

    def by_hand(row):
        x = row.get("x")
        return {
            "a": (-1.0 if x is None or x != x else x) * 2.0 + 1.0,
            "b": 1.0 if x is not None and x > 3.0 else 0.0,
        }

    row = {"x": 4.5}
    assert score(row) == by_hand(row)
    if sys.gettrace() is None:  # not under coverage
        # Many short runs in turn: the shortest ones saw no other load. Twice is the aim, which the benchmark measures.
        times = [[timeit.timeit(lambda f=f: f(row), number=1000) for f in (score, by_hand)] for _ in range(100)]
        generated, hand = (min(column) for column in zip(*times, strict=True))
        assert generated < 3 * hand
