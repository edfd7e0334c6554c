"""Printer: the canonical text of a tree. Parsing the text gives an equal tree."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dsl.dtypes import DType
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen

__all__ = ["to_text"]

# Binding strength of the outermost operator: a weaker operand than its position allows is put in parentheses.
_COMPARISON, _SUM, _PRODUCT, _ATOM = 4, 5, 6, 8
_INFIX = {
    "or": ("or", 1),
    "and": ("and", 2),
    "eq": ("==", _COMPARISON),
    "ne": ("!=", _COMPARISON),
    "lt": ("<", _COMPARISON),
    "le": ("<=", _COMPARISON),
    "gt": (">", _COMPARISON),
    "ge": (">=", _COMPARISON),
    "add": ("+", _SUM),
    "sub": ("-", _SUM),
    "mul": ("*", _PRODUCT),
    "div": ("/", _PRODUCT),
    "mod": ("%", _PRODUCT),
}
_PREFIX = {"not": ("not ", 3), "neg": ("-", 7)}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def to_text(node: Node) -> str:
    """Return the canonical text of an expression.

    Examples
    --------
    >>> from dsl import parse
    >>> to_text(parse("(1+2) * 3 - (4 - 5)"))
    '(1 + 2) * 3 - (4 - 5)'
    """
    return _print(node)[0]


def _print(node: Node) -> tuple[str, int]:
    match node:
        case Widen(arg):
            return _print(arg)
        case Read(ref):
            return f"{node.reader}('{ref}')", _ATOM
        case Literal(value, dtype):
            return _literal(value, dtype), _ATOM
        case Call(name=name, args=(left, right)) if name in _INFIX:
            operator, strength = _INFIX[name]
            # Comparisons do not chain, so that both sides of one must bind more tightly.
            first = _within(left, strength + (strength == _COMPARISON))
            return f"{first} {operator} {_within(right, strength + 1)}", strength
        case Call(name=name, args=(operand,)) if name in _PREFIX:
            operator, strength = _PREFIX[name]
            return f"{operator}{_within(operand, strength)}", strength
    assert isinstance(node, Call)
    return f"{node.name}({', '.join(_print(arg)[0] for arg in node.args)})", _ATOM


def _within(node: Node, strength: int) -> str:
    text, strength_of_node = _print(node)
    return text if strength_of_node >= strength else f"({text})"


def _literal(value: Any, dtype: DType) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case datetime():
            return f"timestamp '{value}'"
        case tuple() if dtype is DType.WEIGHTS:
            return "{" + ", ".join(f"{_quoted(key)}: {weight!r}" for key, weight in value) + "}"
        case tuple():
            return "[" + ", ".join(_literal(item, dtype) for item in value) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    escaped = (
        _ESCAPES.get(character) or (character if character.isprintable() else f"\\U{ord(character):08x}")
        for character in text
    )
    return f"'{''.join(escaped)}'"
