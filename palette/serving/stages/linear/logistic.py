"""Logistic regression of two classes and of more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palette.serving.stages.base import Bind
from palette.serving.stages.linear.weights import UNROLLED, dot, dot_lines, guarded, rows_of
from palette.serving.stages.models.base import Classifier, classifier, exp, softmax
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, FittedStage, Source, elements, number
from palette.serving.stages.vectors import Vector

__all__ = ["LogisticRegressionModel"]

INF = math.inf


_MATRIX = Data("coefficientMatrix")
# One row in a multinomial model is one class.
_MULTINOMIAL = Data(
    lambda stage: stage.coefficientMatrix.numRows > 1 or stage.getFamily().lower() == "multinomial",
    saved="isMultinomial",
)


def _by_column(stage: FittedStage) -> bool:
    matrix = _MATRIX(stage)
    return bool(_MULTINOMIAL(stage) and matrix["type"] == 0 and not matrix["isTransposed"])


def _threshold(stage: FittedStage) -> float:
    """Return what the probability of class 1 must exceed; two thresholds count by their ratio."""
    thresholds = stage.params.get("thresholds")
    if thresholds is None or len(thresholds) != 2:
        return number(stage.params["threshold"])
    first, second = map(number, thresholds)
    return 1.0 / (1.0 + first / second) if second else 0.0


@register
@dataclass(frozen=True)
class LogisticRegressionModel(Classifier):
    """The local form of ``pyspark.ml.classification.LogisticRegressionModel``.

    Parameters
    ----------
    rows : list of list of float
        Weights of the features, by class; one list if there are two classes and no multinomial model.
    places : list of list of int, optional
        The features that have a weight, by class; all by default.
    intercepts : list of float
        What is added to the sums.
    multinomial : bool
        Whether probabilities are a softmax.
    by_column : bool
        Whether the sums begin with the intercept, as they do if Spark keeps the weights by feature, and sparse.
    threshold : float
        Without multinomial, the label is 1 where the probability of class 1 is greater.
    """

    rows: list[list[float]]
    places: list[list[int]] | None
    intercepts: list[float]
    multinomial: bool
    by_column: bool
    threshold: float

    kind = "LogisticRegressionModel"
    spark_class = "org.apache.spark.ml.classification.LogisticRegressionModel"
    source = Source(
        classifier(Data("numClasses")),
        size=Data("numFeatures"),
        rows=lambda stage: rows_of(_MATRIX(stage))[0],
        places=lambda stage: rows_of(_MATRIX(stage))[1],
        intercepts=Data("interceptVector", elements),
        multinomial=_MULTINOMIAL,
        by_column=_by_column,
        threshold=_threshold,
    )

    def raw(self, features: Vector) -> list[float]:
        """Return the sums, or the only one with its negative before it."""
        sums = []
        for at, (weights, intercept) in enumerate(zip(self.rows, self.intercepts, strict=True)):
            places = None if self.places is None else self.places[at]
            if self.by_column:
                sums.append(dot(weights, places, features, intercept))
            else:
                sums.append(dot(weights, places, features) + intercept)
        return sums if self.multinomial else [-sums[0], sums[0]]

    def probability(self, raw: list[float]) -> list[float]:
        """Return the softmax of the sums, or the logistic of the only one."""
        if self.multinomial:
            return softmax(raw)
        first = 1.0 / (1.0 + exp(raw[1]))
        return [first, 1.0 - first]

    def label_of_raw(self, raw: list[float]) -> float:
        """Return the label; of two classes by the sum at which the probability is the threshold."""
        return super().label_of_raw(raw) if self.multinomial else float(raw[1] > self._turn())

    def label_of_probability(self, probability: list[float]) -> float:
        """Return the label; of two classes by the probability of class 1."""
        return super().label_of_probability(probability) if self.multinomial else float(probability[1] > self.threshold)

    def label(self, features: Vector) -> float:
        """Return the label; of two classes by the probability of class 1."""
        raw = self.raw(features)
        return self.label_of_raw(raw) if self.multinomial else float(1.0 / (1.0 + exp(-raw[1])) > self.threshold)

    def _turn(self) -> float:
        if self.threshold in (0.0, 1.0):
            return INF if self.threshold else -INF
        return math.log(self.threshold / (1.0 - self.threshold))

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines with the sums written out; what is not a list of the right length goes to :meth:`compute`."""
        call = super().generate(values, types, outputs, bind)
        small = self.size > 0 and self.size * len(self.rows) <= UNROLLED
        if not outputs or not small or self.places is not None:
            return call
        features = [f"{outputs[0]}_{index}" for index in range(self.size)]
        lines, sums = [], []
        for row, (weights, intercept) in enumerate(zip(self.rows, self.intercepts, strict=True)):
            sums.append(f"{outputs[0]}_sum{row}")
            names = [bind(weight, ("weight", id(self), row, at)) for at, weight in enumerate(weights)]
            lines += dot_lines(sums[-1], names, features)
            lines[-1] += f" + {bind(intercept, ('intercept', id(self), row))}"
        named = dict(zip(self.gives, outputs, strict=True))
        lines += (
            self._softmax_lines(sums, named, bind) if self.multinomial else self._logistic_lines(sums[0], named, bind)
        )
        return guarded(values[0], features, lines, call, bind)

    def _softmax_lines(self, sums: Sequence[str], named: Mapping[str, str], bind: Bind) -> list[str]:
        raw = named.get("raw", f"{next(iter(named.values()))}_raw")
        lines = [f"{raw} = [{', '.join(sums)}]"]
        if "probability" in named:
            lines.append(f"{named['probability']} = {bind(softmax, 'softmax')}({raw})")
        if "prediction" in named:
            by_raw = "raw" in named or "probability" not in named
            source = raw if by_raw else named["probability"]
            label = self.label_of_raw if by_raw else self.label_of_probability
            lines.append(f"{named['prediction']} = {bind(label, ('label', id(self)))}({source})")
        return lines

    def _logistic_lines(self, margin: str, named: Mapping[str, str], bind: Bind) -> list[str]:
        one, zero, infinity = bind(1.0, "one"), bind(0.0, "zero"), bind(INF, "infinity")
        lines = [f"{named['raw']} = [-{margin}, {margin}]"] if "raw" in named else []
        test = f"{margin} > {bind(self._turn(), ('turn', id(self)))}"
        if "probability" in named or "raw" not in named:
            # The probability of class 0, but of class 1 where the label is the only column.
            sign, power = ("", f"{margin}_power") if "probability" in named else ("-", f"{margin}_power")
            lines += [
                f"try: {power} = {bind(math.exp, 'exp')}({sign}{margin})",
                f"except {bind(OverflowError, 'OverflowError')}: {power} = {infinity}",
                f"{power} = {one} / ({one} + {power})",
            ]
            threshold = bind(self.threshold, ("threshold", id(self)))
            if "probability" in named:
                lines.append(f"{named['probability']} = [{power}, {one} - {power}]")
            if "raw" not in named:
                test = f"{one} - {power} > {threshold}" if "probability" in named else f"{power} > {threshold}"
        if "prediction" in named:
            lines.append(f"{named['prediction']} = {one} if {test} else {zero}")
        return lines
