"""Parser, and its messages about invalid texts."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl import (
    DslError,
    DslSyntaxError,
    DslTypeError,
    RefError,
    UnknownFunctionError,
    and_,
    nFill,
    not_,
    nVal,
    or_,
    parse,
)
from dsl.dtypes import INT, NUM, STR, TS, VEC, DType
from dsl.syntax.nodes import MAX_DEPTH, Call, Literal, Read

param = pytest.param


X = nVal("basis:x")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        param("nVal('basis:x') - 1 - 2", X - 1 - 2, id="left to right"),
        param("nVal('basis:x') - (1.0 - nVal('basis:x'))", X - (1 - X), id="parentheses"),
        param("nVal('basis:x') + nVal('basis:x') * 2", X + X * 2, id="product binds tighter"),
        param("-nVal('basis:x') * 2", (-X) * 2, id="minus binds tightest"),
        param("-(nVal('basis:x') * 2)", -(X * 2), id="minus of a product"),
        param("nVal('basis:x') * -2", X * -2, id="minus two"),
        param("nVal('basis:x') -2", X - 2, id="minus is binary"),
        param("nVal('basis:x') + 1 < 2", X + 1 < 2, id="comparison"),
        param(
            "nVal('basis:x') < 1 or nVal('basis:x') > 2 and nVal('basis:x') > 3",
            or_(X < 1, and_(X > 2, X > 3)),
            id="and before or",
        ),
        param("not nVal('basis:x') < 1 and true", and_(not_(X < 1), True), id="not before and"),
        param("'basis:x' + 1", X + 1, id="bare name"),
        param('nFill("@basis:x", default=-1,)', nFill(X, -1), id="by name, trailing comma"),
        param("\n  nFill(\n nVal('basis:x'),\t-1)", nFill(X, -1), id="white space"),
    ],
)
def test_text_gives_the_tree_that_python_builds(text, node):
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "value", "dtype"),
    [
        param("1", 1, INT, id="integer"),
        param("-1", -1, INT, id="minus one is one literal"),
        param("- -1", 1, INT, id="minus minus"),
        param("-(1)", -1, INT, id="minus in parentheses"),
        param("9223372036854775807", 2**63 - 1, INT, id="largest"),
        param("-9223372036854775808", -(2**63), INT, id="least"),
        param("1.", 1.0, NUM, id="point"),
        param(".5e-3", 0.0005, NUM, id="exponent"),
        param("1e3", 1000.0, NUM, id="no point"),
        param("-0.0", -0.0, NUM, id="minus zero"),
        param("inf", math.inf, NUM, id="infinity"),
        param("-inf", -math.inf, NUM, id="minus infinity"),
        param("nan", math.nan, NUM, id="nan"),
        param("true", True, DType.BOOLEAN, id="true"),
        param("null", None, DType.NULL, id="null"),
        param(r"'it\'s \"\\ \n\t\u00e9\U0001f600\x41'", "it's \"\\ \n\té😀A", STR, id="escapes"),
        param('"it\'s"', "it's", STR, id="double quotes"),
        param("timestamp '2024-02-29 12:30:00.5'", datetime(2024, 2, 29, 12, 30, 0, 500000), TS, id="time"),
        param("timestamp'2024-01-01T00:00:00+01:00'", datetime(2023, 12, 31, 23), TS, id="time with zone"),
        param("[1, -2.5,]", (1.0, -2.5), VEC, id="vector"),
        param("[]", (), VEC, id="empty list"),
        param("['a', 'b']", ("a", "b"), DType.STRINGS, id="texts"),
        param("{'a': 1, \"b\": -2}", (("a", 1.0), ("b", -2.0)), DType.WEIGHTS, id="weights"),
    ],
)
def test_literal(text, value, dtype):
    assert parse(text) == Literal(value, dtype)


@pytest.mark.parametrize(
    ("text", "error", "says", "column"),
    [
        param("", DslSyntaxError, "empty", None, id="empty"),
        param(" \n ", DslSyntaxError, "empty", None, id="blank"),
        param("1 +", DslSyntaxError, "ends too early", 4, id="ends"),
        param("(1", DslSyntaxError, "ends too early", 3, id="open"),
        param("1)", DslSyntaxError, "unexpected '\\)'", 2, id="closed"),
        param("1 2", DslSyntaxError, "unexpected '2'", 3, id="two"),
        param("1 < 2 < 3", DslSyntaxError, "do not chain", 7, id="chain"),
        param("1 = 2", DslSyntaxError, "mean '=='", 3, id="assignment"),
        param("true && true", DslSyntaxError, "mean 'and'", 6, id="ampersand"),
        param("!true", DslSyntaxError, "mean 'not'", 1, id="exclamation"),
        param("true AND true", DslSyntaxError, "mean 'and'", 6, id="capitals"),
        param("city < 1", DslSyntaxError, "nVal\\('basis:city'\\)", 1, id="bare word"),
        param("1 + city", DslSyntaxError, "nVal\\('basis:city'\\)", 5, id="bare word at the end"),
        param("'abc", DslSyntaxError, "does not end", 1, id="open quote"),
        param("'a\nb'", DslSyntaxError, "does not end", 1, id="line in quotes"),
        param(r"'a\q'", DslSyntaxError, "escape", 3, id="escape"),
        param(r"'\U00110000'", DslSyntaxError, "escape", 2, id="no such character"),
        param(r"'\ud800'", DslTypeError, "surrogate", 1, id="half a character"),
        param("1e5x", DslSyntaxError, "unexpected", 1, id="number and letter"),
        param("9223372036854775808", DslTypeError, "64 bits", 1, id="large integer"),
        param("1" * 30, DslSyntaxError, "64 bits", 1, id="larger integer"),
        param("[1, 'a']", DslTypeError, "numbers only", 1, id="mixed list"),
        param("timestamp 'noon'", DslSyntaxError, "not a timestamp", 1, id="no time"),
        param("nFil(1)", UnknownFunctionError, "mean 'nFill'", 1, id="unknown function"),
        param("1 + nFil(1)", UnknownFunctionError, "mean 'nFill'", 5, id="unknown function inside"),
        param("nVal('basis')", RefError, "malformed", 6, id="name"),
        param("nVal(1)", DslTypeError, "in quotes", 6, id="name not quoted"),
        param("nVal('basis:x', 1)", DslTypeError, "expected nVal", 1, id="two names"),
        param("upper(1)", DslTypeError, "must be string, found integer 1", 7, id="type"),
        param("1 + upper('a', 'b')", DslTypeError, "expected upper", 5, id="too many"),
        param("nFill()", DslTypeError, "found 0 arguments", 1, id="too few"),
        param("nFill('basis:x', nVal('basis:y'))", DslTypeError, "must be a constant", 18, id="constant"),
        param("nFill('basis:x', wrong=1)", DslTypeError, "cannot pass", 1, id="unknown by name"),
        param("nFill(default=1, 'basis:x')", DslSyntaxError, "come last", 1, id="by name first"),
        param("nFill('basis:x', default=1, default=2)", DslSyntaxError, "duplicate argument", 1, id="twice by name"),
        param("'basis:x' < 1", DslTypeError, "nVal\\('basis:x'\\)", 13, id="name or text"),
        param("'abc' + 1", DslTypeError, "malformed feature name", 1, id="text in a sum"),
        param("1\n+ upper(2)", DslTypeError, "line 2, column 9", 9, id="second line"),
    ],
)
def test_refused(text, error, says, column):
    with pytest.raises(error, match=says) as caught:
        parse(text)
    if column is not None:
        assert caught.value.position.column == column
        assert "^" in str(caught.value)


def test_text_not_a_text():
    with pytest.raises(DslSyntaxError, match="found int"):
        parse(1)


@pytest.mark.parametrize(
    "text",
    [
        param("(" * 100_001, id="too long"),
        param("(" * 50_000, id="open parentheses"),
        param("-" * 90_000 + "nVal('basis:x')", id="minuses"),
        param("not " * 20_000 + "true", id="nots"),
        param("1" + "+1" * 40_000, id="sum"),
        param("abs(" * 20_000 + "1" + ")" * 20_000, id="calls"),
        param("[" * 90_000, id="brackets"),
        param("'" * 99_999, id="quotes"),
        param("\\" * 99_999, id="backslashes"),
        param("coalesce(" + ",".join(["true"] * 15_000) + ")", id="wide"),
    ],
)
def test_hostile_text_ends_in_a_plain_error(text):
    with pytest.raises(DslError) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


def test_parentheses_alone_may_nest():
    assert parse("(" * 40_000 + "1" + ")" * 40_000) == Literal(1, INT)


def test_nesting_limit():
    text = "abs(" * (MAX_DEPTH - 1) + "nVal('basis:x')" + ")" * (MAX_DEPTH - 1)
    assert parse(text).depth == MAX_DEPTH
    with pytest.raises(DslError, match="too large"):
        parse(f"abs({text})")


def test_positions_cover_what_was_written():
    text = "nFill(nVal('basis:x'), 1) + 2"
    node = parse(text)
    assert isinstance(node, Call)
    fill = node.args[0]
    assert text[fill.position.start : fill.position.end] == "nFill(nVal('basis:x'), 1)"
    read = fill.args[0]
    assert isinstance(read, Read)
    assert text[read.position.start : read.position.end] == "nVal('basis:x')"


@given(st.text(alphabet=st.sampled_from("()[]{}'\"\\,:=<>!+-*/%.0123456789eEnaif \n\t_éx"), max_size=30))
def test_any_text_parses_or_is_refused(text):
    try:
        node = parse(text)
    except DslError:
        return
    assert parse(str(node)) == node
