"""One Spark session, one Redis and one PostgreSQL for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.eats import eats
from tests.postgres_server import postgres_server
from tests.redis_server import redis_server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


__all__ = ["eats", "postgres_server", "redis_server", "spark"]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Classic Spark on two cores, UTC, one shuffle partition."""
    import palette

    session = palette.spark_session(
        master="local[2]",
        app_name="palette-tests",
        **{"spark.sql.shuffle.partitions": 1, "spark.default.parallelism": 2, "spark.log.level": "ERROR"},
    )
    yield session
    session.stop()
