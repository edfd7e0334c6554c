"""The session of a job: the scheduler's settings count, and what palette needs is added where nothing was said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.session import SETTINGS, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SUBMITTED", "job_session"]

# Set for a Python that spark-submit started.
SUBMITTED = "PYSPARK_GATEWAY_PORT"
# What is the cluster's business.
THEIRS = ("spark.ui.", "spark.driver.", "spark.sql.shuffle.", "spark.log.", "spark.databricks.")


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
    for name, value in SETTINGS.items():
        if not given.contains(name) and not name.startswith(THEIRS):
            builder = builder.config(name, value)
    spark = builder.getOrCreate()
    _require_delta(spark)
    return spark


def _require_delta(spark: SparkSession) -> None:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from palette.session import DELTA_PACKAGE

    try:
        spark.sql("CREATE TEMPORARY VIEW palette_delta USING delta OPTIONS (path '/nowhere/at/all')")
    except (PySparkException, Py4JError) as error:
        if "data source" in str(error).lower() and "find" in str(error).lower():
            raise DefinitionError(
                f"Spark was started without Delta: spark-submit --packages {DELTA_PACKAGE} ..."
            ) from error
