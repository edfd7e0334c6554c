"""Entities, features, feature groups and their sources, in Python or YAML."""

from __future__ import annotations

from palette.definitions.documents import dump_definitions, load_definitions
from palette.definitions.models import Entity, Feature, FeatureGroup, duration
from palette.definitions.sources import BatchSource, RPCSource, StreamSource
from palette.definitions.types import arrow_type, canonical_type, check_value, utc, widens

__all__ = [
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
