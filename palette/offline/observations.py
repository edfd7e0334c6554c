"""Metrics that Spark counts while rows are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

if TYPE_CHECKING:
    from pyspark.sql import Observation

__all__ = ["read_observation"]


def read_observation(observation: Observation) -> Mapping[str, Any]:
    """Return the metrics of an observation after rows were written; none if the result was empty.

    Spark then replaces the plan by the empty result, and the observation never completes.
    """
    try:
        metrics: Mapping[str, Any] = observation.get
    except (Py4JError, PySparkException):
        return {}
    return metrics
