"""Messages: the problem, its position, and suggestions."""

from __future__ import annotations

import pickle

import pytest

import dsl
from dsl.errors import DslError, DslSyntaxError, DslTypeError, Position, UnknownReferenceError, nearest

param = pytest.param


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        param(dsl.DslSyntaxError, SyntaxError, id="syntax"),
        param(dsl.DslTypeError, TypeError, id="type"),
        param(dsl.UnknownFunctionError, LookupError, id="function"),
        param(dsl.UnknownReferenceError, KeyError, id="reference"),
        param(dsl.RefError, ValueError, id="name"),
        param(dsl.RegistrationError, ValueError, id="registration"),
    ],
)
def test_error_is_the_builtin_a_caller_would_catch(error, builtin):
    assert issubclass(error, DslError)
    assert issubclass(error, builtin)
    assert str(error("all of it")) == "all of it"


def test_position_points_at_the_right_line():
    where = Position("nVal('basis:x')\n + nFil(1)", 19, 23)
    assert (where.line, where.column) == (2, 4)
    assert where.excerpt() == " + nFil(1)\n   ^^^^"


def test_position_in_a_long_line_shows_a_window():
    text = "1 + " * 1000 + "x"
    excerpt = Position(text, len(text) - 1, len(text)).excerpt()
    line, carets = excerpt.split("\n")
    assert len(line) < 130
    assert line[len(carets) - 1] == "x"


def test_position_after_the_end():
    assert Position("1 +", 3, 4).excerpt() == "1 +\n   ^"


def test_error_survives_pickling():
    error = DslTypeError("wrong", Position("abc", 0, 1))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DslTypeError
    assert str(again) == str(error) == "wrong (line 1, column 1)\nabc\n^"
    syntax = pickle.loads(pickle.dumps(DslSyntaxError("wrong", Position("abc", 1, 2))))
    assert (syntax.lineno, syntax.offset) == (1, 2)


def test_unknown_reference_shows_its_message_unquoted():
    assert str(UnknownReferenceError("no 'x'")) == "no 'x'"


def test_nearest_ignores_case():
    assert nearest("NFILL", ["nFill", "sFill"]) == "; did you mean 'nFill'?"
    assert nearest("qqq", ["nFill"]) == ""
