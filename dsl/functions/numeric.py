"""Numbers: rounding, limits and conversions."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, NUM, NUMERIC, STR, Var
from dsl.functions.operators import MAX_INTEGER, MIN_INTEGER, in_range
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Abs", "Ceil", "Clip", "Floor", "ParseInteger", "ParseNumber", "Round", "Sign", "ToInteger", "ToNumber"]

_CONVERTIBLE = Var("C", frozenset({NUM, INT, BOOL}))
_EXACT = Context(prec=400)  # holds every digit of every double
_INTEGER = r"[+-]?[0-9]{1,19}"
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_SPELLINGS = {
    "text": [
        *(None, "", "0", "-0", "+7", "-12", "007", " 1", "1 ", "1\n", "1_0", "1,5", "1.", ".5", ".", "-.5e-3", "--1"),
        *("1e5", "1e999", "1e-999", "0x10", "1d", "1f", "NaN", "Infinity", "inf", "٣", "²", "１", "9" * 19, "9" * 20),
        *("-9223372036854775808", "9223372036854775808", "0.1" + "0" * 400, "2.2250738585072011e-308"),
    ],
}
_is_integer = re.compile(_INTEGER).fullmatch
_is_number = re.compile(_NUMBER).fullmatch


def _fits_integer(x: Column) -> Column:
    """Return whether the integer part of a double fits 64 bits; NaN, which sorts above them, does not."""
    return (x >= float(MIN_INTEGER)) & (x < -float(MIN_INTEGER))


def _check_digits(digits: int) -> None:
    if not 0 <= digits <= 15:
        raise ValueError(f"must be between 0 and 15, found {digits}")


def _check_limit(limit: float) -> None:
    if math.isnan(limit):
        raise ValueError("must not be NaN")


@REGISTRY.register(
    "abs",
    Arg("x", NUMERIC),
    returns=NUMERIC,
    examples=[((-2.5,), 2.5), ((-3,), 3), ((MIN_INTEGER,), None)],
)
class Abs:
    """Absolute value. Null for the smallest integer, whose absolute value does not fit 64 bits."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(x > 0, x).otherwise(F.try_subtract(F.lit(0), x))  # 0 - x turns -0.0 into 0.0

    @staticmethod
    def row(x: float) -> float | None:
        return in_range(abs(x))


@REGISTRY.register(
    "sign",
    Arg("x", NUM),
    returns=NUM,
    examples=[((-2.5,), -1.0), ((0.0,), 0.0), ((7.0,), 1.0), ((math.nan,), math.nan)],
)
class Sign:
    """-1, 0 or 1 for a negative number, zero or a positive one; NaN for NaN. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.signum(x)

    @staticmethod
    def row(x: float) -> float:
        return x if x == 0 or x != x else math.copysign(1.0, x)


@REGISTRY.register(
    "round",
    Arg("x", NUM),
    Arg("digits", INT, constant=True, default=0, check=_check_digits),
    returns=NUM,
    examples=[((2.5, 0), 3.0), ((-0.5, 0), -1.0), ((1.005, 2), 1.01)],
    edges={"digits": [0, 1, 2, 7, 15]},
)
class Round:
    """The number rounded to `digits` decimals; halves, as printed, round away from zero. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column, digits: int) -> Column:
        return F.round(x, digits)

    @staticmethod
    def row(x: float, digits: int) -> float:
        if not math.isfinite(x):
            return x
        return float(Decimal(repr(x)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)) + 0.0


