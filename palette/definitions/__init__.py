"""Entities, features, feature groups and their sources, in Python or YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.definitions.aggregates import Aggregate
    from palette.definitions.base import duration
    from palette.definitions.features import Feature
    from palette.definitions.models import Entity, FeatureGroup
    from palette.definitions.sources import BatchSource, RPCSource, StreamSource
    from palette.definitions.types import arrow_type, canonical_type, check_value, utc, widens
    from palette.definitions.yaml.documents import dump_definitions, load_definitions

__all__ = [
    "Aggregate",
    "BatchSource",
    "Entity",
    "Feature",
    "FeatureGroup",
    "RPCSource",
    "StreamSource",
    "arrow_type",
    "canonical_type",
    "check_value",
    "dump_definitions",
    "duration",
    "load_definitions",
    "utc",
    "widens",
]

_HOMES = {
    "Aggregate": "palette.definitions.aggregates",
    "BatchSource": "palette.definitions.sources",
    "Entity": "palette.definitions.models",
    "Feature": "palette.definitions.features",
    "FeatureGroup": "palette.definitions.models",
    "RPCSource": "palette.definitions.sources",
    "StreamSource": "palette.definitions.sources",
    "arrow_type": "palette.definitions.types",
    "canonical_type": "palette.definitions.types",
    "check_value": "palette.definitions.types",
    "dump_definitions": "palette.definitions.yaml.documents",
    "duration": "palette.definitions.base",
    "load_definitions": "palette.definitions.yaml.documents",
    "utc": "palette.definitions.types",
    "widens": "palette.definitions.types",
}

# A bundle without look-ups is scored without pydantic, whose import would take longer than all the rest.
__getattr__, __dir__ = lazy(__name__, _HOMES)
