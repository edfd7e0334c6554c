"""Isotonic regression: a line through points that never falls, or never rises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind
from palette.serving.stages.models.base import REGRESSOR, Regressor
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Param, Source, elements
from palette.serving.stages.vectors import Sparse, Vector, dense

__all__ = ["IsotonicRegressionModel"]


def _required_column(column: str) -> tuple[str, ...]:
    if not column:
        raise DataError("IsotonicRegressionModel: predictionCol is empty; Spark needs a name")
    return (column,)


@register
@dataclass(frozen=True)
class IsotonicRegressionModel(Regressor):
    """The local form of ``pyspark.ml.regression.IsotonicRegressionModel``.

    A null number gives null; a null vector is rejected, if it is known that the column holds vectors.

    Parameters
    ----------
    inputs : tuple of str
        A column of numbers, or of vectors.
    feature_index : int
        Which element of a vector counts.
    boundaries, predictions : list of float
        The points, from left to right.
    """

    feature_index: int
    boundaries: list[float]
    predictions: list[float]

    kind = "IsotonicRegressionModel"
    spark_class = "org.apache.spark.ml.regression.IsotonicRegressionModel"
    source = Source(
        REGRESSOR,
        outputs=Param("predictionCol", _required_column),
        size=lambda _: -1,
        feature_index=Param("featureIndex", int),
        boundaries=Data("boundaries", elements),
        predictions=Data("predictions", elements),
    )

    def predict(self, features: Vector) -> float:
        """Return the prediction for an element of a vector.

        Raises
        ------
        DataError
            If the vector is too short.
        """
        if not self.feature_index < len(features):
            raise DataError(
                f"{self.kind}: {self.inputs[0]} has {len(features)} elements, the model reads number "
                f"{self.feature_index}, counted from 0"
            )
        return self._interpolate(dense(features)[self.feature_index])

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the prediction for a number or a vector."""
        value = values[0]
        if value is None:
            return (None,)
        if value.__class__ is list or value.__class__ is Sparse:
            return self._compute_vector(value)
        return (self._interpolate(float(value)),)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a call; where the column is known to hold vectors, one that rejects null."""
        if types[0] == "vector":
            return [f"{outputs[0]}, = {bind(self._compute_vector, ('vector', id(self)))}({values[0]})"]
        return super().generate(values, types, outputs, bind)

    def _compute_vector(self, value: Any) -> tuple[float]:
        return (self.predict(self.features(value)),)

    def _interpolate(self, x: float) -> float:
        low, high = 0, len(self.boundaries) - 1
        while low <= high:
            middle = (low + high) // 2
            order = _order(self.boundaries[middle], x)
            if order == 0:
                return self.predictions[middle]
            if order < 0:
                low = middle + 1
            else:
                high = middle - 1
        if low == 0:
            return self.predictions[0]
        if low == len(self.boundaries):
            return self.predictions[-1]
        left, right = self.boundaries[low - 1], self.boundaries[low]
        below, above = self.predictions[low - 1], self.predictions[low]
        return below + (above - below) * (x - left) / (right - left)


def _order(one: float, other: float) -> int:
    """Return -1, 0 or 1: less, equal, greater; negative zero is less than zero, and NaN greater than all."""
    if one < other:
        return -1
    if one > other:
        return 1
    if one == other:
        first, second = math.copysign(1.0, one), math.copysign(1.0, other)
        return (first > second) - (first < second) if one == 0.0 else 0
    return (one != one) - (other != other)
