"""FeatureStore, the one door: a module for each room behind it."""

from palette.store.feature_store import FeatureStore

__all__ = ["FeatureStore"]
