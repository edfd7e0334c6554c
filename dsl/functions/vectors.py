"""Lists: vectors of doubles, and lists of strings. Sums run from first to last element, so both bodies round alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, LISTED, NUM, STR, STRS, VEC
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Cosine", "Distance", "Dot", "Element", "Includes", "Norm", "Size", "Vector", "VectorMax", "VectorMean",
    "VectorMin", "VectorSum"]  # fmt: skip


def _check_index(index: int) -> None:
    if not 0 <= index < 2**31:
        raise ValueError(f"must be 0 or greater, found {index}")


def _sum(F: Any, terms: Column) -> Column:
    """Add the elements; a null among them makes the sum null."""
    return F.aggregate(terms, F.lit(0.0), lambda total, term: total + term)


@REGISTRY.register(
    "vector", Arg("x", NUM, repeated=True), returns=VEC, examples=[((1.0, 2.0), [1.0, 2.0]), ((1.0, None), None)]
)
class Vector:
    """A vector of the numbers. Null when one of them is null."""

    @staticmethod
    def column(F: Any, *xs: Column) -> Column:
        complete = xs[0].isNotNull()
        for x in xs[1:]:
            complete = complete & x.isNotNull()
        return F.when(complete, F.array(*xs))

    @staticmethod
    def row(*xs: float) -> list[float]:
        return list(xs)


@REGISTRY.register(
    "size", Arg("vector", LISTED), returns=INT, examples=[(([1.0, 2.0],), 2), (([],), 0), ((["vegan", "late"],), 2)]
)
class Size:
    """Number of elements of the vector or list of strings. Null when `vector` is null."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return F.array_size(vector).cast("bigint")

    @staticmethod
    def row(vector: list[Any]) -> int:
        return len(vector)


@REGISTRY.register(
    "includes",
    Arg("texts", STRS),
    Arg("text", STR),
    returns=BOOL,
    examples=[((["vegan", "late"], "late"), True), ((["vegan"], "veg"), False), (([], ""), False)],
)
class Includes:
    """Whether `text` is in the list of strings `texts`. Null when an argument is null."""

    @staticmethod
    def column(F: Any, texts: Column, text: Column) -> Column:
        return F.array_contains(texts, text)

    @staticmethod
    def row(texts: list[str], text: str) -> bool:
        return text in texts


@REGISTRY.register(
    "vectorSum",
    Arg("vector", VEC),
    returns=NUM,
    examples=[(([1.0, 2.5],), 3.5), (([],), 0.0), (([math.nan],), math.nan)],
)
class VectorSum:
    """Sum of the elements, 0 if there are none. Null when `vector` is null."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return _sum(F, vector)

    @staticmethod
    def row(vector: list[float]) -> float:
        total = 0.0  # sum() rounds differently from Python 3.12 on
        for x in vector:
            total += x
        return total


@REGISTRY.register("vectorMean", Arg("vector", VEC), returns=NUM, examples=[(([1.0, 2.0],), 1.5), (([],), None)])
class VectorMean:
    """Mean of the elements. Null when there are none."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return F.try_divide(_sum(F, vector), F.array_size(vector).cast("double"))

    @staticmethod
    def row(vector: list[float]) -> float | None:
        return VectorSum.row(vector) / len(vector) if vector else None


@REGISTRY.register(
    "vectorMax",
    Arg("vector", VEC),
    returns=NUM,
    examples=[(([1.0, 2.0],), 2.0), (([math.nan, math.inf],), math.nan), (([],), None)],
)
class VectorMax:
    """The largest element; NaN is larger than all numbers. Null when there are none."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return F.array_max(vector)

    @staticmethod
    def row(vector: list[float]) -> float | None:
        largest: float | None = None
        for x in vector:
            if largest is None or x > largest or (x != x and largest == largest):
                largest = x
        return largest


@REGISTRY.register(
    "vectorMin",
    Arg("vector", VEC),
    returns=NUM,
    examples=[(([2.0, 1.0],), 1.0), (([math.nan, math.inf],), math.inf), (([],), None)],
)
class VectorMin:
    """The smallest element; NaN is larger than all numbers. Null when there are none."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return F.array_min(vector)

    @staticmethod
    def row(vector: list[float]) -> float | None:
        smallest: float | None = None
        for x in vector:
            if smallest is None or x < smallest or (smallest != smallest and x == x):
                smallest = x
        return smallest


