"""The session of a job: the scheduler's settings count, and what palette needs is added where nothing was said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.jobs.streams import SUBMITTED
from palette.session import SETTINGS, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["job_session"]

# What is a cluster's business, where there is one.
THEIRS = ("spark.ui.", "spark.sql.shuffle.", "spark.log.", "spark.databricks.")
# What comes too late.
STARTED = "spark.driver."


def job_session() -> SparkSession:
    """Return the session that ``spark-submit`` prepared, or start one on this machine.

    Raises
    ------
    DefinitionError
        If Spark was started without Delta.
    """
    if SUBMITTED not in os.environ:
        return spark_session()
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    given, builder = SparkConf(), SparkSession.builder
    left = (STARTED,) if given.get("spark.master", "").startswith("local") else (STARTED, *THEIRS)
    for name, value in SETTINGS.items():
        if not given.contains(name) and not name.startswith(left):
            builder = builder.config(name, value)
    spark = builder.getOrCreate()
    _require_delta(spark)
    return spark


def _require_delta(spark: SparkSession) -> None:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from palette.session import DELTA_PACKAGE

    try:
        # Refused either way, by Delta for want of a path; Spark's own refusal has no class in common with it.
        _ = spark.read.format("delta").load().schema
    except (PySparkException, Py4JError) as error:
        if "DATA_SOURCE_NOT_FOUND" in str(error):
            raise DefinitionError(
                f"Spark was started without Delta: spark-submit --packages {DELTA_PACKAGE} ..."
            ) from error
