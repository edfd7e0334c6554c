"""Arithmetic: the operators ``+ - * / %`` and the minus sign.

Doubles follow IEEE 754, so a result that is too large is infinite. Integers have 64 bits; an overflow gives null.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dsl.dtypes import NUM, NUMERIC
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Add", "Div", "Mod", "Mul", "Neg", "Sub", "in_range"]

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


def in_range(value: float) -> float | None:
    """Return the number, or None for an integer beyond 64 bits."""
    return value if value.__class__ is float or MIN_INTEGER <= value <= MAX_INTEGER else None


@REGISTRY.register(
    "add",
    Arg("x", NUMERIC),
    Arg("y", NUMERIC),
    returns=NUMERIC,
    examples=[((0.5, 2.0), 2.5), ((1, 2), 3), ((MAX_INTEGER, 1), None), ((1e308, 1e308), math.inf)],
    inline={NUM: "({x} + {y})"},
)
class Add:
    """Sum, ``x + y``. Null on integer overflow."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.try_add(x, y)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        return in_range(x + y)


@REGISTRY.register(
    "sub",
    Arg("x", NUMERIC),
    Arg("y", NUMERIC),
    returns=NUMERIC,
    examples=[((0.5, 2.0), -1.5), ((1, 2), -1), ((MIN_INTEGER, 1), None)],
    inline={NUM: "({x} - {y})"},
)
class Sub:
    """Difference, ``x - y``. Null on integer overflow."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.try_subtract(x, y)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        return in_range(x - y)


@REGISTRY.register(
    "mul",
    Arg("x", NUMERIC),
    Arg("y", NUMERIC),
    returns=NUMERIC,
    examples=[((0.5, 2.0), 1.0), ((3, -2), -6), ((2**62, 2), None)],
    inline={NUM: "({x} * {y})"},
)
class Mul:
    """Product, ``x * y``. Null on integer overflow."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.try_multiply(x, y)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        return in_range(x * y)


@REGISTRY.register(
    "div",
    Arg("x", NUM),
    Arg("y", NUM),
    returns=NUM,
    examples=[((1.0, 4.0), 0.25), ((1.0, 0.0), None), ((0.0, -0.0), None)],
    inline="({x} / {y} if {y} else None)",
)
class Div:
    """Quotient, ``x / y``, always a double. Null when `y` is zero."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.try_divide(x, y)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        return x / y if y else None


@REGISTRY.register(
    "mod",
    Arg("x", NUMERIC),
    Arg("y", NUMERIC),
    returns=NUMERIC,
    examples=[((5, 3), 2), ((-5, 3), -2), ((5, -3), 2), ((5.5, 2.0), 1.5), ((5, 0), None)],
)
class Mod:
    """Remainder, ``x % y``, with the sign of `x`. Null when `y` is zero."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.try_mod(x, y)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        if not y:
            return None
        if x.__class__ is float:
            return math.nan if math.isinf(x) else math.fmod(x, y)
        remainder = abs(x) % abs(y)
        return -remainder if x < 0 else remainder


@REGISTRY.register(
    "neg",
    Arg("x", NUMERIC),
    returns=NUMERIC,
    examples=[((2.5,), -2.5), ((3,), -3), ((MIN_INTEGER,), None)],
    inline={NUM: "(-{x})"},
)
class Neg:
    """Negation, ``-x``. Null on integer overflow, for the smallest integer."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.try_multiply(x, F.lit(-1))  # 0 - x would lose the sign of zero

    @staticmethod
    def row(x: float) -> float | None:
        return in_range(-x)
