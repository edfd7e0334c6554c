"""FeatureStore, the entry point: its methods by topic, a module each."""

from palette.store.feature_store import FeatureStore

__all__ = ["FeatureStore"]
