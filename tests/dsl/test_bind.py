"""Binding: defaults, macros, statistics, and the types of sources."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal

import pytest

import dsl
from dsl import Binding, DslError, DslTypeError, UnknownReferenceError, nFill, nVal, parse
from dsl.compilers.analysis import expand, references, statistic_calls
from dsl.compilers.bind import MAX_ENTRIES, bind, to_constant
from dsl.dtypes import NUM, STR
from dsl.json_values import decode, encode
from dsl.registry import REGISTRY, Arg
from dsl.syntax.build import call
from dsl.syntax.nodes import Literal, Widen

param = pytest.param


FEATURE = "r:g:x:k"
SOURCES = {
    FEATURE: Binding("x", "double", 7.0),
    "basis:x": Binding("x", "double"),
    "basis:i": Binding("i", "int"),
    "basis:t": Binding("t", "timestamp", "2024-01-02T00:00:00"),
    "basis:s": Binding("s", "string", "none"),
    "basis:c": Binding("c", "struct<a:int>"),
}


def bound(text, **statistics):
    return bind({"y": parse(text)}, SOURCES, statistics)["y"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        param(f"nFill('{FEATURE}')", f"nFill(nVal('{FEATURE}'), 7.0)", id="declared default"),
        param("tFill('basis:t')", "tFill(tVal('basis:t'), timestamp '2024-01-02 00:00:00')", id="declared time"),
        param("sFill(sVal('basis:s'))", "sFill(sVal('basis:s'), 'none')", id="declared text"),
        param("round('basis:x')", "round(nVal('basis:x'), 0)", id="default of an argument"),
        param("regionId('basis:x', 'basis:i')", "regionId(nVal('basis:x'), nVal('basis:i'), 8, null)", id="resolution"),
        param("abs(round('basis:x'))", "abs(round(nVal('basis:x'), 0))", id="inside"),
    ],
)
def test_arguments_left_out_are_filled_in(text, expected):
    assert bound(text) == parse(expected)


def test_declared_default_of_an_integer_feature():
    sources = {FEATURE: Binding("x", "int", 3)}
    assert str(bind({"y": nFill(dsl.iVal(FEATURE))}, sources)["y"]) == f"nFill(iVal('{FEATURE}'), 3.0)"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        param("nFill('basis:x')", DslTypeError, "no declared default.*nFill\\(nVal\\('basis:x'\\), value", id="basis"),
        param("nFill(nVal('basis:x') + 1)", DslTypeError, "no declared default", id="not a feature"),
        param("nVal('basis:z')", UnknownReferenceError, "'basis:z' is not in the data; did you mean", id="unknown"),
        param("iVal('basis:x')", DslTypeError, "is double.*read it with nVal", id="double as integer"),
        param("sVal('basis:i')", DslTypeError, "nVal or iVal", id="integer as text"),
        param("nVal('basis:c')", DslTypeError, "make columns of its parts before", id="struct"),
        param("null", DslTypeError, "of type null", id="bare null"),
        param("['a']", DslTypeError, "of type strings", id="list of texts"),
        param("mean('basis:x')", DslError, "not known before fit", id="statistic"),
    ],
)
def test_refused(text, error, says):
    with pytest.raises(error, match=says):
        bound(text)


def test_error_points_into_the_text():
    with pytest.raises(DslTypeError) as caught:
        bound("1 + iVal('basis:x')")
    assert str(caught.value).endswith("1 + iVal('basis:x')\n    ^^^^^^^^^^^^^^^")


def test_macro_is_written_out():
    node = parse("zScore('basis:x')")
    assert str(node) == "zScore(nVal('basis:x'))"
    assert str(expand(node)) == "(nVal('basis:x') - mean(nVal('basis:x'))) / stddev(nVal('basis:x'))"


def test_macro_of_the_wrong_type_is_refused():
    class Shout:
        """The string in uppercase, declared as a number."""

        expand = staticmethod(lambda text: call("upper", text))

    REGISTRY.macro("shout", Arg("text", STR), returns=NUM, examples=[(("a",), 1.0)])(Shout)
    try:
        with pytest.raises(DslTypeError, match="shout: expands to string, not to number"):
            bound("shout('a')")
    finally:
        del REGISTRY._entries["shout"]


def test_statistics_are_replaced_by_their_values():
    mean = "mean(nVal('basis:x'))"
    assert bound(f"nFill('basis:x', {mean})", **{mean: 2.0}) == parse("nFill('basis:x', 2.0)")
    assert bound(f"1 + {mean}", **{mean: None}).args[1] == Literal(None, NUM)
    assert bound(f"nFill('basis:x', {mean})", **{mean: {"float": "inf"}}) == parse("nFill('basis:x', inf)")


def test_statistic_of_a_missing_label_needs_no_binding():
    text = "nVal('basis:x') - mean(nVal('basis:label'))"
    assert bound(text, **{"mean(nVal('basis:label'))": 1.0}) == parse("nVal('basis:x') - 1.0")


def test_statistic_of_the_wrong_type_is_refused():
    with pytest.raises(DslTypeError, match="which is not number"):
        bound("1 + mean('basis:x')", **{"mean(nVal('basis:x'))": "a"})


def test_references_are_ordered_and_distinct():
    nodes = [parse("nVal('basis:b') + nVal('basis:a')"), parse(f"nVal('basis:b') * nVal('{FEATURE}')")]
    assert [str(ref) for ref in references(nodes)] == ["basis:b", "basis:a", FEATURE]


def test_references_for_scoring_leave_out_labels():
    nodes = [parse("targetMean(sVal('basis:s'), 'basis:label')"), parse("nFill('basis:x', mean('basis:z'))")]
    assert [str(ref) for ref in references(nodes)] == ["basis:s", "basis:label", "basis:x", "basis:z"]
    assert [str(ref) for ref in references(nodes, for_scoring=True)] == ["basis:s", "basis:x"]


@pytest.mark.parametrize("text", ["stringIndex('basis:carrier')", "targetMean('basis:c', nVal('basis:y'))", "mean(1)"])
def test_a_statistic_of_a_constant_is_refused(text):
    with pytest.raises(DslTypeError, match=r"nothing to learn.*sVal"):
        statistic_calls([parse(text)])


def test_statistic_calls_are_distinct():
    nodes = [parse("zScore('basis:x')"), parse("nFill('basis:x', mean('basis:x'))")]
    assert [str(call) for call in statistic_calls(nodes)] == ["mean(nVal('basis:x'))", "stddev(nVal('basis:x'))"]


@pytest.mark.parametrize("text", ["mean(nFill('basis:x', mean('basis:x')))", "mean(zScore('basis:x'))"])
def test_statistic_inside_a_statistic_is_refused(text):
    with pytest.raises(DslError, match="earlier stage"):
        statistic_calls([parse(text)])


def test_large_statistic_is_refused():
    ranks = parse("frequencies(sVal('basis:s'))")
    most = {str(number): 1.0 for number in range(MAX_ENTRIES)}
    assert len(to_constant(ranks, most).value) == MAX_ENTRIES
    with pytest.raises(DslError, match=r"10001 entries.*hashBucket"):
        to_constant(ranks, {**most, "more": 1.0})


def test_integer_still_widens_when_its_parts_change():
    node = bound("if(true, iVal('basis:i') + iFill(iVal('basis:i'), 1), 1.5)")
    assert isinstance(node.args[1], Widen)


@pytest.mark.parametrize(
    "value",
    [
        param(None, id="null"),
        param(1.5, id="number"),
        param(math.inf, id="infinity"),
        param([1.0, -math.inf], id="vector"),
        param({"float": 1.0, "timestamp": math.inf}, id="map with keys like tags"),
        param({"a": 1.0}, id="map"),
        param(datetime(2024, 1, 2, 3, 4, 5, 6), id="time"),
        param(date(2024, 2, 29), id="date"),
        param([Decimal("12345678901234567890.10"), Decimal("-0.00"), Decimal("1E+3")], id="decimals"),
        param(["a"], id="texts"),
    ],
)
def test_constant_survives_json(value):
    import json

    decoded = decode(json.loads(json.dumps(encode(value), allow_nan=False)))
    assert (decoded, repr(decoded)) == (value, repr(value))


@pytest.mark.parametrize("tagged", [{"decimal": "1,5"}, {"date": "2024-02-30"}, {"timestamp": ""}, {"float": "x"}])
def test_constant_that_was_damaged_is_a_value_error(tagged):
    with pytest.raises(ValueError, match=r"."):
        decode(tagged)


def test_nan_survives_json():
    assert math.isnan(decode(encode(math.nan)))


def test_binding_is_by_canonical_name():
    assert bind({"y": nVal("@palette:r:g:x:k")}, SOURCES) == {"y": nVal(FEATURE)}
