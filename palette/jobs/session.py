"""The session of a job: the scheduler's settings count, and what palette needs is added where nothing was said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.jobs.streams import SUBMITTED
from palette.session import SETTINGS, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["is_submitted", "job_session"]

# What is a cluster's business, where there is one.
THEIRS = ("spark.ui.", "spark.sql.shuffle.", "spark.log.", "spark.databricks.")
# Of which there may be several.
EXTENSIONS = "spark.sql.extensions"
# What comes too late.
STARTED = "spark.driver."


def is_submitted() -> bool:
    """Tell whether ``spark-submit`` started this process."""
    return SUBMITTED in os.environ


def job_session() -> SparkSession:
    """Return the session that ``spark-submit`` prepared, or start one on this machine.

    Raises
    ------
    DefinitionError
        If Spark was started without Delta.
    """
    if not is_submitted():
        return spark_session()
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    # Before Spark's process is reached, nothing of what spark-submit was told is known.
    SparkContext._ensure_initialized()
    builder = SparkSession.builder
    for name, value in _missing(dict(SparkConf().getAll())).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    _require_delta(spark)
    return spark


def _missing(given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that are to be added to those that are given.

    Examples
    --------
    >>> added = _missing({"spark.master": "yarn", "spark.sql.extensions": "a.B", "spark.sql.session.timeZone": "CET"})
    >>> added["spark.sql.extensions"], "spark.sql.session.timeZone" in added, "spark.sql.shuffle.partitions" in added
    ('a.B,io.delta.sql.DeltaSparkSessionExtension', False, False)
    """
    left = (STARTED,) if given.get("spark.master", "").startswith("local") else (STARTED, *THEIRS)
    added = {name: value for name, value in SETTINGS.items() if name not in given and not name.startswith(left)}
    if (theirs := given.get(EXTENSIONS)) and SETTINGS[EXTENSIONS] not in theirs.split(","):
        added[EXTENSIONS] = f"{theirs},{SETTINGS[EXTENSIONS]}"
    return added


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
