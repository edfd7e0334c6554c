"""A Spark session that suits the library: Delta, UTC, and settings for a laptop."""

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
# What serves any session, on a cluster too.
SETTINGS = {
    **DELTA,
    "spark.sql.session.timeZone": "UTC",
    # The default, 1g, refuses snapshots of some million keys; what is in this process is bounded by its memory.
    "spark.driver.maxResultSize": "0",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    # The default, INT96, has no statistics to skip files by, and is slow to read.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Else Delta's parser drops the parameters of a query (delta-io/delta#7640).
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Python workers outlive a task, so that travelling histories are mapped once.
    "spark.python.worker.reuse": "true",
}
LAPTOP = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # At WARN a notebook drowns in advice for clusters; pass "spark.log.level" to see it.
    "spark.log.level": "ERROR",
    "spark.driver.memory": "4g",
    # The defaults (200 and 50) are made for clusters; on a laptop they cost seconds a query.
    "spark.sql.shuffle.partitions": "8",
    "spark.databricks.delta.snapshotPartitions": "2",
}
# A session that is asked for again may be called otherwise.
FREE = ("spark.master", "spark.app.name", "spark.remote")
# Delta refuses it, for want of a table; Spark alone cannot parse it.
PROBE = "DESCRIBE HISTORY delta.`/palette/nothing` LIMIT 1"
HOW = (
    f"a new process starts it with Delta by palette.spark_session(), or by palette.configure(SparkSession.builder)"
    f".getOrCreate(), which set {PACKAGES}={DELTA_PACKAGE} and {', '.join(f'{k}={v}' for k, v in DELTA.items())} "
    f"(in a notebook restart the kernel: the Java that runs does not load packages later)"
)

# The applications that spark_session started in this process.
_started: set[str] = set()
_with_delta: weakref.WeakSet[Any] = weakref.WeakSet()


class JavaNotFoundError(PaletteError, RuntimeError):
    """Spark needs Java 17 and there is none."""


class DeltaNotFoundError(PaletteError, RuntimeError):
    """The Spark session has no Delta, which keeps the tables of features."""


def spark_session(**conf: object) -> SparkSession:
    """Start Spark with Delta, or return the session that runs already.

    A session that something else started is returned as it is: no setting of it is changed, and a warning names what
    it lacks. :func:`configure` prepares a session of your own.

    Parameters
    ----------
    **conf
        Spark settings: ``spark_session(**{"spark.driver.memory": "8g"})``; ``master`` and ``app_name`` stand for
        ``spark.master`` (default ``local[*]``) and ``spark.app.name``. ``remote="sc://host"`` connects to a
        Spark Connect server, ``remote="local[2]"`` starts one. In a session that this function started before,
        settings of SQL are changed.

    Returns
    -------
    SparkSession
        Times are UTC, if this function started it; workers run this Python.

    Raises
    ------
    RuntimeError
        If no Java 17 or newer is found, or the Java that runs in this process was started without Delta.

    Warns
    -----
    SessionWarning
        If the session that runs lacks Delta, or settings come too late for it.

    Examples
    --------
    >>> spark = spark_session(master="local[1]")
    >>> spark.conf.get("spark.sql.session.timeZone")
    'UTC'
    """
    settings = {_setting(name): str(value) for name, value in conf.items()}
    if (running := _running(settings.get("spark.remote"))) is not None:
        late = _late(running, settings)
        told = [f"{', '.join(late)}: too late for the session that runs, which is left as it is"] if late else []
        if _lacks_delta(running):
            told.append(f"the session that runs has no Delta, and is left as it is: {HOW}")
        if told:
            warnings.warn("; ".join(told), SessionWarning, stacklevel=2)
        return running
    return _start(settings)


def configure(builder: SparkSession.Builder) -> SparkSession.Builder:
    """Add the settings that palette needs to the builder of a session: Delta, UTC, Arrow.

    Parameters
    ----------
    builder : SparkSession.Builder
        Its own settings stay: packages and extensions are added to those that are there, a time zone or catalog is
        kept. Memory, partitions and the like are left to it.

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
    """Return the settings that are to be added to those that are given; lists of packages and extensions grow.

    Examples
    --------
    >>> added = merged({EXTENSIONS: "a.B", "spark.sql.session.timeZone": "CET"}, SETTINGS)
    >>> added[EXTENSIONS], "spark.sql.session.timeZone" in added
    ('a.B,io.delta.sql.DeltaSparkSessionExtension', False)
    """
    added = {name: value for name, value in ours.items() if name not in given}
    for name, sign in ((PACKAGES, "delta-spark"), (EXTENSIONS, "DeltaSparkSessionExtension")):
        theirs = [one for one in given.get(name, "").split(",") if one]
        if theirs and name in ours and not any(sign in one for one in theirs):
            added[name] = ",".join([*theirs, ours[name]])
    return added


def active_session() -> SparkSession:
    """Return the session that runs, classic or Connect; without one, start one with the usual settings."""
    return _running() or _start({})


def require_delta(spark: SparkSession, remedy: str = HOW) -> None:
    """Raise :class:`DeltaNotFoundError` if a session has no Delta; it is asked once."""
    if _lacks_delta(spark):
        raise DeltaNotFoundError(f"Spark was started without Delta: {remedy}")


def _running(remote: str | None = None) -> SparkSession | None:
    """Return the session of this process; None without one, or if one elsewhere is wanted beside a local one."""
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
    # The context may have been stopped without the session's knowledge.
    return session if is_remote() or session._sc._jsc is not None else None


def _start(given: Mapping[str, str]) -> SparkSession:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**given, **merged(given, {PACKAGES: DELTA_PACKAGE, **SETTINGS, **LAPTOP})}
    remote = settings.pop("spark.remote", None)
    elsewhere = remote is not None and remote.startswith("sc://")
    if elsewhere:
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
            if not (foreign or elsewhere):
                raise DeltaNotFoundError(f"Spark was started without Delta: {HOW}")
            warnings.warn(f"Spark was started without Delta: {HOW}", SessionWarning, stacklevel=3)
    return spark


def _late(spark: SparkSession, settings: Mapping[str, str]) -> list[str]:
    """Set what can be set in a session of ours; return what has another value there."""
    ours = _application(spark) in _started
    late = []
    for name, value in settings.items():
        if (ours and name in FREE) or spark.conf.get(name, None) == value:
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
        # Without the extension; without the catalog; with a jar that is not there.
        if any(sign in text for sign in ("PARSE_SYNTAX_ERROR", "DELTA_CONFIGURE_SPARK_SESSION", "DeltaCatalog")):
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
            f"Spark needs Java 17, and no java is {'at ' + java if java else 'on the PATH'}: {remedy}"
        )
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = answer.split('"')[1] if '"' in answer else "unknown"
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < 17:
        raise JavaNotFoundError(f"Spark needs Java 17 or newer, found {version} at {java}: {remedy}")
