"""Features by key, without a model: the same from every store, in one round trip."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from dsl.errors import RefError
from palette import Snapshot
from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import DataError, FeatureNotFoundError, MissingColumnError, SchemaError, SnapshotError
from palette.online import LmdbStore, MemoryStore, NearCache, OnlineStore, RedisStore

T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
HUGE = (1 << 62) + 1
PLACE = Entity("place", keys={"id": "string"})
ROUTE = Entity("route", keys={"origin": "string", "number": "bigint"})
BUSY = FeatureGroup(
    "busy", PLACE, [Feature("load", "double"), Feature("n", "bigint")], timestamp="ts", ttl=dt.timedelta(hours=2)
)
FACTS = FeatureGroup("facts", PLACE, [Feature("seats", "int"), Feature("tags", "array<string>")])
TRIPS = FeatureGroup("trips", ROUTE, [Feature("minutes", "double")], timestamp="day")
GROUPS = {group.full_name: (entity, group) for entity, group in [(PLACE, BUSY), (PLACE, FACTS), (ROUTE, TRIPS)]}
ROWS = [
    {"from": "a", "to": "b", "no": 7, "other": object()},
    {"from": "b", "to": "a", "no": 8},
    {"from": None, "to": "nobody", "no": None},
]
FEATURES = {
    "load_from": "place:busy:load:from",
    "n_to": "place:busy:n:to",
    "tags": "@palette:place:facts:tags:from",
    "ts": "place:busy:ts:from",
    "minutes": "route:trips:minutes:from,no",
}
EXPECTED = [
    {"load_from": 0.5, "n_to": None, "tags": ["x", None], "ts": T0, "minutes": 30.0},
    {"load_from": None, "n_to": HUGE, "tags": None, "ts": None, "minutes": None},
    {"load_from": None, "n_to": None, "tags": None, "ts": None, "minutes": None},
]


def filled(store):
    store.write(BUSY, [{"id": "a", "ts": T0, "load": 0.5, "n": HUGE}, {"id": "b", "ts": T0 - 3 * HOUR, "load": 0.7}])
    store.write(FACTS, [{"id": "a", "seats": 4, "tags": ["x", None]}])
    store.write(TRIPS, [{"origin": "a", "number": 7, "day": T0, "minutes": 30.0}])
    return store


def memory(request):
    return filled(MemoryStore(GROUPS.__getitem__))


def snapshot(request):
    store, path = memory(request), request.getfixturevalue("tmp_path") / "snapshot"
    Snapshot([store.table(group) for group in GROUPS], at=T0).save(path, memory_map=True)
    return Snapshot.load(path)


def mapped(request):
    snapshot(request)
    return Snapshot.load(request.getfixturevalue("tmp_path") / "snapshot", memory_map=True)


def lmdb(request):
    return filled(LmdbStore(request.getfixturevalue("tmp_path") / "store", GROUPS.__getitem__, size=1 << 24))


def redis(request):
    return filled(RedisStore(request.getfixturevalue("redis_server").unix_url, GROUPS.__getitem__, prefix="features"))


def cached(request):
    return NearCache(lmdb(request), size=100, ttl=60.0)


class Counted(OnlineStore):
    """A user's own store, which counts what it is asked for."""

    def __init__(self):
        super().__init__(GROUPS.__getitem__)
        self.memory, self.asked = filled(MemoryStore(GROUPS.__getitem__)), []

    def fetch(self, requests, budget=None):
        self.asked.append(list(requests))
        return [self.memory.table(group).get(key) for group, key in requests]

    def put(self, group, packed, *, resolved=False):
        return self.memory.put(group, packed, resolved=resolved)

    def delete(self, group, keys, at=None):
        return self.memory.delete(group, keys, at)


def own(request):
    return Counted()


@pytest.fixture(params=[memory, snapshot, mapped, lmdb, redis, cached, own], ids=lambda make: make.__name__)
def store(request):
    store = request.param(request)
    yield store
    if isinstance(store, OnlineStore):
        store.close()


