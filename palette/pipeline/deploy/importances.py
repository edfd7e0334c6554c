"""Feature importances of fitted models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.pipeline.deploy.feature_tracing import Tracer

__all__ = ["Importances", "Weights", "importances", "model_weights"]


@dataclass(frozen=True)
class Weights:
    """Weights that a model gives to the elements of its vector.

    Parameters
    ----------
    kind : {"trees", "coefficients"}
        Kind of the weights.
    values : tuple of float
        One for each element; never negative.
    stage : object
        The model.
    """

    kind: str
    values: tuple[float, ...]
    stage: Any


@dataclass(frozen=True)
class Importances:
    """Importances of the inputs of a model; their sum is 1 minus the share of constants.

    Parameters
    ----------
    kind : str or None
        ``trees``, ``coefficients``, or ``scaled coefficients``: times the deviation in the training data; None if
        there are none.
    values : dict of str to float
        Importance of each ``entity:group:feature`` and ``basis:column``.
    """

    kind: str | None
    values: dict[str, float]


def model_weights(stages: Sequence[Any]) -> Weights | None:
    """Return the weights of the last stage that has any."""
    for stage in reversed(stages):
        # Looked up in the class: on an object it may fail in the JVM.
        kind = type(stage)
        if hasattr(kind, "featureImportances"):
            return Weights("trees", _plain(stage.featureImportances.toArray()), stage)
        if hasattr(kind, "coefficientMatrix"):
            # A row for each class.
            rows = stage.coefficientMatrix.toArray()
            return Weights("coefficients", _plain(abs(rows).mean(axis=0)), stage)
        if hasattr(kind, "coefficients"):
            return Weights("coefficients", _plain(stage.coefficients.toArray()), stage)
        if hasattr(kind, "get_booster"):
            booster = stage.get_booster()
            try:
                gains = booster.get_score(importance_type="total_gain")
            except ValueError:
                # Linear boosters have no gains.
                return None
            names = booster.feature_names or [f"f{index}" for index in range(booster.num_features())]
            return Weights("trees", tuple(float(gains.get(name, 0.0)) for name in names), stage)
    return None


def importances(weights: Weights | None, tracer: Tracer, deviations: Sequence[float | None] | None) -> Importances:
    """Return the importances of features and basis columns.

    An element of the vector that is computed from several shares its importance equally among them.

    Parameters
    ----------
    weights : Weights or None
        Weights of the model.
    tracer : Tracer
        Traces of its vector.
    deviations : sequence of float or None, optional
        Standard deviation of each element in the training data.
    """
    if weights is None:
        return Importances(None, {})
    source = tracer.inputs[weights.stage.uid]
    if source is None or source.each is None or len(source.each) != len(weights.values):
        return Importances(None, {})
    kind, values = weights.kind, list(weights.values)
    if kind == "coefficients" and deviations is not None and len(deviations) == len(values):
        kind = "scaled coefficients"
        values = [value * (deviation or 0.0) for value, deviation in zip(values, deviations, strict=True)]
    if not all(map(math.isfinite, values)):
        return Importances(None, {})
    total = math.fsum(values) or 1.0
    shares = dict.fromkeys(sorted(source.names), 0.0)
    for value, names in zip(values, source.each, strict=True):
        for name in names:
            shares[name] += value / total / len(names)
    return Importances(kind, shares)


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(abs(float(value)) for value in values)
