"""Linear regression and the linear support vector machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from palette.serving.stages.base import Bind
from palette.serving.stages.linear.weights import UNROLLED, dot, dot_lines, guarded, weighted_sum
from palette.serving.stages.models.base import REGRESSOR, Classifier, Regressor, classifier
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Param, Source, number
from palette.serving.stages.vectors import Vector

__all__ = ["LinearRegressionModel", "LinearSVCModel"]


@register
@dataclass(frozen=True)
class LinearRegressionModel(Regressor):
    """The local form of ``pyspark.ml.regression.LinearRegressionModel``.

    Parameters
    ----------
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float

    kind = "LinearRegressionModel"
    spark_class = "org.apache.spark.ml.regression.LinearRegressionModel"
    source = Source(REGRESSOR, **weighted_sum())

    def predict(self, features: Vector) -> float:
        """Return the weighted sum and the intercept."""
        return dot(self.coefficients, self.places, features) + self.intercept

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines with the sum written out; what is not a list of the right length goes to :meth:`compute`."""
        call = super().generate(values, types, outputs, bind)
        if not outputs or not 0 < self.size <= UNROLLED or not self.coefficients:
            return call
        features = [f"{outputs[0]}_{index}" for index in range(self.size)]
        weighted = features if self.places is None else [features[index] for index in self.places]
        weights = [bind(weight, ("weight", id(self), at)) for at, weight in enumerate(self.coefficients)]
        lines = dot_lines(outputs[0], weights, weighted)
        lines[-1] += f" + {bind(self.intercept, ('intercept', id(self)))}"
        return guarded(values[0], features, lines, call, bind)


@register
@dataclass(frozen=True)
class LinearSVCModel(Classifier):
    """The local form of ``pyspark.ml.classification.LinearSVCModel``.

    Parameters
    ----------
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    threshold : float
        The label is 1 where the sum is greater.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float
    threshold: float

    kind = "LinearSVCModel"
    spark_class = "org.apache.spark.ml.classification.LinearSVCModel"
    source = Source(classifier(lambda _: 2), **weighted_sum(), threshold=Param("threshold", number))

    def raw(self, features: Vector) -> list[float]:
        """Return the distance from the plane, and its negative before it."""
        margin = dot(self.coefficients, self.places, features) + self.intercept
        return [-margin, margin]

    def label_of_raw(self, raw: list[float]) -> float:
        """Return 1 beyond the threshold."""
        return 1.0 if raw[1] > self.threshold else 0.0
