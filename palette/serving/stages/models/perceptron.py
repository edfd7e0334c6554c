"""The multilayer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from palette.serving.stages.linear.weights import dot
from palette.serving.stages.models.base import Classifier, argmax, classifier, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, FittedStage, Source, elements
from palette.serving.stages.vectors import Vector, dense

__all__ = ["MultilayerPerceptronClassificationModel"]

LOWEST = -1.7976931348623157e308


_WEIGHTS = Data("weights", elements)


def _layers(stage: FittedStage) -> list[list[list[float]]]:
    weights, layers, start = _WEIGHTS(stage), [], 0
    for before, size in pairwise(map(int, stage.params["layers"])):
        bias = start + before * size
        layers.append([[*weights[start + neuron : bias : size], weights[bias + neuron]] for neuron in range(size)])
        start = bias + size
    return layers


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
    source = Source(
        classifier(lambda stage: int(stage.params["layers"][-1])),
        size=lambda stage: int(stage.params["layers"][0]),
        layers=_layers,
    )

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
