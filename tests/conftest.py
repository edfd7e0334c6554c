"""One Spark session, one Redis and one PostgreSQL for each process that runs tests; tiers and profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import tiers
from tests.draws import is_ci, load_profile, rng
from tests.eats import eats
from tests.jvm import SESSION
from tests.servers.postgres import postgres_server
from tests.servers.redis import redis_server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


__all__ = ["eats", "postgres_server", "redis_server", "rng", "spark"]

os.environ.setdefault("SPARK_SUBMIT_OPTS", SESSION)
load_profile()


# Most queries of tests run once, on a few rows: to compile them, to split them into stages that adapt, and to read the
# log of a table in two tasks costs more than it saves. What users run is drawn by `make proof`, and by the tests that
# start a Spark of their own; expressions are compiled in both, see tests/dsl/conftest.py.
SHORT_QUERIES = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Classic Spark on two cores, UTC, one shuffle partition."""
    import palette

    session = palette.spark_session(
        master="local[2]",
        app_name="palette-tests",
        **{
            "spark.sql.shuffle.partitions": 1,
            "spark.default.parallelism": 2,
            "spark.log.level": "ERROR",
            # What many tests ask alike is compiled once; of 100 entries, the default, the next test finds few.
            "spark.sql.codegen.cache.maxEntries": 2000,
            **(SHORT_QUERIES if is_ci() else {}),
        },
    )
    yield session
    session.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tiers; where several processes share the files, long ones come first, so that none waits at the end."""
    tiers.mark(items)
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (isinstance(item, pytest.DoctestItem), item.path not in slow))
