"""`dsl.testing` detects errors of a user's function."""

from __future__ import annotations

import math

import pytest

import dsl
from dsl import DslTypeError, parse
from dsl.dtypes import NUM
from dsl.registry import REGISTRY, Arg, Nulls
from dsl.testing import cases, check_function, same

param = pytest.param


class Half:
    """Half of a number."""

    @staticmethod
    def column(F, x):
        return x / F.lit(2.0)

    @staticmethod
    def row(x):
        return x / 2.0


class WrongRow(Half):
    """Half of most numbers."""

    @staticmethod
    def row(x):
        return x / 2.0 if x == x else 0.0


class WrongNull(Half):
    """Half of a number, with a null rule that the column breaks."""

    @staticmethod
    def column(F, x):
        return F.coalesce(x, F.lit(0.0)) / F.lit(2.0)


class WrongType(Half):
    """Half of a number, as text."""

    @staticmethod
    def column(F, x):
        return (x / F.lit(2.0)).cast("string")


@pytest.fixture
def register():
    """Register functions of a user for one test."""
    names = []

    def add(name, body, **options):
        names.append(name)
        defaults = {"returns": NUM, "examples": [((3.0,), 1.5)]}
        REGISTRY.register(name, Arg("x", NUM), **{**defaults, **options})(body)

    yield add
    for name in names:
        del REGISTRY._entries[name]


@pytest.mark.spark
def test_right_function_passes(spark, register):
    register("half", Half, inline="({x} / 2.0)")
    check_function("half", spark, random_rows=20)
    assert dsl.compile_row("half('basis:x') + 1")({"x": 3}) == 2.5
    assert str(parse("half('basis:x')")) == "half(nVal('basis:x'))"


@pytest.mark.spark
@pytest.mark.parametrize(
    ("body", "options", "says"),
    [
        param(WrongRow, {}, r"wrong\(nan\): row 0.0, column nan \(interpreted\)", id="row"),
        param(WrongNull, {}, r"wrong\(None\): row None, column 0.0", id="null rule"),
        param(WrongType, {}, "the column is string, declared number", id="type"),
        param(Half, {"inline": "({x} * 2.0)"}, "inline returns", id="inline"),
        param(Half, {"examples": [((3.0,), 1.0)]}, r"example wrong\(3.0\): expected 1.0, row 1.5", id="example"),
    ],
)
def test_wrong_function_is_caught(spark, register, body, options, says):
    register("wrong", body, **options)
    with pytest.raises(AssertionError, match=says):
        check_function("wrong", spark, random_rows=0)


def test_row_that_raises_is_caught(register):
    class Raises(Half):
        """Half of a number, or an error."""

        row = staticmethod(lambda x: math.sqrt(x))

    register("raises", Raises)
    from dsl.testing import on_row

    with pytest.raises(ValueError, match="math domain"):
        on_row(cases(REGISTRY.get("raises"), random_rows=0))


def test_statistics_have_nothing_to_compare():
    with pytest.raises(TypeError, match="only functions"):
        check_function("mean", None)


def test_checked_constants_are_respected():
    tried = cases(REGISTRY.get("regionId"), random_rows=10, limit=50)
    assert tried
    assert all(case.args[2] in (None, *range(16)) for case in tried)


def test_null_rule_of_a_call(register):
    register("handled", Half, nulls=Nulls.HANDLED)
    with pytest.raises(TypeError):
        REGISTRY.get("handled").call(None)
    with pytest.raises(DslTypeError, match="found 2"):
        REGISTRY.get("handled").call(1.0, 2.0)


@pytest.mark.parametrize(
    ("one", "other", "ulps", "equal"),
    [
        param(1.0, 1.0 + 2**-52, 0, False, id="one ulp"),
        param(1.0, 1.0 + 2**-52, 1, True, id="one ulp allowed"),
        param(0.0, -0.0, 0, False, id="zeros"),
        param(1.7976931348623157e308, math.inf, 5, False, id="infinity is no neighbour"),
        param(math.inf, math.inf, 0, True, id="infinities"),
        param(math.nan, 1.0, 9, False, id="nan"),
        param(True, 1, 0, False, id="boolean and integer"),
        param([1.0, math.nan], [1.0, math.nan], 0, True, id="vectors"),
        param([1.0], [1.0, 2.0], 0, False, id="lengths"),
    ],
)
def test_same(one, other, ulps, equal):
    assert same(one, other, ulps) is equal
    assert same(other, one, ulps) is equal
