"""What was counted on the way, while rows were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

if TYPE_CHECKING:
    from pyspark.sql import Observation

__all__ = ["observed"]


def observed(seen: Observation) -> Mapping[str, Any]:
    """Return what an observation saw when rows were written; nothing if what came of them was empty.

    Spark then takes the empty rows for the whole plan, and forgets what was observed in it.
    """
    try:
        found: Mapping[str, Any] = seen.get
    except (Py4JError, PySparkException):
        return {}
    return found
