"""How much each feature matters to a fitted model, as the model itself tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.pipeline.deploy.feature_tracing import Tracer

__all__ = ["Importances", "Weights", "importances", "weights_of"]


@dataclass(frozen=True)
class Weights:
    """What a model says about the elements of its vector.

    Parameters
    ----------
    kind : {"trees", "coefficients"}
        What they are.
    values : tuple of float
        One for each element; not negative.
    stage : object
        Which model says so.
    """

    kind: str
    values: tuple[float, ...]
    stage: Any


@dataclass(frozen=True)
class Importances:
    """The importances of what a model reads; their sum is 1 less the share of what comes from constants alone.

    Parameters
    ----------
    kind : str or None
        ``trees``, ``coefficients``, or ``scaled coefficients``: times the deviation in the training data; None where
        there are none.
    values : dict of str to float
        Of ``entity:group:feature``, and of ``basis:column``.
    """

    kind: str | None
    values: dict[str, float]


def weights_of(stages: Sequence[Any]) -> Weights | None:
    """Return what the last model that tells it says about the elements of its vector."""
    for stage in reversed(stages):
        # Asked of the class: of an object it may fail in the JVM.
        told = type(stage)
        if hasattr(told, "featureImportances"):
            return Weights("trees", _plain(stage.featureImportances.toArray()), stage)
        if hasattr(told, "coefficientMatrix"):
            # A row for each class.
            rows = stage.coefficientMatrix.toArray()
            return Weights("coefficients", _plain(abs(rows).mean(axis=0)), stage)
        if hasattr(told, "coefficients"):
            return Weights("coefficients", _plain(stage.coefficients.toArray()), stage)
        if hasattr(told, "get_booster"):
            booster = stage.get_booster()
            try:
                gains = booster.get_score(importance_type="total_gain")
            except ValueError:
                # Linear boosters have no gains.
                return None
            names = booster.feature_names or [f"f{place}" for place in range(booster.num_features())]
            return Weights("trees", tuple(float(gains.get(name, 0.0)) for name in names), stage)
    return None


def importances(weights: Weights | None, tracer: Tracer, deviations: Sequence[float | None] | None) -> Importances:
    """Return how much features and columns of the basis matter.

    An element of the vector that is computed from several shares its importance equally among them.

    Parameters
    ----------
    weights : Weights or None
        What the model says.
    tracer : Tracer
        Knows what its vector is computed from.
    deviations : sequence of float or None, optional
        The standard deviation of each element in the training data.
    """
    if weights is None:
        return Importances(None, {})
    taken = tracer.taken[weights.stage.uid]
    if taken is None or taken.each is None or len(taken.each) != len(weights.values):
        return Importances(None, {})
    kind, values = weights.kind, list(weights.values)
    if kind == "coefficients" and deviations is not None and len(deviations) == len(values):
        kind = "scaled coefficients"
        values = [value * (one or 0.0) for value, one in zip(values, deviations, strict=True)]
    if not all(map(math.isfinite, values)):
        return Importances(None, {})
    total = math.fsum(values) or 1.0
    found = dict.fromkeys(sorted(taken.names), 0.0)
    for value, names in zip(values, taken.each, strict=True):
        for name in names:
            found[name] += value / total / len(names)
    return Importances(kind, found)


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(abs(float(value)) for value in values)
