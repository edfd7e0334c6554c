"""Registration and look-up of functions."""

from __future__ import annotations

import pytest

import dsl
from dsl import RegistrationError, UnknownFunctionError
from dsl.dtypes import ANY, BOOL, INT, NUM, NUMERIC, STR, STRS, TS, VEC, DType, Var, reads, unify
from dsl.errors import DslTypeError
from dsl.registry import DECLARED, REGISTRY, Arg, Function, Nulls, Registry

param = pytest.param


X = Arg("x", NUM)


class Twice:
    """Twice the number."""

    @staticmethod
    def column(F, x):
        return x * 2

    @staticmethod
    def row(x):
        return x * 2


class Undocumented:
    column = row = staticmethod(lambda *_: None)


class Rowless:
    """A function without a row body."""

    column = staticmethod(lambda *_: None)


def registered(*args, returns=NUM, body=Twice, name="twice", **options):
    registry = Registry()
    registry.register(name, *args, returns=returns, **{"examples": [((1.0,), 2.0)], **options})(body)
    return registry._entries[name]


def test_function_is_found_with_all_it_was_given():
    function = registered(X, ulps=1, edges={"x": [1.0]}, inline="({x} * 2)")
    assert (function.name, function.args, function.returns, function.ulps) == ("twice", (X,), NUM, 1)
    assert function.nulls is Nulls.PROPAGATE
    assert function.doc == "Twice the number."
    assert function.inline == {None: "({x} * 2)"}
    assert function.call(2.0) == 4.0
    assert function.call(None) is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        param(lambda: registered(X, name="Twice"), "lowercase letter", id="name"),
        param(lambda: registered(X, body=Undocumented), "docstring", id="docstring"),
        param(lambda: registered(X, body=Rowless), "'row'", id="body"),
        param(lambda: registered(X, examples=[]), "example", id="examples"),
        param(lambda: registered(X, X), "same name", id="names"),
        param(lambda: registered(Arg("x", DType.WEIGHTS)), "must be constant", id="weights"),
        param(lambda: registered(Arg("x", NUM, default=1.0), Arg("y", NUM)), "required, then", id="order"),
        param(lambda: registered(Arg("x", NUM, repeated=True), Arg("y", NUM)), "fewer follow", id="after repeated"),
        param(lambda: registered(X, returns=ANY), "type variable T", id="variable"),
        param(lambda: registered(X, inline="{y}"), "inline", id="placeholder"),
    ],
)
def test_register_refuses(make, says):
    with pytest.raises(RegistrationError, match=says):
        make()


def test_register_refuses_a_second_of_the_name():
    with pytest.raises(RegistrationError, match="already registered"):
        REGISTRY.register("nFill", X, returns=NUM, examples=[((1.0,), 2.0)])(Twice)
    with pytest.raises(RegistrationError, match="already registered"):
        REGISTRY.register("nVal", X, returns=NUM, examples=[((1.0,), 2.0)])(Twice)


def test_unknown_function_offers_the_nearest():
    with pytest.raises(UnknownFunctionError, match="mean 'regionId'"):
        REGISTRY.get("regionID")


def test_registry_is_sorted_and_complete():
    names = [function.name for function in REGISTRY]
    assert names == sorted(names)
    assert len(REGISTRY) == len(names) >= 60
    assert {"nFill", "regionId", "if", "add"} <= set(names)
    assert all(isinstance(function, Function) for function in REGISTRY)
    assert {statistic.name for statistic in REGISTRY.statistics} >= {"mean", "quantile"}
    assert {macro.name for macro in REGISTRY.macros} >= {"zScore"}
    assert REGISTRY.get("nFill").family == "nulls"


def test_every_name_is_an_attribute_with_a_docstring():
    assert set(dsl.__all__) <= set(dir(dsl))
    for name in dir(dsl):
        assert getattr(dsl, name).__doc__, name
    assert dsl.has_function("nVal")
    assert not dsl.has_function("nope")
    assert dsl.if_.__name__ == "if_"


@pytest.mark.parametrize(
    ("args", "count", "names"),
    [
        param([X], 1, "x", id="one"),
        param([X, Arg("y", NUM, default=1)], 1, "x", id="left out"),
        param([Arg("x", NUM, repeated=True)], 3, "xxx", id="repeated"),
        param([Arg("s", STR), Arg("x", NUM, repeated=True)], 3, "sxx", id="after one"),
        param([Arg("c", BOOL, repeated=True), Arg("v", NUM, repeated=True)], 4, "cvcv", id="pairs"),
        param(
            [Arg("c", BOOL, repeated=True), Arg("v", NUM, repeated=True), Arg("o", NUM, default=None)],
            5,
            "cvcvo",
            id="pairs and one",
        ),
        param([X], 0, None, id="too few"),
        param([X], 2, None, id="too many"),
        param([Arg("x", NUM, repeated=True)], 0, None, id="none repeated"),
        param([Arg("c", BOOL, repeated=True), Arg("v", NUM, repeated=True)], 3, None, id="half a pair"),
    ],
)
def test_parameters_of_a_number_of_arguments(args, count, names):
    function = registered(*args)
    if names is None:
        with pytest.raises(DslTypeError, match=f"found {count} argument"):
            function.parameters(count)
    else:
        assert "".join(arg.name for arg in function.parameters(count)) == names


def test_usage_shows_defaults():
    function = registered(X, Arg("d", NUM, default=1.0), Arg("e", NUM, default=DECLARED))
    assert function.usage == "twice(x, d=1.0, e=<declared>)"
    assert registered(Arg("x", NUM, repeated=True)).usage == "twice(x...)"


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        param(INT, NUM, NUM, id="widens"),
        param(DType.NULL, STR, STR, id="null"),
        param(STR, DType.NULL, STR, id="null second"),
        param(TS, TS, TS, id="same"),
        param(BOOL, INT, None, id="boolean is no number"),
    ],
)
def test_unify(one, other, joined):
    assert unify(one, other) is joined


@pytest.mark.parametrize(
    ("dtype", "source", "can"),
    [
        param(NUM, "tinyint", True, id="tinyint as number"),
        param(NUM, "decimal(38,18)", True, id="decimal"),
        param(NUM, "string", False, id="string as number"),
        param(NUM, "boolean", False, id="boolean as number"),
        param(INT, "bigint", True, id="bigint"),
        param(INT, "float", False, id="float as integer"),
        param(STR, "string", True, id="string"),
        param(TS, "date", True, id="date"),
        param(TS, "timestamp_ntz", True, id="ntz"),
        param(TS, "bigint", False, id="bigint as time"),
        param(VEC, "array<bigint>", True, id="array of bigint"),
        param(VEC, "array<string>", False, id="array of string"),
        param(STRS, "array<string>", True, id="texts"),
        param(STRS, "array<int>", False, id="texts of int"),
        param(VEC, "array<array<double>>", False, id="nested array"),
    ],
)
def test_reads(dtype, source, can):
    assert reads(dtype, source) is can


def test_variable_of_nulls_is_a_number_if_it_can():
    assert ANY.fallback is NUM
    assert NUMERIC.fallback is NUM
    assert Var("K", frozenset({STR, INT})).fallback is INT
