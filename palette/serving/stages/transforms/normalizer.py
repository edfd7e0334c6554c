"""Vectors of length 1: Normalizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.base import BundledStage
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Param, Source, number
from palette.serving.stages.vectors import Sparse

__all__ = ["Normalizer"]


@register
@dataclass(frozen=True)
class Normalizer(BundledStage):
    """The local form of ``pyspark.ml.feature.Normalizer``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    p : float
        The norm that becomes 1.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    p: float

    kind = "Normalizer"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.Normalizer"
    source = Source(COLUMNS, p=Param("p", number))

    @property
    def reads_sparsity(self) -> bool:
        """Divided by NaN, zeros become NaN where they are stored."""
        return True

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; one of zeros stays."""
        vector = present(self.kind, self.inputs[0], values[0])
        elements = vector.values if isinstance(vector, Sparse) else vector
        norm = _norm(elements, self.p)
        if norm == 0.0:
            return (vector,)
        elements = [value / norm for value in elements]
        return (Sparse(vector.size, vector.indices, elements) if isinstance(vector, Sparse) else elements,)


def _norm(values: Sequence[float], p: float) -> float:
    if p == math.inf:
        greatest = 0.0
        for value in values:
            # As Spark compares: what follows a NaN counts, NaN does not.
            if abs(value) > greatest:
                greatest = abs(value)
        return greatest
    total = 0.0
    if p == 1.0:
        for value in values:
            total += abs(value)
        return total
    if p == 2.0:
        for value in values:
            total += value * value
        return math.sqrt(total)
    for value in values:
        total += _power(abs(value), p)
    return _power(total, 1.0 / p)


def _power(base: float, exponent: float) -> float:
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf
