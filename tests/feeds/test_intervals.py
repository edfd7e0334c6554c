"""Intervals: nothing twice but what the lookback asks for, nothing left out."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.definitions import RPCSource, StreamSource
from palette.errors import PlanError
from palette.feeds.batch.intervals import Interval, advance_watermark, missing_intervals, parse_chunk

DAY = dt.timedelta(days=1)
JUNE = dt.datetime(2026, 6, 1)
TIMES = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2020, 3, 1))
SPANS = st.timedeltas(dt.timedelta(hours=1), dt.timedelta(days=9))


@given(watermark=TIMES, to=TIMES, start=st.none() | TIMES, lookback=st.none() | SPANS, chunk=st.none() | SPANS)
def test_intervals_follow_one_another(watermark, to, start, lookback, chunk):
    if start is not None and start >= to:
        with pytest.raises(PlanError, match="is not before"):
            missing_intervals(watermark, to, start=start, chunk=chunk)
        return
    found = missing_intervals(watermark, to, start=start, lookback=lookback, chunk=chunk)
    if start is None and to < watermark:
        assert found == []
        return
    begin = start if start is not None else watermark - (lookback or dt.timedelta(0))
    if begin == to:
        assert found == []
        return
    assert (found[0].start, found[-1].end) == (begin, to)
    assert all(earlier.end == later.start for earlier, later in pairwise(found))
    assert all(one.start < one.end for one in found)
    assert chunk is None or all(one.end - one.start <= chunk for one in found)
    before = watermark
    for one in found:
        watermark = advance_watermark(watermark, one)
    # Behind a gap it stays.
    assert watermark == (before if begin > before else max(before, to))


def test_first_run_takes_all():
    assert missing_intervals(None, JUNE) == [Interval(None, JUNE)]
    assert missing_intervals(None, JUNE, lookback=DAY) == [Interval(None, JUNE)]


def test_nothing_is_missing_up_to_the_watermark():
    assert missing_intervals(JUNE, JUNE) == []
    assert missing_intervals(JUNE, JUNE - DAY, lookback=3 * DAY) == []


def test_lookback_is_looked_at_again():
    assert missing_intervals(JUNE, JUNE, lookback=DAY) == [Interval(JUNE - DAY, JUNE)]
    assert missing_intervals(dt.datetime.min + DAY, JUNE, lookback=3 * DAY) == [Interval(dt.datetime.min, JUNE)]


def test_times_with_a_zone_are_the_same_moments():
    zone = dt.timezone(dt.timedelta(hours=2))
    asked = JUNE.replace(hour=2, tzinfo=zone)
    assert missing_intervals(asked, asked + DAY) == [Interval(JUNE, JUNE + DAY)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"to": JUNE, "start": JUNE}, "is not before the end", id="empty"),
        pytest.param({"to": JUNE, "start": JUNE - DAY, "chunk": 0 * DAY}, "must be positive", id="no-chunk"),
        pytest.param({"to": JUNE, "chunk": DAY}, "by start=", id="no-start"),
        pytest.param(
            {"to": JUNE, "start": JUNE - 999 * DAY, "chunk": dt.timedelta(seconds=1)}, "too many", id="too-many"
        ),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(PlanError, match=message):
        missing_intervals(None, **arguments)


@pytest.mark.parametrize(
    "source",
    [
        StreamSource(topic="orders", schema={"id": "string"}, sql="SELECT * FROM events"),
        RPCSource(url="http://localhost/{id}", mapping={"x": "x"}),
    ],
    ids=["stream", "rpc"],
)
def test_sources_that_nothing_runs(source, tmp_path):
    group = FeatureGroup("live", "shop", [Feature("x", "double")], timestamp="ts", source=source)
    store = FeatureStore(tmp_path)
    store.apply(Entity("shop", keys={"id": "string"}), group)
    kind = type(source).__name__
    with pytest.raises(PlanError, match=f"shop:live: its source is a {kind}, which nothing runs yet: give the group a"):
        store.materialize("shop:live")


def test_watermark_has_no_gap_behind_it():
    chunk = Interval(JUNE, JUNE + DAY)
    assert advance_watermark(None, chunk) == JUNE + DAY
    assert advance_watermark(JUNE, chunk) == JUNE + DAY
    assert advance_watermark(JUNE - DAY, chunk) == JUNE - DAY
    assert advance_watermark(JUNE + 2 * DAY, chunk) == JUNE + 2 * DAY
    assert advance_watermark(JUNE - DAY, Interval(None, JUNE)) == JUNE


def test_chunk_as_text():
    assert parse_chunk("36h") == 1.5 * DAY
    assert parse_chunk(None) is None
    with pytest.raises(PlanError, match="chunk: '1 month'"):
        parse_chunk("1 month")
