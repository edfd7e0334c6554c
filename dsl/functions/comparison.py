"""Comparisons. NaN equals itself and is larger than any other number; strings compare by code point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dsl.dtypes import ANY, BOOL, INT, NUM, ORDERED, STR, TS, Var
from dsl.functions.logic import And
from dsl.registry import REGISTRY, Arg, Nulls

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Between", "Eq", "Ge", "Greatest", "Gt", "IsIn", "Le", "Least", "Lt", "Ne"]

LITERAL = Var("L", frozenset({NUM, INT, STR, BOOL}))


def _inline(plain: str, number: str) -> dict[Any, str]:
    return {INT: plain, STR: plain, BOOL: plain, TS: plain, NUM: number}


def equal(x: Any, y: Any) -> bool:
    """Return whether two values that are not None are equal; NaN equals NaN."""
    if x.__class__ is list:
        return len(x) == len(y) and all(map(equal, x, y))
    return x == y or (x != x and y != y)


@REGISTRY.register(
    "eq",
    Arg("x", ANY),
    Arg("y", ANY),
    returns=BOOL,
    examples=[((1.0, 1.0), True), ((math.nan, math.nan), True), (("a", "A"), False), ((0.0, -0.0), True)],
    inline=_inline("({x} == {y})", "({x} == {y} or ({x} != {x} and {y} != {y}))"),
)
class Eq:
    """Whether `x` equals `y`, ``x == y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x == y

    row = staticmethod(equal)


@REGISTRY.register(
    "ne",
    Arg("x", ANY),
    Arg("y", ANY),
    returns=BOOL,
    examples=[((1.0, 2.0), True), ((math.nan, math.nan), False), (("a", "A"), True)],
    inline=_inline("({x} != {y})", "({x} != {y} and ({x} == {x} or {y} == {y}))"),
)
class Ne:
    """Whether `x` differs from `y`, ``x != y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x != y

    @staticmethod
    def row(x: Any, y: Any) -> bool:
        return not equal(x, y)


@REGISTRY.register(
    "lt",
    Arg("x", ORDERED),
    Arg("y", ORDERED),
    returns=BOOL,
    examples=[((1.0, 2.0), True), ((1e308, math.nan), True), ((math.nan, math.nan), False), (("Z", "a"), True)],
    inline=_inline("({x} < {y})", "({x} < {y} or ({y} != {y} and {x} == {x}))"),
)
class Lt:
    """Whether `x` is less than `y`, ``x < y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x < y

    @staticmethod
    def row(x: Any, y: Any) -> bool:
        return x < y or (y != y and x == x)


@REGISTRY.register(
    "le",
    Arg("x", ORDERED),
    Arg("y", ORDERED),
    returns=BOOL,
    examples=[((1.0, 1.0), True), ((math.nan, math.nan), True), ((math.nan, 1.0), False)],
    inline=_inline("({x} <= {y})", "({x} <= {y} or {y} != {y})"),
)
class Le:
    """Whether `x` is less than or equal to `y`, ``x <= y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x <= y

    @staticmethod
    def row(x: Any, y: Any) -> bool:
        return x <= y or y != y


@REGISTRY.register(
    "gt",
    Arg("x", ORDERED),
    Arg("y", ORDERED),
    returns=BOOL,
    examples=[((2.0, 1.0), True), ((math.nan, 1e308), True), ((True, False), True)],
    inline=_inline("({x} > {y})", "({x} > {y} or ({x} != {x} and {y} == {y}))"),
)
class Gt:
    """Whether `x` is greater than `y`, ``x > y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x > y

    @staticmethod
    def row(x: Any, y: Any) -> bool:
        return Lt.row(y, x)


@REGISTRY.register(
    "ge",
    Arg("x", ORDERED),
    Arg("y", ORDERED),
    returns=BOOL,
    examples=[((1.0, 1.0), True), ((math.nan, math.nan), True), ((1.0, math.nan), False)],
    inline=_inline("({x} >= {y})", "({x} >= {y} or {x} != {x})"),
)
class Ge:
    """Whether `x` is greater than or equal to `y`, ``x >= y``. Null when either is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x >= y

    @staticmethod
    def row(x: Any, y: Any) -> bool:
        return Le.row(y, x)


@REGISTRY.register(
    "between",
    Arg("x", ORDERED),
    Arg("low", ORDERED),
    Arg("high", ORDERED),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((2.0, 1.0, 2.0), True), ((3, 1, 2), False), ((3, None, 2), False), ((1, None, 2), None)],
)
class Between:
    """Whether ``x >= low and x <= high``. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, low: Column, high: Column) -> Column:
        return x.between(low, high)

    @staticmethod
    def row(x: Any, low: Any, high: Any) -> bool | None:
        if x is None:
            return None
        return And.row(None if low is None else Ge.row(x, low), None if high is None else Le.row(x, high))


@REGISTRY.register(
    "isIn",
    Arg("x", LITERAL),
    Arg("value", LITERAL, constant=True, repeated=True),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[(("a", "a", "b"), True), (("c", "a", "b"), False), ((None, "a"), None), (("c", "a", None), None)],
    edges={"value": [None, -0.0, math.nan, 7.0, 7, -(2**63), "", "a", "ß", True]},
)
class IsIn:
    """Whether `x` is among the values. Null when `x` is null, or when it is not among them and one of them is null."""

    @staticmethod
    def column(F: Any, x: Column, *values: Any) -> Column:
        return x.isin(*values)

    @staticmethod
    def row(x: Any, *values: Any) -> bool | None:
        if x is None:
            return None
        if x in values or (x != x and any(value != value for value in values)):  # NaN equals NaN
            return True
        return None if None in values else False


@REGISTRY.register(
    "least",
    Arg("x", ORDERED, repeated=True),
    returns=ORDERED,
    nulls=Nulls.HANDLED,
    examples=[((2.0, None, 1.0), 1.0), ((math.nan, 1.0), 1.0), ((None, None), None), (("b", "a"), "a")],
)
class Least:
    """The least of the values that are not null. Null when all are null."""

    @staticmethod
    def column(F: Any, *xs: Column) -> Column:
        return F.least(*xs) if len(xs) > 1 else xs[0]

    @staticmethod
    def row(*xs: Any) -> Any:
        least = None
        for x in xs:
            if x is not None and (least is None or Lt.row(x, least)):
                least = x
        return least


@REGISTRY.register(
    "greatest",
    Arg("x", ORDERED, repeated=True),
    returns=ORDERED,
    nulls=Nulls.HANDLED,
    examples=[((2.0, None, 1.0), 2.0), ((1.0, math.nan), math.nan), ((None, None), None), ((1, 3, 2), 3)],
)
class Greatest:
    """The greatest of the values that are not null; NaN is the greatest number. Null when all are null."""

    @staticmethod
    def column(F: Any, *xs: Column) -> Column:
        return F.greatest(*xs) if len(xs) > 1 else xs[0]

    @staticmethod
    def row(*xs: Any) -> Any:
        greatest = None
        for x in xs:
            if x is not None and (greatest is None or Lt.row(greatest, x)):
                greatest = x
        return greatest
