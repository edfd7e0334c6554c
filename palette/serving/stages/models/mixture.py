"""Mixtures of Gaussians.

Roots of covariances are found by another library than Spark's, once, when the model is read: digits may differ the
more, the flatter a Gaussian is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from palette.serving.spark_files import SavedFiles, matrix, vector
from palette.serving.stages.models.base import Classifier, argmax, classifier, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Source, elements
from palette.serving.stages.vectors import Vector, active

__all__ = ["GaussianMixtureModel"]

EPSILON = 2.0**-52
# Root, shift and height of a Gaussian.
Constants: TypeAlias = "tuple[list[list[float]], list[float], float]"


def _live_constants(stage: Any) -> list[Constants]:
    return [_constants(gaussian.mean.toArray(), gaussian.cov.toArray()) for gaussian in stage.gaussians]


def _saved_constants(files: SavedFiles) -> list[Constants]:
    data = files.row()
    pairs = zip(data["mus"], data["sigmas"], strict=True)
    return [_constants(vector(mean), matrix(covariance)) for mean, covariance in pairs]


_GAUSSIANS = Data(_live_constants, saved=_saved_constants)


@register
@dataclass(frozen=True)
class GaussianMixtureModel(Classifier):
    """The local form of ``pyspark.ml.clustering.GaussianMixtureModel``.

    Parameters
    ----------
    weights : list of float
        The part of each Gaussian.
    roots : list of list of list of float
        By Gaussian, a root of the inverse of the covariances.
    shifts : list of list of float
        The same, multiplied by the means.
    heights : list of float
        Logarithms of the densities at the means.
    """

    weights: list[float]
    roots: list[list[list[float]]]
    shifts: list[list[float]]
    heights: list[float]

    kind = "GaussianMixtureModel"
    spark_class = "org.apache.spark.ml.clustering.GaussianMixtureModel"
    source = Source(
        classifier(lambda stage: len(_GAUSSIANS(stage))),
        size=lambda stage: len(_GAUSSIANS(stage)[0][1]),
        weights=Data("weights", elements),
        roots=lambda stage: [root for root, _, _ in _GAUSSIANS(stage)],
        shifts=lambda stage: [shift for _, shift, _ in _GAUSSIANS(stage)],
        heights=lambda stage: [height for _, _, height in _GAUSSIANS(stage)],
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector and an integer."""
        return tuple("int" if column == "prediction" else "vector" for column in self.gives)

    def raw(self, features: Vector) -> list[float]:
        """Return weighted densities; none is zero."""
        pairs = list(active(features))
        densities = []
        for weight, root, shift, height in zip(self.weights, self.roots, self.shifts, self.heights, strict=True):
            squares = 0.0
            for row, start in zip(root, shift, strict=True):
                total = start
                for index, value in pairs:
                    total -= row[index] * value
                squares += total * total
            densities.append(EPSILON + weight * exp(height - 0.5 * squares))
        return densities

    def probability(self, raw: list[float]) -> list[float]:
        """Return the parts of the densities."""
        total = 0.0
        for density in raw:
            total += density
        return [density / total for density in raw]

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the probabilities and the most probable Gaussian, or one of them."""
        if not self.gives:
            return ()
        probabilities = self.probability(self.raw(self.features(values[0])))
        return tuple(probabilities if column == "probability" else int(argmax(probabilities)) for column in self.gives)


def _constants(mean: Any, covariance: Any) -> Constants:
    """Return root, shift and height; of a singular covariance in the space that it spans."""
    import numpy as np

    values, vectors = np.linalg.eigh(np.array(covariance))
    least = EPSILON * float(values.max()) * len(values)
    positive = [float(value) for value in values if value > least]
    scales = np.array([math.sqrt(1.0 / value) if value > least else 0.0 for value in values])
    root = scales[:, None] * vectors.T
    logarithms = math.fsum(math.log(value) for value in positive)
    height = -0.5 * (len(mean) * math.log(2.0 * math.pi) + logarithms)
    return root.tolist(), (root @ np.array(mean)).tolist(), height
