"""A Spark session that suits the library: Delta, UTC, and settings for a laptop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from palette.errors import PaletteError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["DELTA_PACKAGE", "active_session", "spark_session"]

# delta-spark 4.4.1 has no jar on Maven Central; the pip package and the jar must be of one version.
DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"

SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # At WARN a notebook drowns in advice for clusters; pass "spark.log.level" to see it.
    "spark.log.level": "ERROR",
    "spark.driver.memory": "4g",
    # The default, 1g, refuses snapshots of some million keys; what is in this process is bounded by its memory.
    "spark.driver.maxResultSize": "0",
    # The defaults (200 and 50) are made for clusters; on a laptop they cost seconds a query.
    "spark.sql.shuffle.partitions": "8",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    # The default, INT96, has no statistics to skip files by, and is slow to read.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Else Delta's parser drops the parameters of a query (delta-io/delta#7640).
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Python workers outlive a task, so that travelling histories are mapped once.
    "spark.python.worker.reuse": "true",
}


class JavaNotFoundError(PaletteError, RuntimeError):
    """Spark needs Java 17 and there is none."""


def spark_session(**conf: object) -> SparkSession:
    """Start Spark with Delta, or return the session that runs already.

    Parameters
    ----------
    **conf
        Spark settings: ``spark_session(**{"spark.driver.memory": "8g"})``; ``master`` and ``app_name`` stand for
        ``spark.master`` (default ``local[*]``) and ``spark.app.name``. ``remote="sc://host"`` connects to a
        Spark Connect server, ``remote="local[2]"`` starts one.

    Returns
    -------
    SparkSession
        Times are UTC; workers run this Python.

    Raises
    ------
    RuntimeError
        If no Java 17 or newer is found.

    Examples
    --------
    >>> spark = spark_session(master="local[1]")
    >>> spark.conf.get("spark.sql.session.timeZone")
    'UTC'
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**SETTINGS, **{_setting(name): str(value) for name, value in conf.items()}}
    remote = settings.pop("spark.remote", None)
    if remote is None or not remote.startswith("sc://"):
        _require_java()
        packages = [package for package in settings.get("spark.jars.packages", "").split(",") if package]
        if not any("delta-spark" in package for package in packages):
            packages.append(DELTA_PACKAGE)
        settings["spark.jars.packages"] = ",".join(packages)
    else:
        # The server has its own jars and memory; only SQL settings can be set from here.
        settings = {name: value for name, value in settings.items() if name.startswith("spark.sql.")}
    builder = SparkSession.builder.appName(settings.pop("spark.app.name", "palette"))
    if remote is not None:
        builder = builder.remote(remote)
    else:
        builder = builder.master(settings.pop("spark.master", "local[*]"))
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def active_session() -> SparkSession:
    """Return the session that runs, classic or Connect; without one, start one with the usual settings."""
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() or spark_session()


def _setting(name: str) -> str:
    short = {"master": "spark.master", "app_name": "spark.app.name", "remote": "spark.remote"}
    return short.get(name, name if "." in name else name.replace("_", "."))


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    remedy = "install a JDK 17 (Debian: apt-get install openjdk-17-jre-headless) and set JAVA_HOME to it"
    if not java or not os.path.exists(java):
        raise JavaNotFoundError(
            f"Spark needs Java 17, and no java is {'at ' + java if java else 'on the PATH'}: {remedy}"
        )
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = answer.split('"')[1] if '"' in answer else "unknown"
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < 17:
        raise JavaNotFoundError(f"Spark needs Java 17 or newer, found {version} at {java}: {remedy}")
