"""Statistics of the training data, computed at fit. They skip null and NaN, and are null when there are no values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, NUM, STR, VEC, Var
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Count", "Maximum", "Mean", "Median", "Minimum", "Mode", "Quantile", "Quantiles", "Stddev"]

_DISCRETE = Var("D", frozenset({STR, INT, BOOL}))
_ACCURACY = 100_000
"""Quantiles are exact up to about this many rows; for more rows the error of ranks is at most 1 in this number."""


def present(F: Any, x: Column) -> Column:
    """Return the numbers with NaN replaced by null, which aggregates skip."""
    return F.nanvl(x, F.lit(None))


def _check_share(q: float) -> None:
    if not 0 <= q <= 1:
        raise ValueError(f"must be between 0 and 1, found {q}")


def check_parts(parts: int) -> None:
    if not 2 <= parts <= 1000:
        raise ValueError(f"must be between 2 and 1000, found {parts}")


@REGISTRY.statistic("count", Arg("x", NUM), returns=INT, examples=[(([1.0, None, float("nan")],), 1), (([None],), 0)])
class Count:
    """Count of the numbers that are neither null nor NaN. Never null."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.count(present(F, x))


@REGISTRY.statistic("mean", Arg("x", NUM), returns=NUM, examples=[(([1.0, None, 3.0],), 2.0), (([None],), None)])
class Mean:
    """Arithmetic mean. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.avg(present(F, x))


@REGISTRY.statistic("stddev", Arg("x", NUM), returns=NUM, examples=[(([1.0, 3.0, 5.0],), 2.0), (([1.0],), None)])
class Stddev:
    """Sample standard deviation. Null for fewer than two numbers."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.stddev_samp(present(F, x))


@REGISTRY.statistic("minimum", Arg("x", NUM), returns=NUM, examples=[(([2.0, None, 1.0, float("nan")],), 1.0)])
class Minimum:
    """The smallest number. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.min(present(F, x))


@REGISTRY.statistic("maximum", Arg("x", NUM), returns=NUM, examples=[(([2.0, None, 1.0, float("nan")],), 2.0)])
class Maximum:
    """The largest number. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.max(present(F, x))


@REGISTRY.statistic(
    "median", Arg("x", NUM), returns=NUM, examples=[(([5.0, 1.0, 2.0],), 2.0), (([1.0, 2.0, 4.0, 9.0],), 3.0)]
)
class Median:
    """The median; approximate beyond 100,000 rows. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        # percentile_approx returns the lower of two middle numbers; for the negated numbers that is the upper one.
        numbers = present(F, x)
        lower, upper = (
            F.percentile_approx(sign * numbers, F.lit(0.5), _ACCURACY) for sign in (F.lit(1.0), F.lit(-1.0))
        )
        return (lower - upper) / 2.0


@REGISTRY.statistic(
    "quantile",
    Arg("x", NUM),
    Arg("q", NUM, constant=True, check=_check_share),
    returns=NUM,
    examples=[(([4.0, 3.0, 2.0, 1.0, None], 0.25), 1.0), (([1.0, 2.0], 1.0), 2.0), (([None], 0.5), None)],
)
class Quantile:
    """The smallest number with at least a share `q` of the numbers up to it; approximate beyond 100,000 rows.

    Null when there are no values.
    """

    @staticmethod
    def aggregate(F: Any, x: Column, q: float) -> Column:
        return F.percentile_approx(present(F, x), F.lit(q), _ACCURACY)


@REGISTRY.statistic(
    "quantiles",
    Arg("x", NUM),
    Arg("parts", INT, constant=True, check=check_parts),
    returns=VEC,
    examples=[(([4.0, 3.0, 2.0, 1.0], 4), [1.0, 2.0, 3.0]), (([1.0, 1.0], 4), [1.0]), (([None], 4), None)],
)
class Quantiles:
    """The distinct quantiles between `parts` equal shares of the numbers, ascending. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column, parts: int) -> Column:
        shares = F.array(*(F.lit(part / parts) for part in range(1, parts)))
        return F.percentile_approx(present(F, x), shares, _ACCURACY)

    @staticmethod
    def finish(value: list[float] | None, parts: int) -> list[float] | None:
        return None if value is None else sorted(set(value))


@REGISTRY.statistic(
    "mode",
    Arg("x", _DISCRETE),
    returns=_DISCRETE,
    examples=[((["b", "a", "b", None],), "b"), (([2, 1],), 1), (([None],), None)],
)
class Mode:
    """The most frequent value; of equally frequent ones the smallest. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, x: Column) -> Column:
        return F.mode(x, True)
