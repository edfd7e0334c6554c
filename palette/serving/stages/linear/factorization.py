"""Factorisation machines: weighted sums with the products of all pairs of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palette.serving.spark_files import SavedFiles
from palette.serving.stages.linear.weights import dot, linear_fields, rows_of
from palette.serving.stages.models.base import (
    Classifier,
    Regressor,
    classifier_fields,
    exp,
    live_params,
    regressor_fields,
)
from palette.serving.stages.registry import register
from palette.serving.stages.vectors import Vector, active

__all__ = ["FMClassificationModel", "FMRegressionModel"]


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

    @classmethod
    def from_spark(cls, stage: Any) -> FMRegressionModel:
        """Return the local form of Spark's model."""
        return cls(**regressor_fields(live_params(stage)), **_live_fields(stage))

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> FMRegressionModel:
        """Return the local form of a saved model."""
        return cls(**regressor_fields(saved.params), **_saved_fields(saved.row()))

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

    @classmethod
    def from_spark(cls, stage: Any) -> FMClassificationModel:
        """Return the local form of Spark's model."""
        return cls(**classifier_fields(cls.kind, live_params(stage), 2), **_live_fields(stage))

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> FMClassificationModel:
        """Return the local form of a saved model."""
        return cls(**classifier_fields(cls.kind, saved.params, 2), **_saved_fields(saved.row()))

    def raw(self, features: Vector) -> list[float]:
        """Return the sum with the products of pairs, and its negative before it."""
        total = self.intercept + dot(self.coefficients, self.places, features)
        total = _with_pairs(total, self.factors, features)
        return [-total, total]

    def probability(self, raw: list[float]) -> list[float]:
        """Return the logistic."""
        second = 1.0 / (1.0 + exp(-raw[1]))
        return [1.0 - second, second]


def _live_fields(stage: Any) -> dict[str, Any]:
    return {**linear_fields(stage.linear, stage.intercept), "factors": _by_factor(stage.factors)}


def _saved_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**linear_fields(data["linear"], data["intercept"]), "factors": _by_factor(data["factors"])}


def _by_factor(matrix: Any) -> list[list[float]]:
    rows, _ = rows_of(matrix)
    return [list(factor) for factor in zip(*rows, strict=True)]


def _with_pairs(total: float, factors: Sequence[Sequence[float]], features: Vector) -> float:
    kept = [(place, feature) for place, feature in active(features) if feature != 0.0]
    for factor in factors:
        once = squared = 0.0
        for place, feature in kept:
            product = factor[place] * feature
            squared += product * product
            once += product
        total += 0.5 * (once * once - squared)
    return total
