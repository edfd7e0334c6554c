"""Vectors made of vectors: PCA, PolynomialExpansion, VectorSizeHint, DCT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import matrix
from palette.serving.stages.base import BundledStage, RowRejectedError, Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.linear.weights import dot
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Param, Source, as_tuple
from palette.serving.stages.vectors import active, dense, sparse_vector

__all__ = ["DCT", "PCAModel", "PolynomialExpansion", "VectorSizeHint"]


@dataclass(frozen=True)
class _Reshaped(BundledStage):
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    numeric = True

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)


def _columns(plain: dict[str, Any]) -> list[list[float]]:
    return [list(column) for column in zip(*matrix(plain), strict=True)]


@register
@dataclass(frozen=True)
class PCAModel(_Reshaped):
    """The local form of ``pyspark.ml.feature.PCAModel``.

    Sums are made in the order of the elements. Spark adds those of long dense vectors in an order that depends on the
    processor, so that last digits may differ.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    components : list of list of float
        The principal components.
    """

    components: list[list[float]]

    kind = "PCAModel"
    spark_class = "org.apache.spark.ml.feature.PCAModel"
    source = Source(COLUMNS, components=Data("pc", _columns))

    @property
    def sparsity(self) -> Sparsity:
        """The output is dense."""
        return "own"

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector in terms of the components."""
        vector = present(self.kind, self.inputs[0], values[0], len(self.components[0]))
        return ([dot(component, None, vector) for component in self.components],)


@register
@dataclass(frozen=True)
class PolynomialExpansion(_Reshaped):
    """The local form of ``pyspark.ml.feature.PolynomialExpansion``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    degree : int
        The greatest degree of a product.
    """

    degree: int

    kind = "PolynomialExpansion"
    spark_class = "org.apache.spark.ml.feature.PolynomialExpansion"
    source = Source(COLUMNS, degree=Param("degree", int))

    @property
    def reads_sparsity(self) -> bool:
        """A zero that is left out is no factor of NaN or infinity."""
        return True

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return all products up to the degree; those of a sparse vector are sparse."""
        vector = present(self.kind, self.inputs[0], values[0])
        if isinstance(vector, list):
            return (_products(vector, len(vector), self.degree, 1.0)[1:],)
        size, stored = math.comb(vector.size + self.degree, self.degree), list(active(vector))
        found = dict(_stored_products(stored, self.degree, 1.0, -1))
        del found[-1]
        return (sparse_vector(size - 1, found),)


def _products(vector: list[float], count: int, degree: int, factor: float) -> list[float]:
    """Return a factor times each product of powers of the first elements, ordered by the power of the last one."""
    if factor == 0.0:
        # Spark leaves these out before it meets an infinity.
        return [0.0] * math.comb(count + degree, degree)
    if not degree or not count:
        return [factor]
    products = []
    for left in range(degree, -1, -1):
        products += _products(vector, count - 1, left, factor)
        factor *= vector[count - 1]
    return products


def _stored_products(
    stored: list[tuple[int, float]], degree: int, factor: float, start: int
) -> Iterator[tuple[int, float]]:
    """Yield place and value of the products that are not zero, as :func:`_products` orders them, from a place on."""
    if not degree or not stored:
        yield start, factor
        return
    (last, value), before = stored[-1], stored[:-1]
    for left in range(degree, -1, -1):
        if factor == 0.0:
            return
        yield from _stored_products(before, left, factor, start)
        start += math.comb(last + left, left)
        factor *= value


@register
@dataclass(frozen=True)
class VectorSizeHint(_Reshaped):
    """The local form of ``pyspark.ml.feature.VectorSizeHint``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The vector column, twice.
    size : int
        How many elements it has.
    handle_invalid : {"error", "skip", "optimistic"}
        What null or another size does: an error, a :class:`RowRejectedError`, or nothing.
    """

    size: int
    handle_invalid: str

    kind = "VectorSizeHint"
    spark_class = "org.apache.spark.ml.feature.VectorSizeHint"
    source = Source(
        inputs=Param("inputCol", as_tuple),
        outputs=Param("inputCol", as_tuple),
        size=Param("size", int),
        handle_invalid=Param("handleInvalid"),
    )

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector itself."""
        if self.handle_invalid != "optimistic":
            try:
                present(self.kind, self.inputs[0], values[0], self.size)
            except DataError as error:
                if self.handle_invalid == "skip":
                    raise RowRejectedError(f"the row is dropped: {error}") from error
                raise
        return values


@register
@dataclass(frozen=True)
class DCT(_Reshaped):
    """The local form of ``pyspark.ml.feature.DCT``.

    Spark's is a fast transform with rounding of its own, this one is by the definition: elements may differ by about
    1e-15 of the length of the vector.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    inverse : bool
        Whether the transform is undone.
    """

    inverse: bool

    kind = "DCT"
    spark_class = "org.apache.spark.ml.feature.DCT"
    source = Source(COLUMNS, inverse=Param("inverse", bool))

    @property
    def sparsity(self) -> Sparsity:
        """The output is dense."""
        return "own"

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the transformed vector."""
        vector = dense(present(self.kind, self.inputs[0], values[0]))
        if not vector:
            raise DataError(f"DCT: {self.inputs[0]} is an empty vector")
        waves: Iterable[Iterable[float]] = _waves(len(vector))
        if self.inverse:
            waves = zip(*waves, strict=True)
        return ([_sum(value * one for value, one in zip(vector, wave, strict=True)) for wave in waves],)


@lru_cache(maxsize=16)
def _waves(size: int) -> tuple[tuple[float, ...], ...]:
    """Return the rows of the unitary transform."""
    rows = []
    for row in range(size):
        scale = math.sqrt((2.0 if row else 1.0) / size)
        turns = ((2 * at + 1) * row % (4 * size) for at in range(size))
        rows.append(tuple(scale * math.cos(math.pi * turn / (2 * size)) for turn in turns))
    return tuple(rows)


def _sum(terms: Iterable[float]) -> float:
    kept = list(terms)
    try:
        return math.fsum(kept)
    except (OverflowError, ValueError):
        return sum(kept)
