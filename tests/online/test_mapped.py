"""Snapshots whose rows stay in their files: the same answers, one copy for many processes."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys

import pytest

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import ArgumentError, DataError, NotFoundError, SnapshotError, StoreError
from palette.online import GroupTable, LmdbStore, MemoryStore, NearCache, RedisStore, Snapshot, open_online
from palette.online.store import require_store

NOON = dt.datetime(2026, 1, 1, 12)
SHOP = Entity("shop", keys={"id": "string"})
PAIR = Entity("pair", keys={"a": "string", "n": "bigint"})
FEATURES = [
    Feature("x", "double"),
    Feature("s", "string"),
    Feature("v", "array<double>"),
    Feature("t", "timestamp"),
    Feature("b", "boolean"),
]
SALES = FeatureGroup("sales", entity="shop", timestamp="ts", created="made", ttl="1h", features=FEATURES)
LINKS = FeatureGroup("links", entity="pair", features=[Feature("n2", "bigint")])
EMPTY = FeatureGroup("empty", entity="shop", features=[Feature("x", "double")])


@pytest.fixture
def snapshot():
    sales, links = GroupTable(GroupSchema(SHOP, SALES)), GroupTable(GroupSchema(PAIR, LINKS))
    rows = [
        {"id": "", "ts": NOON, "x": math.nan, "s": "", "v": [1.0, None], "t": NOON, "b": True},
        {"id": "ü", "ts": NOON - dt.timedelta(hours=2), "made": None, "x": -0.0, "s": "a\0b", "v": [], "b": False},
        *({"id": f"k{place}", "ts": NOON, "x": float(place)} for place in range(3000)),
    ]
    sales.put([sales.pack(row, stamp=5) for row in rows])
    links.put([links.pack({"a": f"a{n % 7}", "n": n, "n2": -n}, stamp=0) for n in range(500)])
    return Snapshot([sales, links, GroupTable(GroupSchema(SHOP, EMPTY))], at=NOON)


@pytest.fixture
def saved(snapshot, tmp_path):
    snapshot.save(tmp_path / "snapshot", memory_map=True)
    return tmp_path / "snapshot"


KEYS = {
    "shop:sales": ["", "ü", "k7", "k2999", "k3000", None],
    "shop:empty": ["k7"],
    "pair:links": [("a3", 3), ("a3", 4), ("a3", None), {"a": "a0", "n": 7}],
}


def test_the_same_answers(snapshot, saved):
    mapped = Snapshot.load(saved, memory_map=True)
    for at in (NOON, NOON + dt.timedelta(days=1)):
        found, expected = mapped.read(KEYS, at, status=True), snapshot.read(KEYS, at, status=True)
        assert repr(found) == repr(expected)
    assert {status["x__status"] for status in mapped.read(KEYS, NOON, status=True)["shop:sales"]} == {
        "present",
        "expired",
        "missing",
    }
    table = mapped.table("shop:sales")
    assert (len(table), table.get("k7") is None, table.get("k3000") is None) == (3002, False, True)


def test_it_is_frozen_and_says_what_it_cannot_do(saved, snapshot, tmp_path):
    mapped = Snapshot.load(saved, memory_map=True)
    table = mapped.table("shop:sales")
    for change in ("put", "delete", "replace", "retain", "write"):
        assert not hasattr(mapped, change)
        assert not hasattr(table, change)
    with pytest.raises(StoreError, match="a Snapshot cannot be written to: name an online store"):
        require_store(mapped, "shop:sales")
    with pytest.raises(DataError, match="without memory_map"):
        list(table)
    snapshot.save(tmp_path / "plain")
    with pytest.raises(SnapshotError, match="memory_map=True"):
        Snapshot.load(tmp_path / "plain", memory_map=True)
    (saved / "0000.rows").write_bytes(b"nothing")
    with pytest.raises(SnapshotError, match="no rows to map"):
        Snapshot.load(saved, memory_map=True)


def test_another_process_reads_it_at_once(saved):
    """Rows are not made into Python objects when the snapshot is loaded."""
    code = (
        "import sys, tracemalloc; from palette import Snapshot; import pyarrow\n"
        "tracemalloc.start()\n"
        f"snapshot = Snapshot.load({str(saved)!r}, memory_map=True)\n"
        "print(tracemalloc.get_traced_memory()[1], snapshot.table('shop:sales').get('k7')[2])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, value = done.stdout.split()
    assert float(value) == 7.0
    assert int(peak) < 3002 * 200


def test_stores_by_uri(saved, snapshot, tmp_path):
    definitions = {"shop:sales": (SHOP, SALES)}.__getitem__
    assert isinstance(open_online("memory", definitions), MemoryStore)
    assert isinstance(open_online("redis://localhost:1/0", definitions), RedisStore)
    with pytest.raises(NotFoundError, match="palette materialize"):
        open_online(f"lmdb:{tmp_path / 'store'}", definitions, must_exist=True)
    assert not (tmp_path / "store").exists()
    cached = open_online(f"lmdb:{tmp_path / 'store'}", definitions, cache={"size": 10, "ttl": 1.0})
    assert isinstance(cached, NearCache)
    assert isinstance(open_online(f"lmdb:{tmp_path / 'store'}", definitions), LmdbStore)
    assert open_online(saved, definitions).read({"shop:sales": ["k7"]}, NOON)["shop:sales"][0]["x"] == 7.0
    snapshot.save(tmp_path / "plain")
    assert len(open_online(tmp_path / "plain", definitions).table("shop:sales")) == 3002
    with pytest.raises(ArgumentError, match="no online store at 'host/0'"):
        open_online("rediss+odd://user:secret@host/0", definitions)
