"""Run by tests/test_cluster.py: a selection on two executor processes, or over Spark Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.selection.shops import Shops, shops

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


def prove(spark: SparkSession, home: Path) -> dict[str, Any]:
    return select(shops(spark, home))


def select(world: Shops) -> dict[str, Any]:
    """Return what is selected, as JSON."""
    told = world.store.select_features(world.orders, "minutes", ["*", "basis:late"], timestamp="at").to_json()
    return {name: value for name, value in told.items() if name != "seconds"}
