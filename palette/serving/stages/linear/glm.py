"""Generalised linear regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.linear.weights import dot, weighted_sum
from palette.serving.stages.models.base import Regressor, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import FittedStage, Source, named_columns, number
from palette.serving.stages.vectors import Vector

__all__ = ["GeneralizedLinearRegressionModel"]

INF = math.inf
# What Spark takes for the least mean, and the greatest.
LEAST, GREATEST = 1e-16, 1.7976931348623157e308
# The default link of a family.
DEFAULT_LINKS = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}
# The families and links of powers in the Tweedie family.
FAMILIES = {0.0: "gaussian", 1.0: "poisson", 2.0: "gamma"}
LINKS = {0.0: "log", 1.0: "identity", -1.0: "inverse", 0.5: "sqrt"}


def power(base: float, exponent: float) -> float:
    """Return a power as Java has it: NaN and infinity where Python's would raise.

    Examples
    --------
    >>> power(4.0, 0.5), power(-4.0, 0.5), power(0.0, -2.0), power(-1e200, 3.0)
    (2.0, nan, inf, -inf)
    """
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -INF if base < 0.0 and exponent % 2.0 == 1.0 else INF
    except ValueError:
        return math.nan if base else INF


# What makes the mean of the sum, which is never a negative zero.
MEANS: dict[str, Callable[[float], float]] = {
    "identity": lambda eta: eta,
    "log": exp,
    "inverse": lambda eta: 1.0 / eta if eta else INF,
    "sqrt": lambda eta: eta * eta,
    "logit": lambda eta: 1.0 / (1.0 + exp(-eta)),
    "probit": lambda eta: 0.5 * (1.0 + math.erf(eta / math.sqrt(2.0))),
    "cloglog": lambda eta: 1.0 - exp(-exp(eta)),
}


def _inputs(stage: FittedStage) -> tuple[str, ...]:
    offset = stage.params.get("offsetCol")
    return (stage.params["featuresCol"], offset) if offset else (stage.params["featuresCol"],)


@register
@dataclass(frozen=True)
class GeneralizedLinearRegressionModel(Regressor):
    """The local form of ``pyspark.ml.regression.GeneralizedLinearRegressionModel``.

    Parameters
    ----------
    inputs : tuple of str
        The features, and the offset if there is one.
    coefficients : list of float
        Weights of the features.
    places : list of int, optional
        The features that have a weight; all by default.
    intercept : float
        What is added to the sum.
    gives : list of str
        What the outputs are: "link", "prediction".
    family : {"gaussian", "binomial", "poisson", "gamma", "tweedie"}
        The distribution: between which limits a mean must be.
    link : {"identity", "log", "inverse", "sqrt", "logit", "probit", "cloglog", "power"}
        The function of the mean that is linear in the features.
    link_power : float
        The exponent if the link is a power.
    """

    coefficients: list[float]
    places: list[int] | None
    intercept: float
    gives: list[str]
    family: str
    link: str
    link_power: float

    kind = "GeneralizedLinearRegressionModel"
    spark_class = "org.apache.spark.ml.regression.GeneralizedLinearRegressionModel"
    source = Source(
        named_columns({"link": "linkPredictionCol", "prediction": "predictionCol"}),
        **weighted_sum(),
        inputs=_inputs,
        family=lambda stage: _family_and_link(stage.params)[0],
        link=lambda stage: _family_and_link(stage.params)[1],
        link_power=lambda stage: _family_and_link(stage.params)[2],
    )

    def predict(self, features: Vector) -> float:
        """Return the mean without an offset."""
        return self._mean(self._sum(features, 0.0))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the sum and the mean; both are null where the offset is."""
        offset = 0.0
        if len(self.inputs) > 1:
            if values[1] is None:
                return (None,) * len(self.outputs)
            offset = float(values[1])
        if not self.outputs:
            return ()
        eta = self._sum(self.features(values[0]), offset)
        return tuple(eta if given == "link" else self._mean(eta) for given in self.gives)

    def _sum(self, features: Vector, offset: float) -> float:
        return dot(self.coefficients, self.places, features) + self.intercept + offset

    def _mean(self, eta: float) -> float:
        if self.link == "power":
            mean = power(eta, 1.0 / self.link_power)
        else:
            mean = MEANS[self.link](eta)
        if self.family == "gaussian":
            return max(-GREATEST, min(mean, GREATEST)) if mean == mean else mean
        if mean < LEAST:
            return LEAST
        if self.family == "binomial":
            return 1.0 - LEAST if mean > 1.0 - LEAST else mean
        return GREATEST if mean == INF else mean


def _family_and_link(params: Mapping[str, Any]) -> tuple[str, str, float]:
    """Return family, link, and exponent of the link, as what is set makes them."""
    family = params["family"].lower()
    if family != "tweedie":
        link = params["link"].lower() if "link" in params else DEFAULT_LINKS[family]
        if link not in MEANS:
            raise DataError(f"GeneralizedLinearRegressionModel: unknown link {link!r}")
        return family, link, 0.0
    variance_power = number(params["variancePower"])
    family = FAMILIES.get(variance_power, "tweedie")
    if "linkPower" in params:
        link_power = number(params["linkPower"])
        return family, LINKS.get(link_power, "power"), link_power
    return family, DEFAULT_LINKS.get(family, "power"), 1.0 - variance_power
