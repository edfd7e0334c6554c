"""Whether the workers of a session are on the machine of its driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.utils import is_remote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["is_local"]


def is_local(spark: SparkSession) -> bool:
    """Return whether workers run on the driver's machine, in its process group."""
    return not is_remote() and spark.conf.get("spark.master", "").split("[")[0] == "local"
