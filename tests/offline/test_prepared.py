"""Prepared histories are extended as their tables grow, found again, and removed with the versions they belong to."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.definitions import GroupSchema
from palette.offline import Lookup, point_in_time_join
from palette.offline.join import planner
from palette.offline.prepared import partitions, store
from tests.pit_oracle import answer, canonical, winner

START = dt.datetime(2026, 5, 1)
HOUR = dt.timedelta(hours=1)
SHOP = Entity("shop", keys={"id": "string"})
SALES = FeatureGroup(
    "sales",
    entity="shop",
    timestamp="ts",
    created="written",
    ttl=9 * HOUR,
    features=[Feature("x", "double"), Feature("s", "string")],
)
SCHEMA = GroupSchema(SHOP, SALES)
COLUMNS = "id string, ts timestamp, written timestamp, x double, s string"
LOOKUP = Lookup(SCHEMA, ("k",), {"x": "x", "s": "s", "at_event": "ts"})
KINDS = ("append", "merge", "update", "delete", "optimize")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Many parts, slices and runs of a few rows."""
    monkeypatch.setattr(partitions, "PART_BYTES", 1 << 12)
    monkeypatch.setattr(partitions, "MAX_HOT", 3)
    monkeypatch.setattr(store, "MAX_RUNS", 2)


@pytest.fixture
def shop(spark, tmp_path):
    feature_store = FeatureStore(tmp_path / "store")
    feature_store.apply(SHOP, SALES)
    return feature_store


def rows_of(rng, keys, count):
    """Return rows with many ties."""
    return [
        (
            rng.choice(keys),
            START + rng.randrange(12) * HOUR,
            rng.choice([None, START + rng.randrange(14) * HOUR]),
            rng.choice([0.0, -0.0, 1.5, float("nan"), None]),
            rng.choice(["", "a", None]),
        )
        for _ in range(count)
    ]


def commit(spark, shop, rng, keys, kind):
    table = shop.tables.identifier(SALES)
    if kind == "optimize":
        shop.optimize(SALES)
    elif kind == "delete":
        spark.sql(f"DELETE FROM {table} WHERE hash(id) % 7 = {rng.randrange(7)} AND hour(ts) > 3").collect()
    elif kind == "update":
        spark.sql(f"UPDATE {table} SET x = x + 1 WHERE hash(id) % 5 = {rng.randrange(5)}").collect()
    else:
        rows = spark.createDataFrame(rows_of(rng, keys, len(keys)), COLUMNS)
        shop.write(SALES, rows, mode=kind)


def check(spark, shop, rng, keys, hot_rows):
    """Compare the answers of one version, in both modes, with the oracle's over the rows of the table."""
    rows = [row.asDict() for row in shop.tables.read(spark, SCHEMA).collect()]
    asked = [(key, START + rng.randrange(-1, 24) * HOUR) for key in [*keys, *keys, "unknown", None]]
    basis = spark.createDataFrame([(*each, n) for n, each in enumerate(asked)], "k string, at timestamp, n int")
    for mode in ("event", "created"):
        joined = point_in_time_join(
            shop.tables,
            basis,
            [LOOKUP],
            timestamp="at",
            point_in_time=mode,
            status=True,
            hint="partitioned",
            hot_rows=hot_rows,
        )
        found = {row.n: row for row in joined.collect()}
        assert sorted(found) == list(range(len(asked)))
        for number, (key, at) in enumerate(asked):
            row = winner(rows, SHOP, SALES, [key], at, mode)
            for column, feature in LOOKUP.columns.items():
                value, status = answer(row, SALES, feature, at)
                got = (canonical(found[number][column]), found[number][f"{column}__status"])
                assert got == (canonical(value), status), (mode, key, at, column)


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.proof) for n in range(2, 40))])
def test_random_histories_after_commits_of_every_kind(spark, shop, number):
    rng = random.Random(number)
    keys = [f"k{n}" for n in range(250 if number >= 2 else 80)]
    kinds = rng.sample(KINDS, 3) if number >= 2 else (KINDS[:3], KINDS[:1] + KINDS[3:])[number]
    shop.write(SALES, spark.createDataFrame(rows_of(rng, keys, 3 * len(keys)), COLUMNS), mode="append")
    hot_rows = rng.choice([2, 8, 1000])
    check(spark, shop, rng, keys, hot_rows)
    for kind in kinds[: rng.randint(1, 5)] if number >= 2 else kinds:
        commit(spark, shop, rng, keys, kind)
        check(spark, shop, rng, keys, hot_rows)


def write(spark, shop, *rows):
    written = [(*row[:2], row[1], row[2], "") for row in rows]
    return shop.write(SALES, spark.createDataFrame(written, COLUMNS), mode="append").version


