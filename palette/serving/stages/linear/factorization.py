"""Factorisation machines: weighted sums with the products of all pairs of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.linear.weights import dot, rows_of, weighted_sum
from palette.serving.stages.models.base import REGRESSOR, Classifier, Regressor, classifier, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Source
from palette.serving.stages.vectors import Vector, active

__all__ = ["FMClassificationModel", "FMRegressionModel"]


def _by_factor(matrix: Mapping[str, Any]) -> list[list[float]]:
    rows, _ = rows_of(matrix)
    return [list(factor) for factor in zip(*rows, strict=True)]


@register
@dataclass(frozen=True)
class FMRegressionModel(Regressor):
    """The local form of ``pyspark.ml.regression.FMRegressionModel``.

    Parameters
    ----------
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    factors : list of list of float
        By factor, a number for each feature.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float
    factors: list[list[float]]

    kind = "FMRegressionModel"
    spark_class = "org.apache.spark.ml.regression.FMRegressionModel"
    source = Source(REGRESSOR, **weighted_sum("linear"), factors=Data("factors", _by_factor))

    def predict(self, features: Vector) -> float:
        """Return the sum and the products of pairs."""
        total = self.intercept + dot(self.coefficients, self.places, features)
        return _with_pairs(total, self.factors, features)


@register
@dataclass(frozen=True)
class FMClassificationModel(Classifier):
    """The local form of ``pyspark.ml.classification.FMClassificationModel``.

    Parameters
    ----------
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    factors : list of list of float
        By factor, a number for each feature.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float
    factors: list[list[float]]

    kind = "FMClassificationModel"
    spark_class = "org.apache.spark.ml.classification.FMClassificationModel"
    source = Source(classifier(lambda _: 2), **weighted_sum("linear"), factors=Data("factors", _by_factor))

    def raw(self, features: Vector) -> list[float]:
        """Return the sum with the products of pairs, and its negative before it."""
        total = self.intercept + dot(self.coefficients, self.places, features)
        total = _with_pairs(total, self.factors, features)
        return [-total, total]

    def probability(self, raw: list[float]) -> list[float]:
        """Return the logistic."""
        second = 1.0 / (1.0 + exp(-raw[1]))
        return [1.0 - second, second]


def _with_pairs(total: float, factors: Sequence[Sequence[float]], features: Vector) -> float:
    pairs = [(index, feature) for index, feature in active(features) if feature != 0.0]
    for factor in factors:
        once = squared = 0.0
        for index, feature in pairs:
            product = factor[index] * feature
            squared += product * product
            once += product
        total += 0.5 * (once * once - squared)
    return total
