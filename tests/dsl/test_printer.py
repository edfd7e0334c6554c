"""Trees print as canonical text, which parses to the same tree."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl import literal, parse
from dsl.testing import same

param = pytest.param


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        param("nVal('@basis:x')+1", "nVal('basis:x') + 1.0", id="coerced"),
        param("((1-2)-3)-(4-5)", "1 - 2 - 3 - (4 - 5)", id="parentheses"),
        param("1*2+3*4", "1 * 2 + 3 * 4", id="precedence"),
        param("(1+2)*3", "(1 + 2) * 3", id="sum in product"),
        param("-(nVal('basis:x'))", "-nVal('basis:x')", id="minus"),
        param("-(nVal('basis:x')+1)", "-(nVal('basis:x') + 1.0)", id="minus of a sum"),
        param("-(-9223372036854775808)", "--9223372036854775808", id="minus of the least"),
        param("2 - -3", "2 - -3", id="minus a negative"),
        param("(1 < 2) == (2 < 3)", "(1 < 2) == (2 < 3)", id="comparisons compared"),
        param("not (true and false)", "not (true and false)", id="not of and"),
        param("(not true) and false", "not true and false", id="and of not"),
        param("not (1 < 2)", "not 1 < 2", id="not of comparison"),
        param("true and (false and true)", "true and (false and true)", id="right nested"),
        param("(true or false) and true", "(true or false) and true", id="or in and"),
        param("neg(1 + 2)", "-(1 + 2)", id="function form"),
        param("add(1, 2)", "1 + 2", id="add as a function"),
        param("if(true,null,1)", "if(true, null, 1)", id="if"),
        param('upper("it\'s")', r"upper('it\'s')", id="quotes"),
        param(r"upper('\n\0\u200b\\')", r"upper('\n\U00000000\U0000200b\\')", id="invisible characters"),
        param("lookup('a',{'b':1,})", "lookup('a', {'b': 1.0})", id="weights"),
        param("1e22 * 1e-7", "1e+22 * 1e-07", id="exponents"),
        param("inf - -nan", "inf - nan", id="not finite"),
        param("regionId('r:g:lat:k','r:g:long:k',8)", "regionId(nVal('r:g:lat:k'), nVal('r:g:long:k'), 8)", id="geo"),
        param("iVal('basis:i') * 1.5", "iVal('basis:i') * 1.5", id="widened"),
    ],
)
def test_canonical_text(text, canonical):
    node = parse(text)
    assert str(node) == canonical
    assert parse(canonical) == node
    assert hash(parse(canonical)) == hash(node)


VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(),
    st.datetimes(),
    st.lists(st.floats()),
    st.lists(st.text(), min_size=1),
    st.dictionaries(st.text(), st.floats()),
)


@given(VALUES)
def test_literal_survives(value):
    node = literal(value)
    again = parse(str(node))
    assert again == node
    assert again.plain == node.plain or same(again.plain, node.plain) or repr(again.plain) == repr(node.plain)


def test_time_prints_to_the_microsecond():
    assert str(literal(datetime(2024, 1, 2, 3, 4, 5, 6))) == "timestamp '2024-01-02 03:04:05.000006'"


def test_repr_is_the_text():
    assert repr(parse("nVal('basis:x')")) == "<nVal('basis:x')>"
