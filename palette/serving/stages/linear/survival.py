"""Accelerated failure time: a regression of times until an event."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palette.serving.spark_files import SavedFiles
from palette.serving.stages.linear.weights import dot, linear_fields
from palette.serving.stages.models.base import Regressor, exp, live_params, number
from palette.serving.stages.registry import register
from palette.serving.stages.vectors import Vector

__all__ = ["AFTSurvivalRegressionModel"]


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

    @classmethod
    def from_spark(cls, stage: Any) -> AFTSurvivalRegressionModel:
        """Return the local form of Spark's model."""
        return cls._of(live_params(stage), stage.scale, linear_fields(stage.coefficients, stage.intercept))

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> AFTSurvivalRegressionModel:
        """Return the local form of a saved model."""
        data = saved.row()
        return cls._of(saved.params, data["scale"], linear_fields(data["coefficients"], data["intercept"]))

    @classmethod
    def _of(cls, params: Mapping[str, Any], scale: float, fields: dict[str, Any]) -> AFTSurvivalRegressionModel:
        columns = {"prediction": params["predictionCol"], "quantiles": params.get("quantilesCol")}
        probabilities = [number(probability) for probability in params["quantileProbabilities"]]
        return cls(
            inputs=(params["featuresCol"],),
            outputs=tuple(column for column in columns.values() if column),
            gives=[given for given, column in columns.items() if column],
            factors=[exp(math.log(-math.log1p(-probability)) * scale) for probability in probabilities],
            **fields,
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
