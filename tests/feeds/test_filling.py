"""What a task does with its rows, without Spark: it opens the store by itself."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
import traceback

import pyarrow as pa
import pytest
from pyspark import cloudpickle

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import StoreError
from palette.feeds.publish_workers import _filler, fill_online
from palette.online import NearCache, RedisStore

ENTITY = Entity("shop", keys={"id": "string", "day": "date"})
FEATURES = [Feature("x", "double"), Feature("tags", "array<string>"), Feature("at", "timestamp")]
GROUP = FeatureGroup("g", entity="shop", timestamp="ts", features=[*FEATURES, Feature("d", "decimal(9,2)")])
DAY = dt.date(2026, 6, 1)
MOMENT = dt.datetime(2026, 6, 1, 12, 30, 0, 7)
SECRET = "hunter2"


def batch(*rows):
    schema = pa.schema([
        ("id", pa.string()), ("day", pa.date32()), ("__event", pa.int64()), ("__created", pa.int64()),
        ("x", pa.float64()), ("tags", pa.list_(pa.string())), ("at", pa.timestamp("us", "America/New_York")),
        ("d", pa.decimal128(9, 2)), ("__fault", pa.string()),
    ])  # fmt: skip
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def row(key, event, x, fault=None):
    return (key, DAY, event, None, x, ["a", None], MOMENT.replace(tzinfo=dt.UTC), decimal.Decimal("1.50"), fault)


@pytest.fixture
def store(redis_server):
    redis_server.client().flushall()
    return RedisStore(redis_server.url, {GROUP.full_name: (ENTITY, GROUP)}.__getitem__, "mine", timeout=2)


def sent(function):
    """Return a function as a worker gets it."""
    return pickle.loads(cloudpickle.dumps(function))


def read(store, *keys):
    asked = {GROUP.full_name: [(key, DAY) for key in keys]}
    return store.read(asked, now=dt.datetime(2030, 1, 1))[GROUP.full_name]


def test_task_fills_the_store_that_the_driver_has_open(store):
    fill = sent(_filler(store.opener(), ENTITY, GROUP))
    batches = [batch(row("a", 1, 1.0), row("b", 1, 2.0)), batch(row("c", 1, None), row("d", 1, 4.0, "key d: no"))]
    (answer,) = fill(iter(batches))
    assert answer.to_pydict() == {"written": [3], "left_out": [1], "fault": ["key d: no"]}
    found = read(store, "a", "b", "c", "d")
    assert [one["x"] for one in found] == [1.0, 2.0, None, None]
    at = dt.datetime(1970, 1, 1, microsecond=1)
    assert found[0] == {"x": 1.0, "tags": ["a", None], "at": MOMENT, "d": decimal.Decimal("1.50"), "ts": at}


def test_task_that_is_repeated_and_older_rows_change_nothing(store):
    fill = _filler(store.opener(), ENTITY, GROUP)
    written = [
        next(fill(iter([batch(row("a", event, x))])))["written"][0].as_py() for event, x in [(5, 1.0)] * 2 + [(4, 9.0)]
    ]
    assert written == [1, 0, 0]
    assert read(store, "a")[0]["x"] == 1.0


def test_no_rows_are_no_harm(store):
    assert next(_filler(store.opener(), ENTITY, GROUP)(iter([])))["written"][0].as_py() == 0


def test_password_is_the_worker_s_own_or_the_url_s_and_is_not_shown(redis_server, monkeypatch):
    def definitions(name):
        return ENTITY, GROUP

    by_url = RedisStore(redis_server.url.replace("//", f"//:{SECRET}@"), definitions)
    monkeypatch.setenv("PALETTE_REDIS_PASSWORD", SECRET)
    by_environment = RedisStore(redis_server.url, definitions)
    assert SECRET.encode() in cloudpickle.dumps(by_url.opener())
    assert SECRET.encode() not in cloudpickle.dumps(by_environment.opener())
    assert SECRET not in f"{by_url.opener()}{by_url.address}{by_environment.address}"
    fill = _filler(by_url.opener(), ENTITY, GROUP)
    with pytest.raises(StoreError) as refused:
        list(fill(iter([batch(row("a", 1, 1.0))])))
    assert SECRET not in str(refused.value)


def test_place_tells_stores_apart(redis_server):
    def place(url, prefix="palette"):
        return RedisStore(url, {}.__getitem__, prefix).address

    base = redis_server.unix_url
    places = [place(base), place(base.replace("db=0", "db=1")), place(base, "other"), place(redis_server.url)]
    assert len(set(places)) == 4
    assert place(base) == places[0]


def test_store_knows_whether_it_holds_a_group(store, redis_server):
    assert not store.holds(GROUP.full_name)
    assert store.identity() is None
    target = store.identity(make=True)
    assert RedisStore(redis_server.url, {}.__getitem__, "mine").identity() == target
    list(_filler(store.opener(), ENTITY, GROUP)(iter([batch(row("a", 1, 1.0))])))
    assert store.holds(GROUP.full_name)
    assert NearCache(store, size=3, ttl=1.0).identity() == target
    redis_server.client().flushall()
    assert not store.holds(GROUP.full_name)
    assert store.identity() is None
    assert store.identity(make=True) not in (None, target), "an emptied store is another one"


@pytest.mark.spark
def test_a_store_that_is_not_there_is_told_without_its_password(spark):
    store = RedisStore(f"redis://u:{SECRET}@127.0.0.1:1/0", {GROUP.full_name: (ENTITY, GROUP)}.__getitem__)
    rows = spark.sql(
        "SELECT 'a' AS id, DATE '2026-06-01' AS day, now() AS ts, 1D AS x, array('a') AS tags, now() AS at"
    )
    with pytest.raises(
        StoreError, match=r"shop:g: RedisStore\('redis://127.* was not filled: .*cannot be reached"
    ) as told:
        fill_online(store, rows.selectExpr("*", "CAST(1 AS DECIMAL(9,2)) AS d"), GroupSchema(ENTITY, GROUP))
    whole = "".join(traceback.format_exception(told.value))
    assert "cannot be reached" in whole
    assert SECRET not in whole
