"""Naive Bayes in its four kinds.

Sums are made in the order of the features, as Spark makes them where features are sparse; where they are dense, last
digits may differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from palette.errors import DataError
from palette.serving.spark_files import matrix
from palette.serving.stages.linear.weights import dot, rows_of
from palette.serving.stages.models.base import Classifier, classifier, exp, softmax
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Param, Source, elements
from palette.serving.stages.vectors import Vector, active, dense

__all__ = ["NaiveBayesModel"]

INF, NAN = math.inf, math.nan


def _log(value: float) -> float:
    if value > 0.0:
        return math.log(value)
    return -INF if value == 0.0 else NAN


def _ratio(value: float, variance: float) -> float:
    if variance:
        return value / variance
    return INF if value > 0.0 else NAN


_THETA = Data("theta")


@register
@dataclass(frozen=True)
class NaiveBayesModel(Classifier):
    """The local form of ``pyspark.ml.classification.NaiveBayesModel``.

    Parameters
    ----------
    model : {"multinomial", "complement", "bernoulli", "gaussian"}
        The kind.
    pi : list of float
        Logarithms of the parts of the classes.
    theta : list of list of float
        By class: logarithms of probabilities, or the means.
    places : list of list of int, optional
        The features that have a theta, by class; all by default.
    sigma : list of list of float
        By class: the variances of a gaussian model.
    by_column : bool
        Whether the sums begin with pi, as they do if Spark keeps theta by feature.
    """

    model: str
    pi: list[float]
    theta: list[list[float]]
    places: list[list[int]] | None
    sigma: list[list[float]]
    by_column: bool

    kind = "NaiveBayesModel"
    spark_class = "org.apache.spark.ml.classification.NaiveBayesModel"
    source = Source(
        classifier(lambda stage: _THETA(stage)["numRows"]),
        size=lambda stage: _THETA(stage)["numCols"],
        model=Param("modelType"),
        pi=Data("pi", elements),
        theta=lambda stage: rows_of(_THETA(stage))[0],
        places=lambda stage: rows_of(_THETA(stage))[1],
        sigma=Data("sigma", matrix),
        by_column=lambda stage: not _THETA(stage)["isTransposed"],
    )

    @property
    def reads_sparsity(self) -> bool:
        """Zeros that are stored become NaN where a probability is 0, which has no finite logarithm."""
        theta = self._bernoulli[1] if self.model == "bernoulli" else self.theta
        return self.model != "gaussian" and not all(math.isfinite(value) for row in theta for value in row)

    def raw(self, features: Vector) -> list[float]:
        """Return logarithms of likelihoods.

        Raises
        ------
        DataError
            If a feature is negative or NaN, or in a bernoulli model neither 0 nor 1.
        """
        if self.model == "gaussian":
            return self._gaussian(dense(features))
        self._check(features)
        if self.model == "bernoulli":
            start, theta, places = self._bernoulli
            return self._sums(features, start, theta, places)
        if self.model == "multinomial":
            return self._sums(features, self.pi, self.theta, self.places)
        sums = self._sums(features, [0.0] * len(self.pi), self.theta, self.places)
        greatest = NAN if any(score != score for score in sums) else max(sums)
        total = 0.0
        for score in sums:
            total += exp(score - greatest)
        logarithm = _log(total) + greatest
        return [score - logarithm for score in sums]

    def _check(self, features: Vector) -> None:
        bernoulli = self.model == "bernoulli"
        for _, value in active(features):
            if value and not (value == 1.0 if bernoulli else value > 0.0):
                allowed = "0 or 1" if bernoulli else "0 or more"
                raise DataError(
                    f"NaiveBayesModel: {self.inputs[0]} holds {value}, a {self.model} model takes {allowed}; "
                    "scale or binarize the features"
                )

    def _sums(
        self, features: Vector, start: list[float], theta: list[list[float]], places: list[list[int]] | None
    ) -> list[float]:
        indices = [None] * len(theta) if places is None else places
        if self.by_column:
            return [dot(row, known, features, first) for first, row, known in zip(start, theta, indices, strict=True)]
        return [dot(row, known, features) + first for first, row, known in zip(start, theta, indices, strict=True)]

    @cached_property
    def _bernoulli(self) -> tuple[list[float], list[list[float]], list[list[int]] | None]:
        """The scores of a vector of zeros, and what each one adds."""
        absent = [[_log1p(-exp(value)) for value in row] for row in self.theta]
        start = []
        for prior, row in zip(self.pi, absent, strict=True):
            total = prior if self.by_column else 0.0
            for value in row:
                total += value
            start.append(total if self.by_column else total + prior)
        theta = [
            [value - other for value, other in zip(row, others, strict=True)]
            for row, others in zip(self.theta, absent, strict=True)
        ]
        return start, theta, self.places

    @cached_property
    def _spread(self) -> list[float]:
        """The sum of the logarithms of the variances, by class."""
        sums = []
        for row in self.sigma:
            total = 0.0
            for variance in row:
                total += _log(variance)
            sums.append(total)
        return sums

    def _gaussian(self, features: list[float]) -> list[float]:
        scores = []
        for prior, means, variances, spread in zip(self.pi, self._means, self.sigma, self._spread, strict=True):
            total = 0.0
            for value, mean, variance in zip(features, means, variances, strict=True):
                distance = value - mean
                total += _ratio(distance * distance, variance)
            scores.append(prior - (total + spread) / 2.0)
        return scores

    @cached_property
    def _means(self) -> list[list[float]]:
        if self.places is None:
            return self.theta
        rows = [[0.0] * self.size for _ in self.theta]
        for row, known, values in zip(rows, self.places, self.theta, strict=True):
            for index, value in zip(known, values, strict=True):
                row[index] = value
        return rows

    def probability(self, raw: list[float]) -> list[float]:
        """Return the softmax."""
        return softmax(raw)


def _log1p(value: float) -> float:
    if value > -1.0:
        return math.log1p(value)
    return -INF if value == -1.0 else NAN
