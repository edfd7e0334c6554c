"""Delta's own guards against vacuuming young files, lifted where the caller has done the thinking."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["retention_lifted"]

SETTINGS = {
    # Delta would refuse to go below the retention that is the table's property, or go by that alone.
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}


@contextlib.contextmanager
def retention_lifted(spark: SparkSession) -> Iterator[None]:
    """Let VACUUM go by the hours that it is given, while a block runs."""
    before = {name: spark.conf.get(name, None) for name in SETTINGS}
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)
