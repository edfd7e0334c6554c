"""Elementary functions.

The libraries of Java and C may differ in the last places. Each function declares by how much: more than the largest
difference for a million random arguments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dsl.dtypes import NUM
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Acos", "Asin", "Atan", "Atan2", "Cos", "Degrees", "Exp", "Ln", "Log1p", "Log10", "Pow", "Radians",
    "Sigmoid", "Sin", "Sqrt", "Tan", "Tanh"]  # fmt: skip


def _not_infinite(F: Any, x: Column) -> Column:
    return F.isnan(x) | (F.abs(x) < math.inf)


@REGISTRY.register(
    "sqrt", Arg("x", NUM), returns=NUM, examples=[((4.0,), 2.0), ((-1.0,), None), ((math.nan,), math.nan)]
)
class Sqrt:
    """Square root. Null for a negative number."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(x >= 0, F.sqrt(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if x < 0 else math.sqrt(x)


@REGISTRY.register("exp", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 1.0), ((1000.0,), math.inf)])
class Exp:
    """`e` to the power of `x`; infinite when that is too large for a double. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.exp(x)

    @staticmethod
    def row(x: float) -> float:
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf


@REGISTRY.register("ln", Arg("x", NUM), returns=NUM, ulps=1, examples=[((1.0,), 0.0), ((0.0,), None), ((-1.0,), None)])
class Ln:
    """Natural logarithm. Null for zero and below."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.ln(x)

    @staticmethod
    def row(x: float) -> float | None:
        return None if x <= 0 else math.log(x)


@REGISTRY.register("log10", Arg("x", NUM), returns=NUM, ulps=2, examples=[((1000.0,), 3.0), ((0.0,), None)])
class Log10:
    """Decimal logarithm. Null for zero and below."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.log10(x)

    @staticmethod
    def row(x: float) -> float | None:
        return None if x <= 0 else math.log10(x)


@REGISTRY.register("log1p", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 0.0), ((-1.0,), None)])
class Log1p:
    """Natural logarithm of ``1 + x``, accurate near zero. Null for -1 and below."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.log1p(x)

    @staticmethod
    def row(x: float) -> float | None:
        return None if x <= -1 else math.log1p(x)


@REGISTRY.register(
    "pow",
    Arg("x", NUM),
    Arg("y", NUM),
    returns=NUM,
    ulps=1,
    examples=[((2.0, 10.0), 1024.0), ((0.0, -1.0), None), ((-8.0, 0.5), None), ((10.0, 400.0), math.inf)],
)
class Pow:
    """`x` to the power of `y`; infinite when that is too large for a double. Null when it is undefined."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        power = F.pow(x, y)
        undefined = F.isnan(power) & ~F.isnan(x) & ~F.isnan(y)
        return F.when(~(undefined | ((x == 0) & (y < 0))), power)

    @staticmethod
    def row(x: float, y: float) -> float | None:
        if (math.isinf(y) and abs(x) == 1) or (x == 0 and y < 0):
            return None
        if x == 1 and math.isnan(y):
            return y
        try:
            return math.pow(x, y)
        except ValueError:  # a negative number, and a power that is not an integer
            return None
        except OverflowError:
            return -math.inf if x < 0 and y % 2 == 1 else math.inf


@REGISTRY.register("sin", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 0.0), ((math.inf,), None)])
class Sin:
    """Sine of an angle in radians. Null for infinity."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(_not_infinite(F, x), F.sin(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if math.isinf(x) else math.sin(x)


@REGISTRY.register("cos", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 1.0), ((math.inf,), None)])
class Cos:
    """Cosine of an angle in radians. Null for infinity."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(_not_infinite(F, x), F.cos(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if math.isinf(x) else math.cos(x)


@REGISTRY.register("tan", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 0.0), ((math.inf,), None)])
class Tan:
    """Tangent of an angle in radians. Null for infinity."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(_not_infinite(F, x), F.tan(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if math.isinf(x) else math.tan(x)


@REGISTRY.register("asin", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 0.0), ((1.5,), None)])
class Asin:
    """Arc sine, in radians. Null outside -1 to 1."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(F.isnan(x) | (F.abs(x) <= 1), F.asin(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if abs(x) > 1 else math.asin(x)


@REGISTRY.register("acos", Arg("x", NUM), returns=NUM, ulps=1, examples=[((1.0,), 0.0), ((1.5,), None)])
class Acos:
    """Arc cosine, in radians. Null outside -1 to 1."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.when(F.isnan(x) | (F.abs(x) <= 1), F.acos(x))

    @staticmethod
    def row(x: float) -> float | None:
        return None if abs(x) > 1 else math.acos(x)


@REGISTRY.register("atan", Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0,), 0.0)])
class Atan:
    """Arc tangent, in radians. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.atan(x)

    @staticmethod
    def row(x: float) -> float:
        return math.atan(x)


@REGISTRY.register(
    "atan2", Arg("y", NUM), Arg("x", NUM), returns=NUM, ulps=1, examples=[((0.0, 1.0), 0.0), ((-0.0, 1.0), 0.0)]
)
class Atan2:
    """Angle of the point (`x`, `y`), in radians. Null when either is null."""

    @staticmethod
    def column(F: Any, y: Column, x: Column) -> Column:
        return F.atan2(y, x)

    @staticmethod
    def row(y: float, x: float) -> float:
        return math.atan2(y + 0.0, x + 0.0)  # as in Spark, which has no negative zero here


@REGISTRY.register("tanh", Arg("x", NUM), returns=NUM, ulps=4, examples=[((0.0,), 0.0), ((math.inf,), 1.0)])
class Tanh:
    """Hyperbolic tangent, from -1 to 1. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.tanh(x)

    @staticmethod
    def row(x: float) -> float:
        return math.tanh(x)


@REGISTRY.register("sigmoid", Arg("x", NUM), returns=NUM, ulps=5, examples=[((0.0,), 0.5), ((-1000.0,), 0.0)])
class Sigmoid:
    """Logistic function ``1 / (1 + exp(-x))``, from 0 to 1. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.lit(1.0) / (F.exp(-x) + 1.0)

    @staticmethod
    def row(x: float) -> float:
        return 1.0 / (Exp.row(-x) + 1.0)


@REGISTRY.register("radians", Arg("x", NUM), returns=NUM, examples=[((180.0,), math.pi)])
class Radians:
    """Conversion of degrees to radians. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.radians(x)

    @staticmethod
    def row(x: float) -> float:
        return math.radians(x)


@REGISTRY.register("degrees", Arg("x", NUM), returns=NUM, examples=[((math.pi,), 180.0)])
class Degrees:
    """Conversion of radians to degrees. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return F.degrees(x)

    @staticmethod
    def row(x: float) -> float:
        return math.degrees(x)
