"""Spark sessions with Delta, UTC and settings for a laptop."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import warnings
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palette.errors import PaletteError, SessionWarning
from palette.lazy_imports import require_spark
from palette.startup import quiet_start

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "DELTA_PACKAGE",
    "LAPTOP",
    "SETTINGS",
    "DeltaNotFoundError",
    "JavaNotFoundError",
    "active_session",
    "configure",
    "require_delta",
    "spark_session",
]

# delta-spark 4.4.1 has no jar on Maven Central; the pip package and the jar must be of one version.
DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
PACKAGES, EXTENSIONS, CATALOG = "spark.jars.packages", "spark.sql.extensions", "spark.sql.catalog.spark_catalog"

DELTA = {
    EXTENSIONS: "io.delta.sql.DeltaSparkSessionExtension",
    CATALOG: "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# Settings for any session, on a cluster too.
SETTINGS = {
    **DELTA,
    "spark.sql.session.timeZone": "UTC",
    # The default, 1g, rejects snapshots of some million keys; the memory of this process is the limit.
    "spark.driver.maxResultSize": "0",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    # The default, INT96, has no statistics to skip files by, and is slow to read.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Without it Delta's parser drops the parameters of a query (delta-io/delta#7640).
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Python workers outlive a task, so that broadcast histories are mapped once.
    "spark.python.worker.reuse": "true",
}
LAPTOP = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # At WARN a notebook is full of advice for clusters; pass "spark.log.level" to see it.
    "spark.log.level": "ERROR",
    "spark.driver.memory": "4g",
    # The defaults (200 and 50) are for clusters; on a laptop they cost seconds a query.
    "spark.sql.shuffle.partitions": "8",
    "spark.databricks.delta.snapshotPartitions": "2",
}
# Ignored when a running session is requested again.
IGNORED = ("spark.master", "spark.app.name", "spark.remote")
# Delta reports a missing table; Spark alone cannot parse it.
PROBE = "DESCRIBE HISTORY delta.`/palette/nothing` LIMIT 1"
HOW = (
    f"a new process starts it with Delta by palette.spark_session(), or by palette.configure(SparkSession.builder)"
    f".getOrCreate(), which set {PACKAGES}={DELTA_PACKAGE} and {', '.join(f'{k}={v}' for k, v in DELTA.items())} "
    f"(in a notebook restart the kernel: a running Java process cannot load packages later)"
)

# The applications that spark_session started in this process.
_started: set[str] = set()
_with_delta: weakref.WeakSet[Any] = weakref.WeakSet()


class JavaNotFoundError(PaletteError, RuntimeError):
    """Java 17, which Spark needs, is not installed."""


class DeltaNotFoundError(PaletteError, RuntimeError):
    """The Spark session has no Delta, which stores the feature tables."""


def spark_session(**conf: object) -> SparkSession:
    """Start Spark with Delta, or return the session that is running.

    A session that something else started is returned unchanged, and a warning names what it lacks. :func:`configure`
    prepares a session of your own.

    Parameters
    ----------
    **conf
        Spark settings: ``spark_session(**{"spark.driver.memory": "8g"})``; ``master`` and ``app_name`` are short for
        ``spark.master`` (default ``local[*]``) and ``spark.app.name``. ``remote="sc://host"`` connects to a
        Spark Connect server, ``remote="local[2]"`` starts one. In a session that this function started before,
        SQL settings are changed.

    Returns
    -------
    SparkSession
        With UTC as time zone if this function started it; workers run this Python.

    Raises
    ------
    RuntimeError
        If no Java 17 or newer is found, or the Java process was started without Delta.

    Warns
    -----
    SessionWarning
        If the running session lacks Delta, or settings cannot be changed in it.

    Examples
    --------
    >>> spark = spark_session(master="local[1]")
    >>> spark.conf.get("spark.sql.session.timeZone")
    'UTC'
    """
    settings = {_setting(name): str(value) for name, value in conf.items()}
    if (running := _running(settings.get("spark.remote"))) is not None:
        late = _late(running, settings)
        problems = (
            [f"{', '.join(late)}: cannot be changed in the running session, which is returned as it is"] if late else []
        )
        if _lacks_delta(running):
            problems.append(f"the running session has no Delta, and is returned as it is: {HOW}")
        if problems:
            warnings.warn("; ".join(problems), SessionWarning, stacklevel=2)
        return running
    return _start(settings)


def configure(builder: SparkSession.Builder) -> SparkSession.Builder:
    """Add the settings that palette needs to the builder of a session: Delta, UTC, Arrow.

    Parameters
    ----------
    builder : SparkSession.Builder
        Its own settings stay: packages and extensions are added to its lists, a time zone or catalog is kept. Memory,
        partitions and the like are not set.

    Returns
    -------
    SparkSession.Builder
        The same builder.

    Examples
    --------
    >>> from pyspark.sql import SparkSession
    >>> builder = configure(SparkSession.builder.config("spark.sql.session.timeZone", "CET"))
    >>> builder is configure(builder)
    True
    """
    options = dict(getattr(builder, "_options", {}))
    for name, value in merged(options, {PACKAGES: DELTA_PACKAGE, **SETTINGS}).items():
        builder.config(name, value)
    if options.get("spark.master", "").startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return builder


def merged(given: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return the settings to add to the given ones; lists of packages and extensions are extended.

    Examples
    --------
    >>> added = merged({EXTENSIONS: "a.B", "spark.sql.session.timeZone": "CET"}, SETTINGS)
    >>> added[EXTENSIONS], "spark.sql.session.timeZone" in added
    ('a.B,io.delta.sql.DeltaSparkSessionExtension', False)
    """
    added = {name: value for name, value in ours.items() if name not in given}
    for name, marker in ((PACKAGES, "delta-spark"), (EXTENSIONS, "DeltaSparkSessionExtension")):
        theirs = [item for item in given.get(name, "").split(",") if item]
        if theirs and name in ours and not any(marker in item for item in theirs):
            added[name] = ",".join([*theirs, ours[name]])
    return added


