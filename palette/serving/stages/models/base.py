"""Base classes of models: the columns that they add, the vector that they read, scores to a label.

A regression is a :class:`Regressor` with a ``predict``, and has the source :data:`REGRESSOR`; a classification is a
:class:`Classifier` with a ``raw`` and, where Spark's gives probabilities, a ``probability``, and has the source
:func:`classifier`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage, Sparsity
from palette.serving.stages.sources import FittedStage, Param, Source, as_tuple, named_columns, number
from palette.serving.stages.vectors import Sparse, Vector, incoming_vector

__all__ = [
    "COLUMNS",
    "REGRESSOR",
    "Classifier",
    "Regressor",
    "argmax",
    "classifier",
    "exp",
    "softmax",
]

INF = math.inf
# The columns of a classification, in the order in which Spark adds them, and their Params.
COLUMNS = {"raw": "rawPredictionCol", "probability": "probabilityCol", "prediction": "predictionCol"}


# An empty ``predictionCol`` adds no column.
REGRESSOR = Source(inputs=Param("featuresCol", as_tuple), outputs=Param("predictionCol", as_tuple))


def classifier(classes: Callable[[FittedStage], int]) -> Source:
    """Return the source of ``inputs``, ``outputs``, ``gives`` and ``thresholds``.

    Parameters
    ----------
    classes : callable
        Returns the number of classes of a fitted stage: there must be as many thresholds.
    """

    def thresholds(stage: FittedStage) -> list[float] | None:
        values, count = stage.params.get("thresholds"), classes(stage)
        if values is None:
            return None
        if len(values) != count:
            raise DataError(f"{stage.name}: {len(values)} thresholds for {count} classes; set one for each class")
        return [number(threshold) for threshold in values]

    return Source(named_columns(COLUMNS), inputs=Param("featuresCol", as_tuple), thresholds=thresholds)


def exp(power: float) -> float:
    """Return e to a power, infinity where Python's would raise.

    Examples
    --------
    >>> exp(0.0), exp(1000.0)
    (1.0, inf)
    """
    try:
        return math.exp(power)
    except OverflowError:
        return INF


def argmax(scores: Sequence[float]) -> float:
    """Return the first index of the greatest as a label; a NaN is never greater, nor is anything than it.

    Examples
    --------
    >>> argmax([0.0, 2.0, 2.0]), argmax([float("nan"), 1.0])
    (1.0, 0.0)
    """
    index, greatest = 0, scores[0]
    for at, score in enumerate(scores):
        if score > greatest:
            index, greatest = at, score
    return float(index)


def softmax(scores: Sequence[float]) -> list[float]:
    """Return probabilities; the first infinite score takes all, and next to it others that are not finite are NaN.

    Examples
    --------
    >>> softmax([0.0, 0.0]), softmax([1.0, float("inf")])
    ([0.5, 0.5], [0.0, 1.0])
    """
    if INF in scores:
        position = scores.index(INF)
        return [1.0 if index == position else score * 0.0 for index, score in enumerate(scores)]
    greatest = -1.7976931348623157e308
    for score in scores:
        if score > greatest:
            greatest = score
    weights = [exp(score - greatest) for score in scores]
    total = 0.0
    for weight in weights:
        total += weight
    scale = 1.0 / total if total else INF
    return [weight * scale for weight in weights]


@dataclass(frozen=True)
class _Model(BundledStage):
    """A stage that reads one vector.

    Parameters
    ----------
    inputs : tuple of str
        The features column.
    outputs : tuple of str
        The columns that are added.
    size : int
        How many features there are; -1 if the model does not know, or Spark's does not check.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int

    numeric = True

    @property
    def sparsity(self) -> Sparsity:
        """Columns that models add are dense."""
        return "own"

    def features(self, vector: Vector | None) -> Vector:
        """Return the vector, checked.

        Raises
        ------
        DataError
            If it is missing, or of another size than in training.
        """
        if vector is None:
            raise DataError(f"{self.kind}: {self.inputs[0]} is null; fill what it is made from (nFill)")
        if vector.__class__ is not list and vector.__class__ is not Sparse:
            try:
                vector = incoming_vector(vector, self.inputs[0])
            except TypeError as error:
                raise DataError(f"{self.kind}: {error}") from error
        if self.size >= 0 and len(vector) != self.size:
            raise DataError(f"{self.kind}: {self.inputs[0]} has {len(vector)} elements, the model knows {self.size}")
        return vector

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a call of :meth:`compute`, or nothing where no column is added."""
        return super().generate(values, types, outputs, bind) if outputs else []


@dataclass(frozen=True)
class Regressor(_Model):
    """A model that adds one number."""

    @property
    def output_types(self) -> tuple[str, ...]:
        """A double."""
        return ("double",) * len(self.outputs)

    @abstractmethod
    def predict(self, features: Vector) -> float:
        """Return the prediction for a vector of the right size."""

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the prediction."""
        return (self.predict(self.features(values[0])),) if self.outputs else ()


@dataclass(frozen=True)
class Classifier(_Model):
    """A model that adds scores, probabilities and a label, or some of them.

    Parameters
    ----------
    gives : list of str
        What the outputs are: "raw", "probability", "prediction".
    thresholds : list of float, optional
        By class; the label is the class with the greatest ratio of probability to threshold.
    """

    gives: list[str]
    thresholds: list[float] | None

    @property
    def output_types(self) -> tuple[str, ...]:
        """Vectors, and a double for the label."""
        return tuple("double" if column == "prediction" else "vector" for column in self.gives)

    @abstractmethod
    def raw(self, features: Vector) -> list[float]:
        """Return a new list of scores by class for a vector of the right size."""

    def probability(self, raw: list[float]) -> list[float]:
        """Return a new list of probabilities by class; never called on a classification without probabilities."""
        raise NotImplementedError

    def label_of_raw(self, raw: list[float]) -> float:
        """Return the label where the scores are a column: the greatest, unless thresholds are set."""
        return argmax(raw) if self.thresholds is None else self.label_of_probability(self.probability(raw))

    def label_of_probability(self, probability: list[float]) -> float:
        """Return the label where the probabilities are a column and the scores are not."""
        if self.thresholds is None:
            return argmax(probability)
        index, greatest = 0, -INF
        for at, (one, threshold) in enumerate(zip(probability, self.thresholds, strict=True)):
            if threshold:
                ratio = one / threshold
            elif one > 0.0:
                ratio = INF
            else:
                continue
            if ratio > greatest:
                index, greatest = at, ratio
        return float(index)

    def label(self, features: Vector) -> float:
        """Return the label where it is the only column."""
        return self.label_of_raw(self.raw(features))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the columns, each from the one before it as Spark does."""
        if not self.gives:
            return ()
        features = self.features(values[0])
        if self.gives == ["prediction"]:
            return (self.label(features),)
        raw = self.raw(features)
        answers: dict[str, Any] = {"raw": raw}
        if "probability" in self.gives:
            answers["probability"] = self.probability(raw)
        if "prediction" in self.gives:
            with_raw = "raw" in self.gives
            answers["prediction"] = (
                self.label_of_raw(raw) if with_raw else self.label_of_probability(answers["probability"])
            )
        return tuple(answers[column] for column in self.gives)
