"""Entities, features, feature groups and their sources, in Python or YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.definitions.aggregates import Aggregate
    from palette.definitions.base import duration
    from palette.definitions.features import Feature
    from palette.definitions.models import Entity, FeatureGroup
    from palette.definitions.schema import GroupSchema
    from palette.definitions.sources import BatchSource, RPCSource, StreamSource
    from palette.definitions.yaml.documents import dump_definitions, load_definitions
    from palette.types import arrow_type, canonical_type, check_value, widens

__all__ = [
    "Aggregate",
    "BatchSource",
    "Entity",
    "Feature",
    "FeatureGroup",
    "GroupSchema",
    "RPCSource",
    "StreamSource",
    "arrow_type",
    "canonical_type",
    "check_value",
    "dump_definitions",
    "duration",
    "load_definitions",
    "widens",
]

_HOMES = {
    "Aggregate": "palette.definitions.aggregates",
    "BatchSource": "palette.definitions.sources",
    "Entity": "palette.definitions.models",
    "Feature": "palette.definitions.features",
    "FeatureGroup": "palette.definitions.models",
    "GroupSchema": "palette.definitions.schema",
    "RPCSource": "palette.definitions.sources",
    "StreamSource": "palette.definitions.sources",
    "arrow_type": "palette.types",
    "canonical_type": "palette.types",
    "check_value": "palette.types",
    "dump_definitions": "palette.definitions.yaml.documents",
    "duration": "palette.definitions.base",
    "load_definitions": "palette.definitions.yaml.documents",
    "widens": "palette.types",
}

# A bundle without look-ups is scored without pydantic, whose import would take longer than all the rest.
__getattr__, __dir__ = lazy(__name__, _HOMES)
