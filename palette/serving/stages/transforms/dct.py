"""Discrete cosine transform: DCT."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Param, Source
from palette.serving.stages.transforms.base import VectorStage
from palette.serving.stages.vectors import dense

__all__ = ["DCT"]


@register
@dataclass(frozen=True)
class DCT(VectorStage):
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
    values = list(terms)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)
