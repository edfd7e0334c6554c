"""A row's own time: what a snapshot and a live store answer of another time than theirs."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest

from palette.errors import ArgumentError, RequestTimeError
from palette.online import Snapshot
from palette.serving import LocalPipeline
from palette.serving.plan import Plan
from tests.serving.test_plan import HOUR, KNOWN, NOW, PLAN, TIMED, dsl_step, order, store

__all__ = ["store"]

ZONE = dt.timezone(dt.timedelta(hours=2))


def times(**age):
    """Return the same time in several forms, relative to the present of these tests."""
    time = NOW + dt.timedelta(**age)
    return [time, time.replace(tzinfo=dt.UTC).astimezone(ZONE), np.datetime64(time, "us")]


@pytest.mark.parametrize("time", times(seconds=-1), ids=["naive", "zone", "numpy"])
def test_a_row_older_than_the_snapshot_is_refused(store, time):
    local = LocalPipeline(TIMED, Snapshot([store.table(name) for name in KNOWN], NOW))
    message = r"'asked_at' is 2026-01-01T11:59:59Z, before the snapshot's time \(2026-01-01T12:00:00Z\).*leave"
    with pytest.raises(RequestTimeError, match=message):
        local.score_instance(order(r_id="r1", asked_at=time), now=NOW + HOUR)
    _, bad = local.score_instances([order(), order(asked_at=time)], now=NOW, errors="return")
    assert isinstance(bad, RequestTimeError)


def test_a_row_as_old_as_the_snapshot_or_without_a_time_is_of_now(store):
    local = LocalPipeline(TIMED, Snapshot([store.table(name) for name in KNOWN], NOW), strict=True)
    expected = local.score_instance(order(r_id="r1"), now=NOW)
    for time in (None, np.datetime64("NaT"), NOW, NOW + 100 * HOUR, dt.date(2026, 1, 2)):
        assert local.score_instance(order(r_id="r1", asked_at=time), now=NOW) == expected


def test_a_live_store_answers_for_the_present(store):
    local, row = LocalPipeline(TIMED, store), order(r_id="r1")
    expected = local.score_instance(row, now=NOW)
    for time in times(minutes=-5) + times(minutes=5):
        assert local.score_instance({**row, "asked_at": time}, now=NOW) == expected
    with pytest.raises(RequestTimeError, match=r"11:54:59Z, 301 s before now .*snapshot of that time .* is 300 s"):
        local.score_instance({**row, "asked_at": NOW - dt.timedelta(seconds=301)}, now=NOW)
    with pytest.raises(RequestTimeError, match="301 s after now"):
        asyncio.run(local.score_instance_async({**row, "asked_at": NOW + dt.timedelta(seconds=301)}, now=NOW))
    patient = LocalPipeline(TIMED, store, max_request_age=math.inf)
    assert patient.score_instance({**row, "asked_at": NOW - 100 * HOUR}, now=NOW) == expected
    with pytest.raises(RequestTimeError, match="1 s before now"):
        LocalPipeline(TIMED, store, max_request_age=0).score_instance({**row, "asked_at": NOW - HOUR / 3600}, now=NOW)


def test_the_time_of_a_row_may_be_a_date(store):
    """A day is its midnight in UTC, as in ``transform``."""
    local = LocalPipeline(replace(TIMED, inputs={"asked_at": "date"}), store, max_request_age=12 * 3600)
    for day in (NOW.date(), NOW, NOW + 11 * HOUR):
        assert local.score_instance(order(r_id="r1", asked_at=day), now=NOW)["a"] == 1.5
    with pytest.raises(RequestTimeError, match="43,201 s before now"):
        local.score_instance(order(asked_at=NOW.date()), now=NOW + dt.timedelta(seconds=1))


def test_a_row_whose_time_is_none_is_refused(store):
    with pytest.raises(TypeError, match="column 'asked_at': expected timestamp"):
        LocalPipeline(TIMED, store).score_instance(order(asked_at="soon"), now=NOW)
    with pytest.raises(ArgumentError, match="max_request_age must be"):
        LocalPipeline(TIMED, store, max_request_age=-1)


def test_a_time_that_an_earlier_step_makes_counts(store):
    made = dsl_step({"asked_at": "tVal('basis:sent')"}, sent="timestamp")
    local = LocalPipeline(Plan((made, *TIMED.steps), TIMED.outputs), store)
    with pytest.raises(RequestTimeError, match="'asked_at'"):
        local.score_instance(order(sent=NOW - HOUR, asked_at=NOW), now=NOW)
    assert local.score_instance(order(sent=NOW, asked_at=None, r_id="r1"), now=NOW)["a"] == 1.5


def test_a_bundle_keeps_the_column_of_times_and_an_older_one_has_none(store, tmp_path):
    LocalPipeline(TIMED).save(tmp_path / "bundle")
    loaded = LocalPipeline.load(tmp_path / "bundle", store)
    assert loaded.request_columns["asked_at"] == "timestamp"
    with pytest.raises(RequestTimeError):
        loaded.score_instance(order(asked_at=NOW - HOUR), now=NOW)
    assert LocalPipeline(PLAN, store).score_instance(order(r_id="r1", asked_at=NOW - HOUR), now=NOW)["a"] == 1.5