def active_session(settings: Mapping[str, str] | None = None) -> SparkSession:
    """Return the running session, classic or Connect; without one, start one with the defaults and these settings."""
    return _running() or _start(settings or {})


def require_delta(spark: SparkSession, remedy: str = HOW) -> None:
    """Raise :class:`DeltaNotFoundError` if a session has no Delta; the result is cached."""
    if _lacks_delta(spark):
        raise DeltaNotFoundError(f"Spark was started without Delta: {remedy}")


def _running(remote: str | None = None) -> SparkSession | None:
    """Return the session of this process; None without one, or if a remote one is requested and a local one runs."""
    require_spark()
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    if remote is not None and not is_remote():
        return None
    try:
        session = SparkSession.active()
    except PySparkRuntimeError:
        return None
    # The context may be stopped while the session still seems active.
    return session if is_remote() or session._sc._jsc is not None else None


def _start(given: Mapping[str, str]) -> SparkSession:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**given, **merged(given, {PACKAGES: DELTA_PACKAGE, **SETTINGS, **LAPTOP})}
    remote = settings.pop("spark.remote", None)
    is_server = remote is not None and remote.startswith("sc://")
    if is_server:
        # The server has its own jars and memory; only SQL settings can be set from here.
        settings = {name: value for name, value in settings.items() if name.startswith("spark.sql.")}
    else:
        _require_java()
    foreign = SparkContext._active_spark_context is not None
    settings = {"spark.app.name": "palette", **settings}
    if remote is None:
        settings = {"spark.master": "local[*]", **settings}
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    with quiet_start(settings) if remote is None else contextlib.nullcontext():
        spark = (builder if remote is None else builder.remote(remote)).getOrCreate()
        if not foreign:
            _started.add(_application(spark))
        if _lacks_delta(spark):
            if not (foreign or is_server):
                raise DeltaNotFoundError(f"Spark was started without Delta: {HOW}")
            warnings.warn(f"Spark was started without Delta: {HOW}", SessionWarning, stacklevel=3)
    return spark


def _late(spark: SparkSession, settings: Mapping[str, str]) -> list[str]:
    """Apply settings to a session that palette started; return those that differ and cannot be changed."""
    ours = _application(spark) in _started
    late = []
    for name, value in settings.items():
        if (ours and name in IGNORED) or spark.conf.get(name, None) == value:
            continue
        if ours and spark.conf.isModifiable(name):
            spark.conf.set(name, value)
        else:
            late.append(f"{name}={value}")
    return late


def _application(spark: SparkSession) -> str:
    return spark.conf.get("spark.app.id", "") or ""


def _lacks_delta(spark: SparkSession) -> bool:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    if spark in _with_delta:
        return False
    try:
        _ = spark.sql(PROBE).schema
    except (PySparkException, Py4JError) as error:
        text = str(error)
        # The extension, the catalog or the jar is missing.
        if any(marker in text for marker in ("PARSE_SYNTAX_ERROR", "DELTA_CONFIGURE_SPARK_SESSION", "DeltaCatalog")):
            return True
    _with_delta.add(spark)
    return False


def _setting(name: str) -> str:
    short = {"master": "spark.master", "app_name": "spark.app.name", "remote": "spark.remote"}
    return short.get(name, name if "." in name else name.replace("_", "."))


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    remedy = "install a JDK 17 (Debian: apt-get install openjdk-17-jre-headless) and set JAVA_HOME to it"
    if not java or not os.path.exists(java):
        raise JavaNotFoundError(
            f"Spark needs Java 17, and there is no java {'at ' + java if java else 'on the PATH'}: {remedy}"
        )
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = answer.split('"')[1] if '"' in answer else "unknown"
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < 17:
        raise JavaNotFoundError(f"Spark needs Java 17 or newer, found {version} at {java}: {remedy}")
