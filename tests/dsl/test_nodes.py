"""Construction of trees in Python: literals, reads, calls, and errors."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

import dsl
from dsl import DslError, DslTypeError, RefError, iVal, literal, nFill, nVal, parse, sVal
from dsl.dtypes import BOOL, INT, NUM, TS, DType
from dsl.syntax.build import call
from dsl.syntax.nodes import MAX_NODES, Call, Literal, Read, Widen, walk

param = pytest.param


X = nVal("basis:x")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        param(X + 1, "nVal('basis:x') + 1.0", id="add"),
        param(1 + X, "1.0 + nVal('basis:x')", id="radd"),
        param(X - 1, "nVal('basis:x') - 1.0", id="sub"),
        param(1 - X, "1.0 - nVal('basis:x')", id="rsub"),
        param(X * 2, "nVal('basis:x') * 2.0", id="mul"),
        param(2 * X, "2.0 * nVal('basis:x')", id="rmul"),
        param(X / 2, "nVal('basis:x') / 2.0", id="div"),
        param(2 / X, "2.0 / nVal('basis:x')", id="rdiv"),
        param(X % 2, "nVal('basis:x') % 2.0", id="mod"),
        param(2 % X, "2.0 % nVal('basis:x')", id="rmod"),
        param(-X, "-nVal('basis:x')", id="neg"),
        param(X < 1, "nVal('basis:x') < 1.0", id="lt"),
        param(X <= 1, "nVal('basis:x') <= 1.0", id="le"),
        param(X > 1, "nVal('basis:x') > 1.0", id="gt"),
        param(X >= 1, "nVal('basis:x') >= 1.0", id="ge"),
        param(iVal("basis:i") < X, "iVal('basis:i') < nVal('basis:x')", id="two reads"),
        param("basis:y" + X, "nVal('basis:y') + nVal('basis:x')", id="name"),
        param(dsl.eq(X, 1), "nVal('basis:x') == 1.0", id="eq"),
        param(dsl.if_(X > 1, "a", None), "if(nVal('basis:x') > 1.0, 'a', null)", id="if"),
        param(dsl.and_(True, X > 1, False), "true and nVal('basis:x') > 1.0 and false", id="and of three"),
        param(dsl.or_(True, dsl.not_(False)), "true or not false", id="or, not"),
        param(dsl.regionId("r:g:a:k", "r:g:b:k"), "regionId(nVal('r:g:a:k'), nVal('r:g:b:k'))", id="names"),
        param(dsl.size("r:g:a:k"), "size(vVal('r:g:a:k'))", id="a list's name"),
        param(dsl.includes("r:g:a:k", "x"), "includes(aVal('r:g:a:k'), 'x')", id="texts' name"),
        param(dsl.size(["a", "b"]), "size(['a', 'b'])", id="texts"),
        param(
            dsl.regionId("r:g:a:k", "r:g:b:k", resolution=5),
            "regionId(nVal('r:g:a:k'), nVal('r:g:b:k'), 5)",
            id="by name",
        ),
        param(nFill(iVal("basis:i"), -1), "nFill(iVal('basis:i'), -1.0)", id="integers widen"),
    ],
)
def test_python_builds_what_the_text_says(node, text):
    assert str(node) == text
    assert parse(text) == node


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        param(True, Literal(True, BOOL), id="bool is no integer"),
        param(np.float64(1.5), Literal(1.5, NUM), id="numpy float"),
        param(np.int32(3), Literal(3, INT), id="numpy integer"),
        param(np.array([1, 2]), Literal((1.0, 2.0), DType.VECTOR), id="numpy array"),
        param(date(2024, 1, 2), Literal(datetime(2024, 1, 2), TS), id="date"),
        param(
            datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))),
            Literal(datetime(2024, 1, 1, 23), TS),
            id="zone",
        ),
        param({"a": 1}, Literal((("a", 1.0),), DType.WEIGHTS), id="map"),
    ],
)
def test_literal_of_a_python_value(value, expected):
    assert literal(value) == expected


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        param(lambda: literal(object()), DslTypeError, "cannot be a literal", id="object"),
        param(lambda: literal(2**63), DslTypeError, "64 bits", id="large"),
        param(lambda: literal({"a": "b"}), DslTypeError, "strings to numbers", id="map of texts"),
        param(lambda: literal([1, "b"]), DslTypeError, "numbers only", id="mixed"),
        param(lambda: literal("\ud800"), DslTypeError, "surrogate", id="surrogate"),
        param(lambda: X + sVal("basis:s"), DslTypeError, "integer or number, found string", id="sum of a text"),
        param(lambda: X + "text", DslTypeError, "malformed", id="text in a sum"),
        param(lambda: dsl.eq(X, "basis:y"), DslTypeError, "nVal\\('basis:y'\\)", id="text compared"),
        param(lambda: dsl.eq(X, dsl.vVal("basis:v")), DslTypeError, "found vector", id="vector compared"),
        param(lambda: dsl.maximum(dsl.vVal("basis:v")), DslTypeError, r"vectorMax\(", id="statistic of a vector"),
        param(lambda: dsl.length(dsl.aVal("basis:v")), DslTypeError, r"strings use size\(", id="length of texts"),
        param(lambda: dsl.contains(dsl.aVal("basis:v"), "a"), DslTypeError, r"includes\(", id="contains in texts"),
        param(lambda: dsl.eq(X, "text"), DslTypeError, "found string 'text'$", id="text that is no name compared"),
        param(lambda: bool(X > 1), DslTypeError, "no truth value", id="truth"),
        param(lambda: 1 < X < 2, DslTypeError, "two comparisons", id="chain"),
        param(lambda: nVal("x"), RefError, "malformed", id="name"),
        param(lambda: nVal(X), DslTypeError, "in quotes", id="name of a node"),
        param(lambda: nFill(X, X), DslTypeError, "constant", id="constant"),
        param(lambda: nFill(X, default="a"), DslTypeError, "must be number, found string", id="constant of a type"),
        param(lambda: nFill(default=1), DslTypeError, "found 0|missing", id="first missing"),
        param(lambda: dsl.regionId(X, X, resolution=99), DslTypeError, "resolution", id="bad constant"),
        param(lambda: dsl.coalesce(xs=1), DslTypeError, "by name", id="repeated by name"),
        param(lambda: dsl.nFil, AttributeError, "mean 'nFill'", id="attribute"),
    ],
)
def test_refused(build, error, says):
    with pytest.raises(error, match=says):
        build()


def test_equality_is_structural_and_ignores_positions():
    assert parse(" nVal( 'basis:x')+1") == X + 1
    assert len({parse("nVal('basis:x') + 1"), X + 1, X + 1.0}) == 1
    assert nVal("basis:y") != X
    assert nVal("basis:x") != iVal("basis:x")


def test_literals_differ_by_type_and_sign_of_zero():
    assert literal(0.0) != literal(-0.0)
    assert literal(1) != literal(1.0)
    assert literal(1) != literal(True)
    assert literal(math.nan) == literal(math.nan)
    assert len({literal(0.0), literal(-0.0), literal(0), literal(False)}) == 4


def test_integer_widens_where_a_number_is_wanted():
    node = iVal("basis:i") + 1.5
    assert node.dtype is NUM
    assert isinstance(node.args[0], Widen)
    assert node.args[0].position is None
    assert (iVal("basis:i") + 1).dtype is INT
    assert dsl.if_(True, iVal("basis:i"), 1.5).dtype is NUM
    assert (iVal("basis:i") / 2).dtype is NUM


def test_null_takes_the_type_of_its_place():
    chosen = dsl.if_(True, None, "a")
    assert chosen.args[1] == Literal(None, DType.STRING)
    assert dsl.coalesce(None).dtype is NUM
    assert nFill(None, None).args == (Literal(None, NUM), Literal(None, NUM))


def test_shared_nodes_count_each_time():
    node = X
    while node.size <= MAX_NODES // 2:
        node = node + node
    assert len(list(walk(node))) == node.depth
    with pytest.raises(DslError, match="too large"):
        node + node


def test_empty_list_is_of_the_type_wanted():
    assert dsl.oneHotOf("a", {}).args[1] == Literal((), DType.WEIGHTS)
    assert call("oneHotOf", "a", []).args[1] == Literal((), DType.WEIGHTS)


def test_literal_equals_no_other_kind_of_thing():
    assert literal(1) != 1
    assert literal("a") != X


def test_walk_yields_parts_first():
    node = (X + 1) * (X + 1)
    assert list(walk(node)) == [X, literal(1.0), X + 1, node]


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))], ids=["copy", "pickle"]
)
def test_copies_are_equal(again):
    node = dsl.if_(nFill(iVal("basis:i"), 1) > X, math.nan, -0.0)
    assert again(node) == node
    assert hash(again(node)) == hash(node)
    assert again(node).function is node.function


def test_pickles_are_equal_in_another_process():
    script = "import pickle, sys, dsl; pickle.dump(dsl.nVal('basis:x') + 1, sys.stdout.buffer)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert {X + 1: "found"}[pickle.loads(done.stdout)] == "found"


def test_nodes_are_immutable():
    with pytest.raises(AttributeError):
        X.dtype = INT
    with pytest.raises(AttributeError):
        (X + 1).name = "sub"


def test_call_checks_texts_and_python_alike():
    assert call("add", X, 1) == X + 1
    assert isinstance(call("nVal", "basis:x"), Read)
    assert isinstance(call("add", 1, 2), Call)