@REGISTRY.register(
    "floor",
    Arg("x", NUM),
    returns=INT,
    examples=[((2.7,), 2), ((-2.1,), -3), ((1e300,), None), ((math.nan,), None)],
)
class Floor:
    """The largest integer less than or equal to `x`. Null when it does not fit 64 bits, or for NaN."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(_fits_integer(x), F.floor(x))

    @staticmethod
    def row(x: float) -> int | None:
        return math.floor(x) if MIN_INTEGER <= x <= MAX_INTEGER else None


@REGISTRY.register(
    "ceil",
    Arg("x", NUM),
    returns=INT,
    examples=[((2.1,), 3), ((-2.7,), -2), ((1e300,), None), ((math.nan,), None)],
)
class Ceil:
    """The smallest integer greater than or equal to `x`. Null when it does not fit 64 bits, or for NaN."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(_fits_integer(x), F.ceil(x))

    @staticmethod
    def row(x: float) -> int | None:
        return math.ceil(x) if MIN_INTEGER <= x <= MAX_INTEGER else None


@REGISTRY.register(
    "clip",
    Arg("x", NUM),
    Arg("low", NUM, constant=True, check=_check_limit),
    Arg("high", NUM, constant=True, check=_check_limit),
    returns=NUM,
    examples=[((5.0, 0.0, 1.0), 1.0), ((-5.0, 0.0, 1.0), 0.0), ((math.nan, 0.0, 1.0), math.nan)],
    edges={"low": [-math.inf, -0.5, 0.0, 1.0], "high": [0.0, 1.0, math.inf]},
    inline="({low} if {x} < {low} else {high} if {x} > {high} else {x})",
)
class Clip:
    """The number limited to the range from `low` to `high`; NaN stays NaN. Null when `x` or a limit is null."""

    @staticmethod
    def column(F: Any, x: Column, low: float, high: float) -> Column:
        return F.when(x < low, low).when((x > high) & ~F.isnan(x), high).otherwise(x)

    @staticmethod
    def row(x: float, low: float, high: float) -> float:
        if x < low:
            return low
        return high if x > high else x


@REGISTRY.register(
    "toInteger",
    Arg("x", _CONVERTIBLE),
    returns=INT,
    examples=[((2.9,), 2), ((-2.9,), -2), ((True,), 1), ((1e30,), None), ((math.nan,), None)],
)
class ToInteger:
    """The integer part of a number; 1 for true, 0 for false. Null when it does not fit 64 bits, or for NaN."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return x.try_cast("bigint")

    @staticmethod
    def row(x: float) -> int | None:
        return int(x) if MIN_INTEGER <= x <= MAX_INTEGER else None


@REGISTRY.register(
    "toNumber",
    Arg("x", _CONVERTIBLE),
    returns=NUM,
    examples=[((2,), 2.0), ((True,), 1.0), ((2**53 + 1,), 2.0**53)],
)
class ToNumber:
    """The nearest double to an integer; 1.0 for true, 0.0 for false. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return x.cast("double")

    @staticmethod
    def row(x: float) -> float:
        return float(x)


@REGISTRY.register(
    "parseInteger",
    Arg("text", STR),
    returns=INT,
    edges=_SPELLINGS,
    examples=[(("-12",), -12), (("1_0",), None), (("9223372036854775808",), None), ((" 1",), None)],
)
class ParseInteger:
    """The integer that a string represents: an optional sign, then ASCII digits. Null for any other string."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.when(text.rlike(rf"^{_INTEGER}\z"), text.try_cast("bigint"))

    @staticmethod
    def row(text: str) -> int | None:
        return in_range(int(text)) if _is_integer(text) else None  # type: ignore[return-value]


@REGISTRY.register(
    "parseNumber",
    Arg("text", STR),
    returns=NUM,
    edges=_SPELLINGS,
    examples=[(("1e5",), 100000.0), (("-.5",), -0.5), (("1,5",), None), (("nan",), None), (("1e999",), math.inf)],
)
class ParseNumber:
    """The double that a string represents in ASCII digits, with fraction and exponent. Null for any other string."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.when(text.rlike(rf"^{_NUMBER}\z"), text.try_cast("double"))

    @staticmethod
    def row(text: str) -> float | None:
        return float(text) if _is_number(text) else None
