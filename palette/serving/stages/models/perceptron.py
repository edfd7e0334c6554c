"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from palette.serving.spark_files import SavedFiles
from palette.serving.stages.linear.weights import dot, weights_of
from palette.serving.stages.models.base import Classifier, argmax, classifier_fields, exp, live_params
from palette.serving.stages.registry import register
from palette.serving.stages.vectors import Vector, dense

__all__ = ["MultilayerPerceptronClassificationModel"]

LOWEST = -1.7976931348623157e308


@register
@dataclass(frozen=True)
class MultilayerPerceptronClassificationModel(Classifier):
    """The local form of ``pyspark.ml.classification.MultilayerPerceptronClassificationModel``.

    Spark rounds once where it multiplies and adds, Python twice: last digits differ.

    Parameters
    ----------
    layers : list of list of list of float
        By layer and neuron, the weights of what the layer before gives, and at last the intercept.
    """

    layers: list[list[list[float]]]

    kind = "MultilayerPerceptronClassificationModel"
    spark_class = "org.apache.spark.ml.classification.MultilayerPerceptronClassificationModel"

    @classmethod
    def from_spark(cls, stage: Any) -> MultilayerPerceptronClassificationModel:
        """Return the local form of Spark's model."""
        return cls._of(live_params(stage), [float(weight) for weight in stage.weights.toArray()])

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> MultilayerPerceptronClassificationModel:
        """Return the local form of a saved model."""
        return cls._of(saved.params, weights_of(saved.row()["weights"])[0])

    @classmethod
    def _of(cls, params: Mapping[str, Any], weights: Sequence[float]) -> MultilayerPerceptronClassificationModel:
        sizes = [int(size) for size in params["layers"]]
        layers, at = [], 0
        for before, size in pairwise(sizes):
            bias = at + before * size
            layers.append([[*weights[at + neuron : bias : size], weights[bias + neuron]] for neuron in range(size)])
            at = bias + size
        return cls(**classifier_fields(cls.kind, params, sizes[-1]), size=sizes[0], layers=layers)

    def raw(self, features: Vector) -> list[float]:
        """Return what the last layer gives."""
        values = dense(features)
        for at, layer in enumerate(self.layers):
            if at:
                values = [1.0 / (1.0 + exp(-value)) for value in values]
            values = [dot(neuron[:-1], None, values) + neuron[-1] for neuron in layer]
        return values

    def probability(self, raw: list[float]) -> list[float]:
        """Return the softmax; NaN if a score is infinite."""
        greatest = LOWEST
        for score in raw:
            if score > greatest:
                greatest = score
        weights = [exp(score - greatest) for score in raw]
        total = 0.0
        for weight in weights:
            total += weight
        return [weight / total if total else float("nan") for weight in weights]

    def label(self, features: Vector) -> float:
        """Return the label where it is the only column; thresholds do not count then."""
        return argmax(self.probability(self.raw(features)))