@REGISTRY.register(
    "element",
    Arg("vector", VEC),
    Arg("index", INT, constant=True, check=_check_index),
    returns=NUM,
    examples=[(([1.0, 2.0], 0), 1.0), (([1.0, 2.0], 2), None)],
    edges={"index": [0, 1, 2, 2**31 - 1]},
)
class Element:
    """The element at an index from 0. Null beyond the last one."""

    @staticmethod
    def column(F: Any, vector: Column, index: int) -> Column:
        return F.get(vector, F.lit(index))

    @staticmethod
    def row(vector: list[float], index: int) -> float | None:
        return vector[index] if index < len(vector) else None


@REGISTRY.register(
    "dot",
    Arg("a", VEC),
    Arg("b", VEC),
    returns=NUM,
    examples=[(([1.0, 2.0], [3.0, 4.0]), 11.0), (([1.0], [1.0, 2.0]), None), (([], []), 0.0)],
)
class Dot:
    """Sum of the products of the elements. Null when the vectors differ in size."""

    @staticmethod
    def column(F: Any, a: Column, b: Column) -> Column:
        return _sum(F, F.zip_with(a, b, lambda x, y: x * y))  # the shorter vector is padded with nulls

    @staticmethod
    def row(a: list[float], b: list[float]) -> float | None:
        if len(a) != len(b):
            return None
        total = 0.0  # sum() rounds differently from Python 3.12 on
        for x, y in zip(a, b, strict=True):
            total += x * y
        return total


@REGISTRY.register("norm", Arg("vector", VEC), returns=NUM, examples=[(([3.0, 4.0],), 5.0), (([],), 0.0)])
class Norm:
    """Euclidean length of the vector. Null when `vector` is null."""

    @staticmethod
    def column(F: Any, vector: Column) -> Column:
        return F.sqrt(_sum(F, F.transform(vector, lambda x: x * x)))

    @staticmethod
    def row(vector: list[float]) -> float:
        total = 0.0
        for x in vector:
            total += x * x
        return math.sqrt(total)


@REGISTRY.register(
    "cosine",
    Arg("a", VEC),
    Arg("b", VEC),
    returns=NUM,
    examples=[(([1.0, 0.0], [0.0, 2.0]), 0.0), (([3.0, 4.0], [3.0, 4.0]), 1.0), (([0.0], [1.0]), None)],
)
class Cosine:
    """Cosine of the angle between two vectors. Null when they differ in size, or one has length 0."""

    @staticmethod
    def column(F: Any, a: Column, b: Column) -> Column:
        return F.try_divide(Dot.column(F, a, b), Norm.column(F, a) * Norm.column(F, b))

    @staticmethod
    def row(a: list[float], b: list[float]) -> float | None:
        product = Dot.row(a, b)
        lengths = Norm.row(a) * Norm.row(b)
        return None if product is None or lengths == 0 else product / lengths


@REGISTRY.register(
    "distance",
    Arg("a", VEC),
    Arg("b", VEC),
    returns=NUM,
    examples=[(([0.0, 0.0], [3.0, 4.0]), 5.0), (([1.0], []), None)],
)
class Distance:
    """Euclidean distance between two vectors. Null when they differ in size."""

    @staticmethod
    def column(F: Any, a: Column, b: Column) -> Column:
        return F.sqrt(_sum(F, F.zip_with(a, b, lambda x, y: (x - y) * (x - y))))

    @staticmethod
    def row(a: list[float], b: list[float]) -> float | None:
        if len(a) != len(b):
            return None
        total = 0.0
        for x, y in zip(a, b, strict=True):
            total += (x - y) * (x - y)
        return math.sqrt(total)
