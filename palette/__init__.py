"""A feature store for people who train on Spark and serve without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.definitions import Aggregate, BatchSource, Entity, Feature, FeatureGroup, RPCSource, StreamSource
    from palette.online import Snapshot
    from palette.pipeline import MLPipeline, MLPipelineModel
    from palette.session import configure, spark_session
    from palette.store import FeatureStore
    from palette.transformer import PaletteTransformer

__all__ = [
    "Aggregate",
    "BatchSource",
    "Entity",
    "Feature",
    "FeatureGroup",
    "FeatureStore",
    "MLPipeline",
    "MLPipelineModel",
    "PaletteTransformer",
    "RPCSource",
    "Snapshot",
    "StreamSource",
    "configure",
    "spark_session",
]

_HOMES = {
    "Aggregate": "palette.definitions",
    "BatchSource": "palette.definitions",
    "Entity": "palette.definitions",
    "Feature": "palette.definitions",
    "FeatureGroup": "palette.definitions",
    "FeatureStore": "palette.store",
    "MLPipeline": "palette.pipeline",
    "MLPipelineModel": "palette.pipeline",
    "PaletteTransformer": "palette.transformer",
    "RPCSource": "palette.definitions",
    "Snapshot": "palette.online",
    "StreamSource": "palette.definitions",
    "configure": "palette.session",
    "spark_session": "palette.session",
}

# Importing palette must pull in neither Spark nor pandas.
__getattr__, __dir__ = lazy(__name__, _HOMES)
