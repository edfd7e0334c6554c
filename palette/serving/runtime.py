"""Runtime of a fit, as far as answers depend on it: releases of Spark and Java, names of columns, time zones."""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException

from dsl.zones import FIRST_CHANGE, LAST_CHANGE, STEP, database_release, offset_changes
from palette.serving.zones import warn_of_zone

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["runtime_of", "zone_rules"]

JAVA_VERSION = "java_method('java.lang.System', 'getProperty', 'java.version')"
RELEASES = "java_method('java.time.zone.ZoneRulesProvider', 'getVersions', 'UTC')"
# The same walk as dsl.zones makes: days whose offset is another one, then quarters of hours within these.
OFFSET = "unix_seconds(from_utc_timestamp(timestamp_seconds({0}), zone)) - {0}"
CHANGES = f"""
    flatten(transform(
        filter(sequence({FIRST_CHANGE} + 86400, {LAST_CHANGE}, 86400),
            d -> {OFFSET.format("d")} != {OFFSET.format("(d - 86400)")}),
        d -> filter(sequence(d - 86400 + {STEP}, d, {STEP}),
            t -> {OFFSET.format("t")} != {OFFSET.format(f"(t - {STEP})")})))
"""


# Each session is queried once.
_versions: weakref.WeakKeyDictionary[SparkSession, str] = weakref.WeakKeyDictionary()


def runtime_of(spark: SparkSession, zones: Sequence[str] = ()) -> dict[str, Any]:
    """Return what plans know of the session that fits.

    Parameters
    ----------
    spark : SparkSession
        The session; a statement of one row asks it for the version of Java.
    zones : sequence of str
        The time zones that the model reads clocks of.

    Returns
    -------
    dict
        ``spark`` and ``java`` (versions), ``case_sensitive`` (whether names that differ by case are of two columns),
        and, if there are zones, ``zones`` as :func:`zone_rules` returns it.
    """
    if spark not in _versions:
        _versions[spark] = _call_java(spark, JAVA_VERSION)
    runtime: dict[str, Any] = {
        "spark": spark.version,
        "java": _versions[spark],
        "case_sensitive": spark.conf.get("spark.sql.caseSensitive") == "true",
    }
    return {**runtime, "zones": zone_rules(spark, zones)} if zones else runtime


def zone_rules(spark: SparkSession, zones: Sequence[str]) -> dict[str, Any]:
    """Return the rules of time zones as Spark has them; warn where Python's are others.

    Parameters
    ----------
    spark : SparkSession
        One job asks it for the changes of the zones' clocks from 1900 to 2040.
    zones : sequence of str
        The zones.

    Returns
    -------
    dict
        ``java`` and ``python`` (the releases of the two databases), ``rules`` (by zone, the changes from 1970 on:
        second and offset), and ``agree``: whether these are Python's too.
    """
    starts = f"array(bigint({FIRST_CHANGE}), bigint(0))"
    shown = spark.createDataFrame([(zone,) for zone in zones], "zone string").selectExpr(
        "zone", f"transform(concat({starts}, {CHANGES}), c -> array(c, {OFFSET.format('c')}))"
    )
    release = "".join(re.findall(r"\{(\w+)=", _call_java(spark, RELEASES)))
    rules, agree, here = {}, True, database_release()
    for zone, changes in shown.collect():
        first, in_1970, *later = map(tuple, changes)
        rules[zone] = [list(change) for change in (in_1970, *later) if change[0] >= 0]
        agree &= set(map(tuple, rules[zone])) == set(offset_changes(zone, start=0))
        warn_of_zone(zone, [first, *later], release, offset_changes(zone), here)
    return {"java": release, "python": here, "rules": rules, "agree": agree}


def _call_java(spark: SparkSession, call: str) -> str:
    """Return the result of a Java method, or an empty string where the cluster does not allow the call."""
    try:
        row = spark.sql(f"SELECT {call}").first()
    except PySparkException:
        return ""
    return "" if row is None else str(row[0])
