"""Accelerated failure time: a regression of times until an event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.linear.weights import dot, weighted_sum
from palette.serving.stages.models.base import Regressor, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, FittedStage, Param, Source, as_tuple, named_columns, number
from palette.serving.stages.vectors import Vector

__all__ = ["AFTSurvivalRegressionModel"]


_SCALE = Data("scale")


def _factors(stage: FittedStage) -> list[float]:
    probabilities = map(number, stage.params["quantileProbabilities"])
    return [exp(math.log(-math.log1p(-probability)) * _SCALE(stage)) for probability in probabilities]


@register
@dataclass(frozen=True)
class AFTSurvivalRegressionModel(Regressor):
    """The local form of ``pyspark.ml.regression.AFTSurvivalRegressionModel``.

    Parameters
    ----------
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    gives : list of str
        What the outputs are: "prediction", "quantiles".
    factors : list of float
        What makes the quantiles of the prediction.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float
    gives: list[str]
    factors: list[float]

    kind = "AFTSurvivalRegressionModel"
    spark_class = "org.apache.spark.ml.regression.AFTSurvivalRegressionModel"
    source = Source(
        named_columns({"prediction": "predictionCol", "quantiles": "quantilesCol"}),
        **weighted_sum(),
        inputs=Param("featuresCol", as_tuple),
        factors=_factors,
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """A double and a vector, or one of them."""
        return tuple("double" if given == "prediction" else "vector" for given in self.gives)

    def predict(self, features: Vector) -> float:
        """Return the time."""
        return exp(dot(self.coefficients, self.places, features) + self.intercept)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the time and its quantiles."""
        if not self.outputs:
            return ()
        time = self.predict(self.features(values[0]))
        return tuple(
            time if given == "prediction" else [factor * time for factor in self.factors] for given in self.gives
        )
