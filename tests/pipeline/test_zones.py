"""Time zones whose rules differ between Java's database, where a model is fitted, and Python's, where it scores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zoneinfo
from datetime import datetime
from pathlib import Path

import pytest

from dsl import DSLEstimator
from dsl.zones import database_release, offset_changes
from palette import MLPipeline
from palette.errors import TimeZoneWarning
from palette.serving import LocalPipeline
from palette.serving.runtime import zone_rules
from palette.serving.zones import check_zones

# An hour's change of half an hour; clocks that are put back for Ramadan; an offset with seconds until 1972.
STABLE = ["Africa/Monrovia", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Paris"]
LOAD = r"""
import sys, warnings
from palette.serving import LocalPipeline
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    LocalPipeline.load(sys.argv[1])
print(*(f"{one.category.__name__}: {one.message}" for one in told), sep="\n")
"""


@pytest.mark.spark
def test_the_rules_that_spark_has_are_found(spark):
    found = zone_rules(spark, STABLE)
    assert found["java"] > "2020"
    assert found["python"] == database_release()
    assert found["agree"] is True
    assert {zone: [tuple(change) for change in changes] for zone, changes in found["rules"].items()} == {
        zone: offset_changes(zone, start=0) for zone in STABLE
    }


@pytest.mark.spark
def test_a_bundle_tells_of_zones_that_have_other_rules_here(spark, tmp_path):
    df = spark.createDataFrame([(datetime(2026, 7, 1, 12),)], "at timestamp")
    hours = {"a": "hour(tVal('basis:at'), 'Europe/Paris')", "b": "hour(tVal('basis:at'), 'Asia/Kolkata')"}
    model = MLPipeline(DSLEstimator(lambdas=hours)).fit(df)
    model.save_bundle(tmp_path / "bundle", self_test=False)
    assert LocalPipeline.load(tmp_path / "bundle").score_instance({"at": datetime(2026, 7, 1, 12)})["a"] == 14
    (known,) = (Path(one) for one in zoneinfo.TZPATH[:1])
    other = tmp_path / "zoneinfo"
    shutil.copytree(known / "Asia", other / "Asia")
    (other / "Europe").mkdir()
    shutil.copy(known / "Europe" / "Helsinki", other / "Europe" / "Paris")
    (other / "+VERSION").write_text("2099z\n", "utf-8")
    environment = {**os.environ, "PYTHONTZPATH": str(other)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "bundle"], env=environment, capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("TimeZoneWarning: hours of Europe/Paris at times from 1970-01-01 to 2039-")
    assert "of Python here (2099z)" in line
    without = json.loads((tmp_path / "bundle" / "plan.json").read_text("utf-8"))["runtime"]["zones"]
    assert sorted(without["rules"]) == ["Asia/Kolkata", "Europe/Paris"]


def test_what_earlier_releases_did_not_keep_is_not_compared():
    check_zones({})
    check_zones({"spark": "4.2.0"})


def test_zones_are_compared_where_releases_differ():
    rules = {
        "Asia/Kolkata": [[0, 19_800]],
        "Europe/Paris": [list(change) for change in offset_changes("Europe/Paris", 0)],
    }
    known = {"java": "2025a", "python": "1999a", "agree": True, "rules": rules}
    check_zones({"zones": known})
    rules["Asia/Kolkata"].append([1_900_000_000, 18_000])
    check_zones({"zones": {**known, "python": database_release()}})
    with pytest.warns(
        TimeZoneWarning, match=r"hours of Asia/Kolkata at times from 2030-03-17 to 2030-03-17 .*2025a"
    ) as told:
        check_zones({"zones": known})
    assert len(told) == 1
