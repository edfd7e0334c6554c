"""Scaling by statistics of the training data."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dsl.dtypes import INT, NUM, VEC
from dsl.functions.statistics import check_parts
from dsl.registry import REGISTRY, Arg
from dsl.syntax.build import call
from dsl.syntax.nodes import Node

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Bucket", "Bucketize", "MinMax", "RobustScale", "ZScore"]

_X = Arg("x", NUM)


def _check_splits(splits: Sequence[float]) -> None:
    if any(math.isnan(split) for split in splits) or any(low >= high for low, high in pairwise(splits)):
        raise ValueError(f"must be ascending numbers, found {splits}")


@REGISTRY.register(
    "bucket",
    _X,
    Arg("splits", VEC, constant=True, check=_check_splits),
    returns=INT,
    examples=[((0.5, [1.0, 2.0]), 0), ((1.0, [1.0, 2.0]), 1), ((9.0, [1.0, 2.0]), 2), ((math.nan, [1.0]), None)],
    edges={"splits": [[], [0.0], [-1.0, 0.5, 2.5], [-math.inf, math.inf]]},
)
class Bucket:
    """Number of splits less than or equal to `x`: 0 below the first. Null for NaN."""

    @staticmethod
    def column(F: Any, x: Column, splits: Sequence[float]) -> Column:
        points = F.array(*map(F.lit, splits)).cast("array<double>")
        # A lambda may not refer to a Column with a UDF in it, so the number is passed as data.
        reached = F.zip_with(points, F.array_repeat(x, len(splits)), lambda point, number: point <= number)
        count = F.array_size(F.filter(reached, lambda is_reached: is_reached))
        return F.when(x.isNotNull() & ~F.isnan(x), count.cast("bigint"))

    @staticmethod
    def row(x: float, splits: Sequence[float]) -> int | None:
        return None if math.isnan(x) else bisect_right(splits, x)


@REGISTRY.macro(
    "bucketize",
    _X,
    Arg("parts", INT, constant=True, check=check_parts),
    returns=INT,
    examples=[(([4.0, 3.0, 2.0, 1.0, None], 2), [1, 1, 1, 0, None])],
)
class Bucketize:
    """Index, from 0, of the number's bucket among `parts` equal shares of the training data (as far as ties allow).

    Null for NaN, or when there were no values.
    """

    @staticmethod
    def expand(x: Node, parts: int) -> Node:
        return call("bucket", x, call("quantiles", x, parts))


@REGISTRY.macro("zScore", _X, returns=NUM, examples=[(([1.0, 3.0, 5.0, None],), [-1.0, 0.0, 1.0, None])])
class ZScore:
    """Distance from the mean in standard deviations. Null when all numbers were equal."""

    @staticmethod
    def expand(x: Node) -> Node:
        return (x - call("mean", x)) / call("stddev", x)


@REGISTRY.macro("minMax", _X, returns=NUM, examples=[(([1.0, 3.0, 5.0, None],), [0.0, 0.5, 1.0, None])])
class MinMax:
    """The number scaled to 0 at the smallest and 1 at the largest. Null when all numbers were equal."""

    @staticmethod
    def expand(x: Node) -> Node:
        least = call("minimum", x)
        return (x - least) / (call("maximum", x) - least)


@REGISTRY.macro(
    "robustScale", _X, returns=NUM, examples=[(([1.0, 2.0, 3.0, 4.0, 90.0],), [-1.0, -0.5, 0.0, 0.5, 43.5])]
)
class RobustScale:
    """Distance from the median, divided by the interquartile range. Null when the quartiles were equal."""

    @staticmethod
    def expand(x: Node) -> Node:
        spread = call("quantile", x, 0.75) - call("quantile", x, 0.25)
        return (x - call("median", x)) / spread
