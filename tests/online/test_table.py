"""The in-memory store: newest wins, ties, ttl, statuses, types."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import DataError, SnapshotError
from palette.online import MemoryStore, Snapshot, from_arrow
from palette.online.snapshot.snapshot import CREATED, EVENT
from palette.types import check_value

T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
ENTITY = Entity("restaurant", keys={"uuid": "string"})
GROUP = FeatureGroup(
    "fg",
    entity="restaurant",
    timestamp="ts",
    created="written",
    ttl="2h",
    features=[Feature("x", "double"), Feature("n", "bigint")],
)
STATIC = FeatureGroup("facts", entity="restaurant", features=[Feature("seats", "int")])
ROUTE = Entity("route", keys={"origin": "string", "number": "bigint"})
PAIRS = FeatureGroup("pairs", entity="route", timestamp="ts", features=[Feature("v", "array<double>")])
KNOWN = {group.full_name: (entity, group) for entity, group in ((ENTITY, GROUP), (ENTITY, STATIC), (ROUTE, PAIRS))}
NAME = "restaurant:fg"


@pytest.fixture
def store():
    return MemoryStore(KNOWN.__getitem__)


def row(event=0.0, written=0.0, **values):
    times = {"ts": T0 + event * HOUR, "written": None if written is None else T0 + written * HOUR}
    return {"uuid": "r1", **times, **values}


def test_newest_event_wins_whatever_the_order_of_writing(store):
    rows = [row(1, x=1.0), row(3, x=3.0), row(2, 9, x=2.0)]
    for order in itertools.permutations(rows):
        store = MemoryStore(KNOWN.__getitem__)
        for one in order:
            store.write(NAME, [one])
        assert store.read({NAME: ["r1"]}, now=T0)[NAME][0]["x"] == 3.0


def test_ties_go_to_created_then_values():
    rows = [
        row(1, None, x=9.0),
        row(1, 1, x=None, n=9),
        row(1, 1, x=2.0, n=None),
        row(1, 1, x=math.inf),
        row(1, 1, x=math.nan, n=1),
        row(1, 1, x=math.nan, n=2),
    ]
    for seed in range(20):
        store = MemoryStore(KNOWN.__getitem__)
        shuffled = random.Random(seed).sample(rows, len(rows))
        store.write(NAME, shuffled)
        found = store.read({NAME: ["r1"]}, now=T0)[NAME][0]
        assert math.isnan(found["x"])
        assert found["n"] == 2


@pytest.mark.parametrize(
    ("now", "status"),
    [(0.0, "present"), (2.0, "present"), (2.0 + 1e-6, "expired"), (100.0, "expired")],
)
def test_ttl_counts_at_now_and_its_bound_is_inclusive(store, now, status):
    store.write(NAME, [row(0, x=1.0)])
    found = store.read({NAME: ["r1"]}, now=T0 + now * HOUR, status=True)[NAME][0]
    assert found["x__status"] == status
    assert (found["x"] is None) == (status == "expired")
    assert found["n__status"] == ("null" if status == "present" else "expired")


def test_missing_key_and_null_key(store):
    found = store.read({NAME: ["nobody", None]}, now=T0, status=True)[NAME]
    assert [one["x__status"] for one in found] == ["missing", "missing"]
    assert found[0]["x"] is None


def test_static_rows_never_expire(store):
    store.write("restaurant:facts", [{"uuid": "r1", "seats": 3}])
    assert store.read({"restaurant:facts": ["r1"]}, now=dt.datetime(2999, 1, 1))["restaurant:facts"] == [{"seats": 3}]


def test_a_static_row_is_replaced_by_the_next(store):
    for seats in (5, 3):
        store.write("restaurant:facts", [{"uuid": "r1", "seats": seats}])
    assert store.read({"restaurant:facts": ["r1"]})["restaurant:facts"] == [{"seats": 3}]


def test_settled_rows_win_over_rows_of_the_same_times(store):
    table = store.table(NAME)
    table.put([table.pack(row(1, 1, x=10.0), 0)])
    assert table.put([table.pack(row(1, 1, x=7.0), 0)]) == 0
    assert table.put([table.pack(row(1, 1, x=7.0), 0)], resolved=True) == 1
    assert table.put([table.pack(row(0, 9, x=8.0), 0)], resolved=True) == 0


def test_composite_keys_are_compared_as_values(store):
    store.write("route:pairs", [{"origin": "1", "number": 23, "ts": T0, "v": [1]}])
    store.write("route:pairs", [{"origin": "12", "number": 3, "ts": T0, "v": [2]}])
    keys = [("1", 23), {"number": 3, "origin": "12"}, ("1", 3)]
    found = store.read({"route:pairs": keys}, now=T0)["route:pairs"]
    assert [one["v"] for one in found] == [[1.0], [2.0], None]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param({"uuid": None, "ts": T0}, "without key", id="null-key"),
        pytest.param({"ts": T0}, "without key", id="no-key"),
        pytest.param({"uuid": "r1", "ts": None}, "without event time", id="null-time"),
        pytest.param({"uuid": "r1", "ts": "2026-01-01"}, "expected timestamp", id="text-time"),
        pytest.param({"uuid": 7, "ts": T0}, "expected string", id="key-type"),
        pytest.param({"uuid": "r1", "ts": T0, "x": "1"}, "'x': expected double, found str", id="value-type"),
        pytest.param({"uuid": "r1", "ts": T0, "n": 1.5}, "'n': expected bigint", id="integer"),
        pytest.param({"uuid": "r1", "ts": T0, "n": True}, "'n': expected bigint", id="boolean"),
        pytest.param({"uuid": "r1", "ts": T0, "n": 1 << 63}, "'n': expected bigint", id="overflow"),
        pytest.param({"uuid": "r1", "ts": T0, "y": 1}, "no column 'y'", id="unknown"),
    ],
)
def test_bad_row_is_refused_and_nothing_written(store, bad, message):
    with pytest.raises(DataError, match=message):
        store.write(NAME, [row(x=1.0), bad])
    assert store.read({NAME: ["r1"]}, now=T0)[NAME][0]["x"] is None


def test_created_is_stamped_where_absent_and_null_stays(store):
    store.write(NAME, [{"uuid": "a", "ts": T0}, {"uuid": "b", "ts": T0, "written": None}])
    stamped, null = store.read({NAME: ["a", "b"]}, now=T0)[NAME]
    assert abs(stamped["written"] - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=1)
    assert null["written"] is None


def test_times_with_a_zone_become_utc(store):
    zone = dt.timezone(dt.timedelta(hours=2))
    store.write(NAME, [{"uuid": "a", "ts": dt.datetime(2026, 1, 1, 2, tzinfo=zone)}])
    assert store.read({NAME: ["a"]}, now=T0)[NAME][0]["ts"] == T0


def snapshot(store):
    return Snapshot([store.table(name) for name in KNOWN], T0)


def test_snapshot_survives_a_file(store, tmp_path):
    store.write(NAME, [row(0, None, x=math.nan, n=None), row(0, uuid="é\0", x=-0.0, n=-5)])
    store.write("route:pairs", [{"origin": "", "number": -1, "ts": T0, "v": [1.5, None]}])
    snapshot(store).save(tmp_path / "snap")
    loaded = Snapshot.load(tmp_path / "snap")
    for name in KNOWN:
        assert repr(sorted(loaded.table(name), key=repr)) == repr(sorted(store.table(name), key=repr))
        assert loaded.table(name).group == store.table(name).group
    assert loaded.time == T0


def test_snapshot_is_replaced_whole_and_other_folders_are_left(store, tmp_path):
    snapshot(store).save(tmp_path / "snap")
    store.write("restaurant:facts", [{"uuid": "r1", "seats": 3}])
    snapshot(store).save(tmp_path / "snap")
    assert len(Snapshot.load(tmp_path / "snap").table("restaurant:facts")) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="it was not changed"):
        snapshot(store).save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine", "snap"]


def test_snapshot_refuses_the_past_and_unknown_groups(store):
    taken = snapshot(store)
    with pytest.raises(SnapshotError, match="before the snapshot"):
        taken.read({NAME: ["r1"]}, now=T0 - dt.timedelta(microseconds=1))
    with pytest.raises(SnapshotError, match="did you mean 'restaurant:fg'"):
        taken.read({"restaurant:gf": ["r1"]}, now=T0)


def test_damaged_snapshot_is_refused(store, tmp_path):
    store.write(NAME, [row(x=1.0)])
    snapshot(store).save(tmp_path / "snap")
    file = tmp_path / "snap" / "0000.arrow"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(SnapshotError, match="snap"):
        Snapshot.load(tmp_path / "snap")
    with pytest.raises(SnapshotError, match="absent"):
        Snapshot.load(tmp_path / "absent")


def test_times_that_python_cannot_hold_are_told():
    group = FeatureGroup("lease", entity="shop", features=[Feature("until", "timestamp")])
    none = pa.array([None], pa.int64())
    for_ever = pa.array([2**60], pa.timestamp("us", "UTC"))
    rows = pa.table({"id": ["a"], EVENT: none, CREATED: none, "until": for_ever})
    with pytest.raises(DataError, match="shop:lease: 'until' has a time outside of the years 1 to 9999"):
        from_arrow(GroupSchema(Entity("shop", keys={"id": "string"}), group), rows)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.datetime64("2026-01-01T00:00:00.123456789"), "timestamp", dt.datetime(2026, 1, 1, microsecond=123456)),
        (np.datetime64("2026-01-01"), "date", dt.date(2026, 1, 1)),
        (np.datetime64("NaT", "ns"), "bigint", None),
        (np.int32(5), "bigint", 5),
    ],
)
def test_values_of_numpy_are_taken_as_python_s(value, dtype, expected):
    assert check_value(value, dtype, "x") == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.datetime64("2026-01-01", "ns"), "bigint"),
        (np.timedelta64(5, "ns"), "bigint"),
        (np.datetime64("12026-01-01"), "timestamp"),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), "timestamp"),
        *((Decimal(text), "decimal(5,2)") for text in ("NaN", "sNaN", "Infinity")),
    ],
)
def test_values_that_a_column_cannot_hold_are_told(value, dtype):
    with pytest.raises(DataError, match="feature 'x'"):
        check_value(value, dtype, "feature 'x'")


def test_a_value_that_is_refused_is_told_with_its_key(store):
    with pytest.raises(DataError, match=r"restaurant:fg: 'x': expected double, found str 'many' \(key 'r1'\)"):
        store.write(NAME, [row(x="many")])
