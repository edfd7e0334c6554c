"""Timestamps mean the same in any zone of session and process, and in every zone of the database."""

from __future__ import annotations

import time
import zoneinfo
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from dsl import compile_row
from dsl.functions.instants import check_zone, local, micros
from dsl.registry import REGISTRY
from dsl.testing import cases, differences

TIMED = [
    function for function in REGISTRY if function.family in ("time", "durations", "cyclic") or function.name == "tFill"
]
pytestmark = pytest.mark.spark


@pytest.fixture
def elsewhere(spark, monkeypatch):
    """Another zone for the session, and yet another one for the process."""
    before = spark.conf.get("spark.sql.session.timeZone")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    spark.conf.set("spark.sql.session.timeZone", "Australia/Lord_Howe")
    yield
    spark.conf.set("spark.sql.session.timeZone", before)
    monkeypatch.undo()
    time.tzset()


def test_session_and_process_zone_have_no_effect(elsewhere, spark):
    failures = differences([case for function in TIMED for case in cases(function, random_rows=60, limit=150)], spark)
    assert not failures, failures[:5]


def test_row_keeps_to_utc(elsewhere):
    assert compile_row("hour(tVal('basis:at'))")({"at": datetime(2024, 7, 1, 15)}) == 15


def test_every_zone_is_the_same_in_spark(spark):
    """Since 1970: what a place's clock showed before, editions of the database disagree about."""
    from pyspark.sql import functions as F

    known = {zone for zone in zoneinfo.available_timezones() if accepted(zone)}
    zones = sorted(known & set(spark._jvm.java.time.ZoneId.getAvailableZoneIds()))  # Java's database may be older
    assert len(zones) > len(known) - 20
    moments = [datetime(1970, 1, 2) + timedelta(days=97.3 * step) for step in range(200)]  # until 2023
    frame = spark.createDataFrame(pa.table({"zone": zones})).crossJoin(
        spark.createDataFrame(pa.table({"moment": [micros(moment) for moment in moments]}))
    )
    shown = frame.select(
        "zone", "moment", F.unix_micros(F.from_utc_timestamp(F.timestamp_micros("moment"), F.col("zone"))).alias("wall")
    ).toArrow()
    epoch = datetime(1970, 1, 1)
    wrong = {
        row["zone"]
        for row in shown.to_pylist()
        if micros(local(epoch + timedelta(microseconds=row["moment"]), row["zone"])) != row["wall"]
    }
    assert not wrong


def accepted(zone: str) -> bool:
    try:
        check_zone(zone)
    except ValueError:
        return False
    return True