def prepare(spark, shop):
    store._opened.clear()
    return store.open_prepared(shop.tables.open(spark, SCHEMA), by_created=False)


def files(shop):
    return {path.name for path in Path(shop.tables.prepared(SALES)).iterdir()}


def names(history):
    return {Path(path).name for paths in history.runs.values() for path in paths}


def test_another_session_finds_what_was_prepared(spark, shop, monkeypatch):
    write(spark, shop, ("a", START, 1.0))
    first = prepare(spark, shop)
    with monkeypatch.context() as patch:
        patch.setattr(store, "prepare_parts", None)
        assert prepare(spark, shop) == first
    # A new version adds the runs of its rows.
    write(spark, shop, ("b", START, 2.0))
    second = prepare(spark, shop)
    assert names(first) < names(second)
    # Where no row changes, nothing is written.
    spark.sql(f"OPTIMIZE {shop.tables.identifier(SALES)}").collect()
    before = names(second)
    assert names(prepare(spark, shop)) == before


def test_a_history_that_outgrew_its_parts_gets_more(spark, shop, monkeypatch):
    write(spark, shop, ("a", START, 1.0))
    small = prepare(spark, shop)
    assert small.parts == 1
    rows = spark.range(600).selectExpr("concat('k', id) AS id", "timestamp_seconds(id) AS ts", "null AS written")
    rows = rows.selectExpr("id", "ts", "CAST(written AS timestamp) AS written", "1.0D AS x", "'' AS s")
    shop.write(SALES, rows, mode="append")
    assert prepare(spark, shop).parts == 1
    monkeypatch.setattr(store, "GROWTH", 1)
    write(spark, shop, ("b", START, 1.0))
    assert prepare(spark, shop).parts > 1


def test_a_preparation_that_dies_is_repeated_and_what_it_left_is_vacuumed(spark, shop, monkeypatch):
    write(spark, shop, ("a", START, 1.0))

    def dies(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(store, "_save", dies)
        with pytest.raises(ZeroDivisionError):
            prepare(spark, shop)
    left = files(shop)
    assert left
    assert not any(name.endswith(".json") for name in left)
    history = prepare(spark, shop)
    stray = Path(shop.tables.prepared(SALES)) / ".unfinished-1"
    stray.write_bytes(b"half")
    shop.vacuum(SALES, hours=0)
    assert names(history) < files(shop)
    assert stray.name not in files(shop)


def test_a_run_that_is_missing_is_prepared_again(spark, shop):
    write(spark, shop, ("a", START, 1.0))
    history = prepare(spark, shop)
    next(Path(shop.tables.prepared(SALES)).glob("*.arrow")).unlink()
    assert names(prepare(spark, shop)) == names(history) <= files(shop)


def test_vacuum_spares_pinned_versions_and_erase_spares_none(spark, shop):
    first = write(spark, shop, ("a", START, 1.0), ("b", START, 1.0))
    old = prepare(spark, shop)
    spark.sql(f"UPDATE {shop.tables.identifier(SALES)} SET x = 2.0").collect()
    new = prepare(spark, shop)
    shop.keep("pin", {"shop:sales": first})
    shop.vacuum(SALES, hours=0)
    assert names(old) | names(new) <= files(shop)
    shop.release("pin")
    shop.vacuum(SALES, hours=0)
    assert names(old).isdisjoint(files(shop))
    assert names(new) <= files(shop)
    shop.erase("shop:sales", ["a"])
    assert files(shop) == set()


def test_optimize_prepares_what_is_too_large_to_broadcast(spark, shop, monkeypatch):
    write(spark, shop, ("a", START, 1.0))
    shop.optimize(SALES)
    assert not Path(shop.tables.prepared(SALES)).exists()
    monkeypatch.setattr(planner.prepare_large, "__defaults__", (0,))
    shop.optimize(SALES)
    assert any(name.endswith(".json") for name in files(shop))


def test_a_store_that_cannot_be_written_is_prepared_elsewhere(spark, shop, monkeypatch):
    write(spark, shop, ("a", START, 1.0))

    def refused(path, **_):
        raise PermissionError(path)

    monkeypatch.setattr(store.os, "makedirs", refused)
    basis: Any = spark.createDataFrame([("a", START)], "k string, at timestamp")
    monkeypatch.setattr(store, "temporary_folder", lambda: str(shop.tables.root))
    store._opened.clear()
    joined = point_in_time_join(shop.tables, basis, [LOOKUP], timestamp="at", hint="partitioned")
    assert joined.first().x == 1.0
    assert list(Path(shop.tables.root).glob("*.arrow"))
