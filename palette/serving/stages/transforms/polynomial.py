"""Products of elements: PolynomialExpansion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Param, Source
from palette.serving.stages.transforms.base import VectorStage
from palette.serving.stages.vectors import active, sparse_vector

__all__ = ["PolynomialExpansion"]


@register
@dataclass(frozen=True)
class PolynomialExpansion(VectorStage):
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
        """A zero that is left out is not multiplied by NaN or infinity."""
        return True

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return all products up to the degree; those of a sparse vector are sparse."""
        vector = present(self.kind, self.inputs[0], values[0])
        if isinstance(vector, list):
            return (_products(vector, len(vector), self.degree, 1.0)[1:],)
        size, stored = math.comb(vector.size + self.degree, self.degree), list(active(vector))
        products = dict(_stored_products(stored, self.degree, 1.0, -1))
        del products[-1]
        return (sparse_vector(size - 1, products),)


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
    """Yield index and value of the products that are not zero, as :func:`_products` orders them, from a index on."""
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
