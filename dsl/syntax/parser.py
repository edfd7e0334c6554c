"""Parser. The grammar is LALR, and no step recurses with the text: hostile nesting ends in a plain error."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dsl.errors import DslError, DslSyntaxError, Position
from dsl.syntax.build import call, literal
from dsl.syntax.nodes import Node

if TYPE_CHECKING:
    from lark import Lark, Token
    from lark.exceptions import UnexpectedInput

__all__ = ["MAX_TEXT", "OPERATORS", "parse", "parse_cached"]

MAX_TEXT = 100_000
"""Characters of one expression."""

OPERATORS = {
    "or": "or",
    "and": "and",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "%": "mod",
}
"""Binary operators, loosest first, and their functions."""

_PREFIXES = {"not": "not", "-": "neg"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEYWORDS = {*_CONSTANTS, "and", "or", "not"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_OTHER_SPELLINGS = {"=": "==", "&": "and", "|": "or", "!": "not"}
_LONGEST_INTEGER = 19


def parse(text: str) -> Node:
    """Parse an expression.

    Parameters
    ----------
    text : str
        Such as ``"nFill(nVal('restaurant:orders:prep_time:r_id'), -1) / 60"``.

    Returns
    -------
    Node
        The tree, checked; its nodes have their positions in the text.

    Raises
    ------
    DslSyntaxError
        The syntax is invalid.
    DslError
        A function is unknown, or an argument does not fit.

    Examples
    --------
    >>> parse("nVal('@basis:distance') / 1000 > 2")
    <nVal('basis:distance') / 1000.0 > 2.0>
    >>> parse("1 + nFil(2)")
    Traceback (most recent call last):
    dsl.errors.UnknownFunctionError: unknown function 'nFil'; did you mean 'nFill'? (line 1, column 5)
    1 + nFil(2)
        ^^^^
    """
    if not isinstance(text, str):
        raise DslSyntaxError(f"expected an expression as a string, found {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise DslSyntaxError(f"the expression has {len(text)} characters; the limit is {MAX_TEXT}")
    from lark.exceptions import UnexpectedInput

    try:
        tree = _lark().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    return _Builder(text).build(tree)


@lru_cache(maxsize=8192)
def parse_cached(text: str) -> Node:
    """Parse an expression as :func:`parse` does, with a cache: trees are immutable."""
    return parse(text)


@lru_cache(maxsize=1)
def _lark() -> Lark:
    from lark import Lark

    grammar = files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


class _Builder:
    """Turns Lark's tree into ours; the methods are named after the grammar's rules."""

    def __init__(self, text: str) -> None:
        self._text = text

    def build(self, tree: Any) -> Node:
        """Fold the tree from its leaves; `iter_subtrees` does not recurse, and each subtree is replaced in place."""
        built: dict[int, Any] = {}
        for subtree in tree.iter_subtrees():
            where = Position(self._text, subtree.meta.start_pos, subtree.meta.end_pos)
            children = [built[id(child)] if hasattr(child, "children") else child for child in subtree.children]
            built[id(subtree)] = getattr(self, f"_{subtree.data}")(where, children)
        result: Node = built[id(tree)]
        return result

    def _binary(self, where: Position, parts: list[Any]) -> Node:
        left, operator, right = parts
        return call(OPERATORS[operator], left, right, position=where)

    def _prefix(self, where: Position, parts: list[Any]) -> Node:
        operator, operand = parts
        return call(_PREFIXES[operator], operand, position=where)

    def _call(self, where: Position, parts: list[Any]) -> Node:
        name, *arguments = parts
        values = [argument for argument in arguments if isinstance(argument, Node)]
        named = dict(argument for argument in arguments if not isinstance(argument, Node))
        if len(values) + len(named) < len(arguments):
            raise DslSyntaxError(f"{name}: duplicate argument by name", where)
        if any(isinstance(argument, Node) for argument in arguments[len(values) :]):
            raise DslSyntaxError(f"{name}: arguments by name come last", where)
        try:
            return call(str(name), *values, position=where, **named)
        except DslError as error:
            if error.position is not where:
                raise
            raise type(error)(error.message, _position(self._text, name)) from None

    def _named(self, _: Position, parts: list[Any]) -> tuple[str, Node]:
        name, value = parts
        return str(name), value

    def _number(self, where: Position, parts: list[Any]) -> Node:
        return self._numeral(where, parts[0], 1)

    def _negative(self, where: Position, parts: list[Any]) -> Node:
        return self._numeral(where, parts[1], -1)

    def _string(self, where: Position, parts: list[Any]) -> Node:
        return literal(self._unquoted(parts[0]), where)

    def _timestamp(self, where: Position, parts: list[Any]) -> Node:
        text = parts[0].removeprefix("timestamp").strip()[1:-1]
        try:
            return literal(datetime.fromisoformat(text), where)
        except ValueError:
            raise DslSyntaxError(f"{text!r} is not a timestamp; write timestamp '2024-01-31 12:00:00'", where) from None

    def _constant(self, where: Position, parts: list[Any]) -> Node:
        return literal(_CONSTANTS[parts[0]], where)

    def _list(self, where: Position, parts: list[Any]) -> Node:
        return literal([part.value for part in parts], where)

    def _map(self, where: Position, parts: list[Any]) -> Node:
        return literal(dict(parts), where)

    def _pair(self, _: Position, parts: list[Any]) -> tuple[str, float]:
        key, weight = parts
        return self._unquoted(key), weight.value

    def _numeral(self, where: Position, token: Token, sign: int) -> Node:
        if not token.isdecimal():
            return literal(sign * float(token), where)
        if len(token) > _LONGEST_INTEGER:
            raise DslSyntaxError("an integer must fit 64 bits; for a number write a point or an exponent", where)
        return literal(sign * int(token), where)

    def _unquoted(self, token: Token) -> str:
        def replace(match: re.Match[str]) -> str:
            codepoint = match[1] or match[2] or match[3]
            if codepoint and int(codepoint, 16) <= sys.maxunicode:
                return chr(int(codepoint, 16))
            if match[4] in _ESCAPES:
                return _ESCAPES[match[4]]
            start = _position(self._text, token).start + 1 + match.start()
            where = Position(self._text, start, start + len(match[0]))
            raise DslSyntaxError(f"unknown escape {match[0]!r}; write a backslash as \\\\", where)

        return _ESCAPE.sub(replace, token[1:-1])


def _position(text: str, token: Token) -> Position:
    start, end = token.start_pos, token.end_pos
    assert start is not None
    assert end is not None
    return Position(text, start, end)


def _syntax_error(text: str, error: UnexpectedInput) -> DslSyntaxError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedCharacters):
        return _unexpected_character(text, error.pos_in_stream or 0)
    assert isinstance(error, UnexpectedToken)
    if error.token.type == "$END":
        return _unexpected_end(text)
    previous = [token for token in (error.token_history or [])[-1:] if token is not None]
    for suspect in [*previous, error.token]:
        if suspect.type == "NAME" and (suspect is not error.token or suspect.lower() in _KEYWORDS):
            return _not_called(str(suspect), _position(text, suspect))
    where = _position(text, error.token)
    if error.token.type == "COMPARISON":
        return DslSyntaxError("comparisons do not chain; write a < b and b < c", where)
    return DslSyntaxError(f"unexpected {str(error.token)!r}{_other_spelling(error.token)}", where)


def _unexpected_end(text: str) -> DslSyntaxError:
    if not text.strip():
        return DslSyntaxError("the expression is empty")
    last = re.search(r"[A-Za-z_]\w*\s*$", text)
    if last and last[0].strip() not in _KEYWORDS:
        return _not_called(last[0].strip(), Position(text, last.start(), last.end()))
    return DslSyntaxError("the expression ends too early", Position(text, len(text), len(text) + 1))


def _not_called(name: str, where: Position) -> DslSyntaxError:
    if name.lower() in _KEYWORDS:
        return DslSyntaxError(f"unexpected {name!r}; did you mean {name.lower()!r}?", where)
    return DslSyntaxError(f"{name!r} is not called; write a feature name in quotes: nVal('basis:{name}')", where)


def _unexpected_character(text: str, start: int) -> DslSyntaxError:
    character = text[start]
    where = Position(text, start, start + 1)
    if character in "'\"":
        return DslSyntaxError("the string does not end on its line", where)
    return DslSyntaxError(f"unexpected {character!r}{_other_spelling(character)}", where)


def _other_spelling(operator: str) -> str:
    intended = _OTHER_SPELLINGS.get(operator)
    return f"; did you mean {intended!r}?" if intended else ""
