"""Spark session of a job: settings of the scheduler have precedence, missing ones that palette needs are added."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from palette.jobs.standard_streams import SUBMITTED
from palette.session import DELTA_PACKAGE, LAPTOP, SETTINGS, active_session, merged, require_delta

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["is_submitted", "job_session"]

# Under spark-submit the driver runs already.
STARTED = "spark.driver."


def is_submitted() -> bool:
    """Return whether ``spark-submit`` started this process."""
    return SUBMITTED in os.environ


def job_session(settings: Mapping[str, str] | None = None) -> SparkSession:
    """Return the session that ``spark-submit`` prepared, or start one on this machine.

    Parameters
    ----------
    settings : mapping of str to str, optional
        Settings of the job, used where the scheduler has given none.

    Raises
    ------
    DeltaNotFoundError
        If Spark was started without Delta.
    """
    if not is_submitted():
        return active_session(settings)
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    # The settings of spark-submit are known only after Spark's process was reached.
    SparkContext._ensure_initialized()
    builder = SparkSession.builder
    for name, value in _missing(dict(SparkConf().getAll()), settings).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    require_delta(spark, f"spark-submit --packages {DELTA_PACKAGE} ...")
    return spark


def _missing(given: Mapping[str, str], own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the settings that are to be added to those that are given; those of the job precede the usual ones.

    Examples
    --------
    >>> added = _missing({"spark.master": "yarn", "spark.sql.extensions": "a.B", "spark.sql.session.timeZone": "CET"})
    >>> added["spark.sql.extensions"], "spark.sql.session.timeZone" in added, "spark.sql.shuffle.partitions" in added
    ('a.B,io.delta.sql.DeltaSparkSessionExtension', False, False)
    >>> added = _missing({"spark.executor.memory": "2g"}, {"spark.executor.memory": "8g", "spark.executor.cores": "2"})
    >>> "spark.executor.memory" in added, added["spark.executor.cores"]
    (False, '2')
    """
    ours = {**SETTINGS, **LAPTOP} if given.get("spark.master", "").startswith("local") else SETTINGS
    added = {**ours, **(own or {})}
    return merged(given, {name: value for name, value in added.items() if not name.startswith(STARTED)})