def test_every_store_answers_alike(store):
    now = T0 + HOUR
    assert store.features(FEATURES, ROWS, now) == EXPECTED
    assert asyncio.run(store.features_async(FEATURES, iter(ROWS), now)) == EXPECTED
    listed = ["place:busy:*:from", "route:trips:minutes:from,no"]
    told = store.features(listed, ROWS, now, status=True)
    assert told[0] == {
        "load": 0.5, "load__status": "present", "n": HUGE, "n__status": "present",
        "minutes": 30.0, "minutes__status": "present",
    }  # fmt: skip
    assert [row["load__status"] for row in told] == ["present", "expired", "missing"]
    assert store.features(["place:busy:load:from"], ROWS, T0 + 3 * HOUR)[0] == {"load": None}, "ttl counts at now"
    assert store.features(["place:facts:seats:from"], []) == []


def test_one_round_trip_asks_for_each_key_once_and_for_no_null():
    store = Counted()
    store.features(FEATURES, ROWS * 2)
    (asked,) = store.asked
    assert sorted(asked) == [
        ("place:busy", "a"), ("place:busy", "b"), ("place:busy", "nobody"),
        ("place:facts", "a"), ("place:facts", "b"),
        ("route:trips", ("a", 7)), ("route:trips", ("b", 8)),
    ]  # fmt: skip
    store.features(["place:facts:seats:from"], ROWS[2:])
    assert len(store.asked) == 1


def test_a_table_has_the_declared_types_whatever_the_values():
    rows = filled(MemoryStore(GROUPS.__getitem__)).features(FEATURES, ROWS, T0)
    table = rows.to_arrow()
    types = {"load_from": "double", "n_to": "int64", "tags": "list<item: string>", "ts": "timestamp[us, tz=UTC]"}
    assert {field.name: str(field.type) for field in table.schema} == types | {"minutes": "double"}
    assert table.column("ts")[0].as_py() == T0.replace(tzinfo=dt.UTC)
    assert filled(MemoryStore(GROUPS.__getitem__)).features(FEATURES, []).to_arrow().schema == table.schema


@pytest.mark.parametrize(
    ("features", "rows", "error", "told"),
    [
        (["place:busy:load:id"], [{"id": "a"}, {"idd": "a"}], MissingColumnError, "row 1 lacks .*'id'.*mean 'idd'"),
        (["route:trips:minutes:from,no"], [{"from": "a"}], DataError, "join key 'no' of route:trips"),
        (["place:busy:load:id"], [{}], DataError, "it has none"),
        (["place:busy:load:id"], [{"id": 3}], DataError, "row 0: place:busy: key 'id': expected string"),
        (["place:busy:load:id"], [{"id": {"id": "a"}}], DataError, "expected string, found dict"),
        (["place:busy:load:id"], {"id": "a"}, DataError, r"one row: \[row\]"),
        (["place:busy:load:id"], ["a"], DataError, "a row is a mapping"),
        (["place:busy:loda:id"], [], FeatureNotFoundError, "mean 'load'"),
        ([], [], SchemaError, "at least one"),
        (["basis:x"], [], FeatureNotFoundError, "needs no look-up"),
        (["route:trips:minutes:from"], [], SchemaError, "needs 2 join keys"),
        (["place:busy:load:a", "place:busy:load:b"], [], SchemaError, "both fill column 'load'"),
        ({"x": "place:busy:load:a", "x__status": "place:busy:n:a"}, [], SchemaError, "its status"),
        ("place:busy:load:id", [], SchemaError, "a mapping or a list"),
        (["place:busy:load"], [], RefError, "3 parts"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(features, rows, error, told):
    with pytest.raises(error, match=told):
        filled(MemoryStore(GROUPS.__getitem__)).features(features, rows, status=True)


def test_a_snapshot_answers_for_its_groups_and_its_time(request):
    frozen = snapshot(request)
    with pytest.raises(SnapshotError, match="before the snapshot's time"):
        frozen.features(FEATURES, ROWS, T0 - HOUR)
    with pytest.raises(SnapshotError, match="did you mean 'place:facts'"):
        frozen.features(["place:fact:seats:id"], [])


def test_dicts_need_neither_pandas_nor_arrow():
    code = """
import sys
from palette.definitions import Entity, Feature, FeatureGroup
from palette.online import MemoryStore
place, facts = Entity("place", keys={"id": "string"}), FeatureGroup("facts", "place", [Feature("seats", "int")])
store = MemoryStore({"place:facts": (place, facts)}.__getitem__)
store.write(facts, [{"id": "a", "seats": 4}])
print(store.features(["place:facts:*:k"], [{"k": "a"}]))
print([name for name in ("pandas", "pyarrow", "numpy", "asyncio", "pyspark") if name in sys.modules])
"""
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.splitlines() == ["[{'seats': 4}]", "[]"]
