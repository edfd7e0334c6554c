"""Erasure: nothing of a key is left, in no version, file, store or snapshot; everything else is."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import pandas as pd
import pytest

from palette import Aggregate, BatchSource, Entity, Feature, FeatureGroup, FeatureStore, Snapshot
from palette.catalog.definitions.removed import removed_groups
from palette.definitions import GroupSchema
from palette.errors import (
    ArgumentError,
    DataError,
    FeatureNotFoundError,
    LockedError,
    NotFoundError,
    SchemaError,
    SnapshotError,
)
from palette.feeds.windows.update import Windowed
from palette.offline.delta.erase import Erasure
from tests.feeds.shops import (
    DAY,
    GROUP,
    HOUR,
    JUNE,
    SHOP,
    WRITTEN,
    add,
    event,
    group,
    offline,
    online,
    opened,
    store_of,
)

pytestmark = [pytest.mark.spark, pytest.mark.slow]
ROWS = [event(key, JUNE + hour * HOUR, hour + 0.5) for key in ("a", "b", "c,'`") for hour in (1, 30)]
# A source that gives no more rows.
DRY = "SELECT 'z' id, 1 seat, TIMESTAMP '2000-01-01' ts, 0.0D x, ARRAY('t') tags WHERE :end IS NULL"


@pytest.fixture(scope="module")
def written(spark, tmp_path_factory):
    """The directory of a store whose table has several versions, compacted files among them."""
    path = tmp_path_factory.mktemp("written")
    store = store_of(path, sql=DRY)
    for rows in (ROWS[:3], ROWS[3:]):
        store.write(GROUP, spark.createDataFrame(rows, WRITTEN))
    store.optimize(GROUP)
    return path


def filled(written, path, place=None):
    """Return a copy of the store, which is online."""
    shutil.copytree(written / "store", path / "store")
    store = opened(path, place)
    columns = [name.split()[0] for name in WRITTEN.split(", ")]
    store.online.write(GROUP, [dict(zip(columns, row, strict=True)) for row in ROWS])
    return store


def files_with(spark, path, key):
    """Return the data files below a directory that have a key, read one by one without Delta's log."""
    import pyarrow.parquet as pq

    found = [file for file in path.rglob("*.parquet") if "_delta_log" not in file.parts]
    assert found
    return [file for file in found if key in pq.read_table(file, columns=["id"]).column("id").to_pylist()]


@pytest.fixture(params=["memory", "lmdb", "redis"])
def place(request, tmp_path):
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.client().flushall()
        return server.url
    return None if request.param == "memory" else f"lmdb:{tmp_path}/online"


def test_nothing_is_left_of_a_key(spark, tmp_path, written, redis_server):
    redis_server.client().flushall()
    path = tmp_path / "a {b} [c]"
    store = filled(written, path, redis_server.url)
    rows, version = offline(spark, store), store.tables.version(spark, store.group(GROUP))
    assert len(files_with(spark, path / "store", "a")) >= 2
    (told,) = store.erase(GROUP, [("a", 1), ("nobody", 1)], dry_run=True)
    assert (told.dry_run, told.keys, told.rows, told.online, told.version) == (True, 2, 2, 1, version)
    assert offline(spark, store) == rows
    assert online(store, "a")["a"][0] == 30.5

    (told,) = store.erase(GROUP, [("a", 1)])
    assert (told.keys, told.rows, told.online, told.lost_pins) == (1, 2, 1, ())
    assert told.files >= 2
    assert files_with(spark, path / "store", "a") == []
    assert offline(spark, store) == [row for row in rows if row[0] != "a"]
    assert online(store, "ab")["a"] == (None, None)
    assert online(store, "ab")["b"][0] == 30.5
    (again,) = store.erase(GROUP, [("a", 1)])
    assert (again.rows, again.files, again.online) == (0, 0, 0)
    assert [run["kind"] for run in store.catalog.feeds.runs(GROUP)][:2] == ["erase", "erase"]
    assert "'a'" not in str(store.catalog.feeds.runs(GROUP))


def test_the_dead_stay_dead_and_the_living_come_again(spark, tmp_path, place):
    """Of a group that was never written, so that each online store is asked without a table."""
    store = store_of(tmp_path / "home", place)
    late = {"id": "a", "seat": 1, "ts": JUNE + 40 * HOUR, "x": 1.0}
    store.online.write(GROUP, [late | {"ts": JUNE}, late | {"id": "b"}])
    (told,) = store.erase(GROUP, [("a", 1), ("nobody", 1)], dry_run=True)
    assert (told.rows, told.version, told.online) == (0, None, 1)
    (told,) = store.erase(GROUP, [("a", 1)])
    assert (told.rows, told.version, told.online) == (0, None, 1)
    assert online(store, "ab") == {"a": (None, None), "b": (1.0, JUNE + 40 * HOUR)}
    assert store.online.write(GROUP, [late]) == 0
    fresh = JUNE + 999 * DAY
    assert store.online.write(GROUP, [late | {"ts": fresh}], ahead=None) == 1
    assert online(store, "a", now=fresh + DAY)["a"] == (1.0, fresh)
    assert store.erase(GROUP, [("b", 1)])[0].online == 1


def test_rows_of_the_future_are_erased_too(spark, tmp_path):
    store, later = store_of(tmp_path, sql=DRY), JUNE + 9999 * DAY
    store.write(GROUP, spark.createDataFrame([event("a", later, 1.0)], WRITTEN))
    told = store.materialize(GROUP, to=later + DAY)
    assert (told.rows_dispersed, told.rows_waiting) == (0, 1), "it would keep out what is true by now"
    store.online.write(GROUP, [{"id": "a", "seat": 1, "ts": later, "x": 1.0}], ahead=None)
    assert online(store, "a", now=later + DAY)["a"] == (1.0, later)
    assert store.erase(GROUP, [("a", 1)])[0].online == 1
    assert online(store, "a", now=later + DAY)["a"] == (None, None)


def test_a_group_that_was_removed_is_erased_too(spark, tmp_path):
    """Its table is still there, and its rows are online; a row of a clock that is ahead is no exception."""
    store = store_of(tmp_path / "home", f"lmdb:{tmp_path}/online", sql=DRY)
    soon = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(minutes=3)
    store.write(GROUP, spark.createDataFrame(ROWS[:4], WRITTEN))
    row = {"seat": 1, "ts": soon, "x": 9.0}
    store.online.write(GROUP, [row | {"id": "a"}, row | {"id": "b"}])
    definitions = store.resolve_group(GROUP)
    store.apply(Entity("courier", keys={"id": "string"}), prune=True, allow_breaking=True)
    assert removed_groups(store.catalog, "shop") == [GROUP]
    (told,) = store.erase(GROUP, [("a", 1)], dry_run=True)
    assert (told.rows, told.online) == (2, 1)
    (told,) = store.erase(GROUP, [("a", 1)])
    assert (told.rows, told.online) == (2, 1)
    assert files_with(spark, tmp_path / "home" / "store", "a") == []
    with pytest.raises(FeatureNotFoundError, match="shop"):
        store.online.read({GROUP: [("a", 1)]})
    with pytest.raises(FeatureNotFoundError, match="shop"):
        store.erase("shop:hourlyy", [("a", 1)])
    store.apply(*definitions)
    assert online(store, "ab", now=soon) == {"a": (None, None), "b": (9.0, soon)}
    assert [row[0] for row in offline(spark, store)] == ["b", "b"]
    assert removed_groups(store.catalog, "shop") == []


def test_pins_that_held_the_key_are_lost_and_told(spark, tmp_path, written):
    store = filled(written, tmp_path)
    newest = store.tables.version(spark, store.group(GROUP))
    store.keep("first", {GROUP: 0})
    store.keep("last", {GROUP: newest})
    store.write(GROUP, spark.createDataFrame([event("late", JUNE + 50 * HOUR, 7.0)], WRITTEN))
    store.keep("with late", {GROUP: newest + 1})
    assert store.erase(GROUP, [("late", 1)], dry_run=True)[0].lost_pins == ("with late",)
    assert store.erase(GROUP, [("late", 1)])[0].lost_pins == ("with late",)
    basis = spark.createDataFrame([("a", 1, JUNE + 60 * HOUR)], "k string, s int, at timestamp")
    features = {"x": f"{GROUP}:x:k,s"}
    rebuilt = store.training_set(basis, features, timestamp="at", version={GROUP: newest})
    assert rebuilt.first()["x"] == 30.5
    with pytest.raises(DataError, match="cannot be read any more"):
        store.training_set(basis, features, timestamp="at", version={GROUP: newest + 1}).collect()
    assert store.erase(GROUP, [("a", 1)])[0].lost_pins == ("first", "last", "with late")


@pytest.mark.parametrize("before", [True, False])
def test_what_was_broken_off_is_completed_when_it_is_repeated(spark, tmp_path, monkeypatch, before):
    store, later = store_of(tmp_path, sql=DRY), JUNE + 9999 * DAY
    store.write(GROUP, spark.createDataFrame([event("a", later, 1.0), event("b", later, 2.0)], WRITTEN))
    row = {"seat": 1, "ts": later}
    store.online.write(GROUP, [row | {"id": "a", "x": 1.0}, row | {"id": "b", "x": 2.0}], ahead=None)
    store.keep("kept", {GROUP: 0})
    delete = Erasure.delete

    def broken_off(self):
        if not before:
            delete(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Erasure, "delete", broken_off)
        with pytest.raises(KeyboardInterrupt):
            store.erase(GROUP, [("a", 1)])
    (told,) = store.erase(GROUP, [("a", 1)])
    assert (told.rows, told.lost_pins) == (int(before), ("kept",))
    assert files_with(spark, tmp_path / "store", "a") == []
    assert online(store, "ab", now=later + DAY) == {"a": (None, None), "b": (2.0, later)}
    assert [run["status"] for run in store.catalog.feeds.runs(GROUP)][:2] == ["done", "failed"]
    assert store.erase(GROUP, [("a", 1)])[0].lost_pins == ()


@pytest.mark.parametrize("mapped", [False, True])
def test_snapshots_are_written_anew(spark, tmp_path, written, mapped):
    store = filled(written, tmp_path)
    saved = tmp_path / "snapshot"
    store.snapshot(JUNE + 9 * DAY).save(saved, memory_map=mapped)
    with pytest.raises(SnapshotError):
        store.erase(GROUP, [("a", 1)], snapshots=[saved, tmp_path / "none"])
    assert len(offline(spark, store)) == 6
    (told,) = store.erase(GROUP, [("a", 1), ("b", 1)], snapshots=[saved])
    assert told.snapshots == {str(saved): 2}
    found = Snapshot.load(saved, memory_map=mapped)
    rows = found.read({GROUP: [("a", 1), ("b", 1), ("c,'`", 1)]}, now=JUNE + 9 * DAY)[GROUP]
    assert [row["x"] for row in rows] == [None, None, 30.5]
    assert found.time == JUNE + 9 * DAY


def test_keys_come_as_a_frame(spark, tmp_path, written):
    store = filled(written, tmp_path)
    keys = spark.createDataFrame([(1, "a", 9), (1, "b", 9), (1, "a", 8)], "seat smallint, id string, more int")
    assert store.erase(GROUP, keys)[0].keys == 2
    assert {row[0] for row in offline(spark, store)} == {"c,'`"}
    with pytest.raises(SchemaError, match="no column 'seat'"):
        store.erase(GROUP, keys.drop("seat"))
    with pytest.raises(SchemaError, match="'seat' is string"):
        store.erase(GROUP, keys.selectExpr("id", "string(seat) seat"))


def test_an_entity_is_erased_with_all_its_groups(spark, tmp_path, written):
    store = filled(written, tmp_path)
    store.apply(FeatureGroup("plain", entity="shop", features=[Feature("y", "double")]))
    store.write("shop:plain", spark.createDataFrame([("a", 1, 1.0), ("b", 1, 2.0)], "id string, seat int, y double"))
    saved = tmp_path / "snapshot"
    store.snapshot(JUNE + 9 * DAY).save(saved)
    planned = store.erase("shop", (key for key in [("a", 1)]), dry_run=True)
    assert [(report.group, report.rows) for report in planned] == [("shop:hourly", 2), ("shop:plain", 1)]
    with pytest.raises(SnapshotError):
        store.erase(SHOP, [("a", 1)], snapshots=[saved, tmp_path / "none"])
    assert len(offline(spark, store)) == 6
    reports = store.erase(SHOP, [("a", 1)], snapshots=saved)
    assert [(report.group, report.rows) for report in reports] == [("shop:hourly", 2), ("shop:plain", 1)]
    assert [report.snapshots for report in reports] == [{str(saved): 1}] * 2
    assert files_with(spark, tmp_path / "store", "a") == []
    for name in ("shops", "shop:dailyy"):
        with pytest.raises(NotFoundError, match=name):
            store.erase(name, [("a", 1)])
    store.apply(Entity("courier", keys={"id": "string"}))
    with pytest.raises(NotFoundError, match="courier has no feature groups"):
        store.erase("courier", ["a"])
    store.apply(FeatureGroup("plain", entity="courier", features=[Feature("y", "double")]))
    with pytest.raises(ArgumentError, match="put it into brackets"):
        store.erase("courier", "abc")


def test_what_is_no_key_erases_nothing(spark, tmp_path, written):
    store = filled(written, tmp_path)
    frame = pd.DataFrame({"id": ["a"], "seat": [1]})
    for keys in ("a,1", [None], [("a", None)], [("a", "1")], [("a",)], [("a", 2**40)], {"id": "a", "seat": 1}, frame):
        with pytest.raises((ArgumentError, DataError)):
            store.erase(GROUP, keys)
    assert len(offline(spark, store)) == 6


def test_a_run_at_work_is_not_disturbed(spark, tmp_path, written):
    store = filled(written, tmp_path)
    with store.catalog.feeds.lock(GROUP), pytest.raises(LockedError, match="shop:hourly"):
        store.erase(GROUP, [("a", 1)])
    assert len(offline(spark, store)) == 6


def test_deleted_rows_do_not_stay_in_files_that_only_mark_them(spark, tmp_path):
    store = store_of(tmp_path)
    store.write(GROUP, spark.createDataFrame(ROWS, WRITTEN).coalesce(1))
    table = store.tables.identifier(store.group(GROUP))
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    spark.sql(f"DELETE FROM {table} WHERE id = 'b' AND x < 2")
    assert files_with(spark, tmp_path / "store", "b")
    assert store.erase(GROUP, [("b", 1)])[0].rows == 1
    assert files_with(spark, tmp_path / "store", "b") == []
    assert {row[0] for row in offline(spark, store)} == {"a", "c,'`"}


def test_a_change_data_feed_is_an_error_before_anything_is_erased(spark, tmp_path, written):
    store = filled(written, tmp_path)
    table = store.tables.identifier(store.group(GROUP))
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = true)")
    with pytest.raises(DataError, match="change data feed"):
        store.erase(GROUP, [("a", 1)])
    assert len(offline(spark, store)) == 6
    assert online(store, "a")["a"][0] == 30.5


def test_static_groups(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    store.apply(SHOP, FeatureGroup("plain", entity="shop", features=[Feature("x", "double")]))
    store.write("shop:plain", spark.createDataFrame([("a", 1, 1.0), ("b", 1, 2.0)], "id string, seat int, x double"))
    store.materialize("shop:plain")
    assert store.erase("shop:plain", [{"id": "a", "seat": 1}])[0].online == 1
    found = store.online.read({"shop:plain": [("a", 1), ("b", 1)]})["shop:plain"]
    assert [row["x"] for row in found] == [None, 2.0]
    assert [row["id"] for row in store.latest("shop:plain").collect()] == ["b"]


def test_partial_aggregates_are_erased_with_their_group(spark, tmp_path):
    source = BatchSource(
        sql=f"SELECT * FROM parquet.`{tmp_path}/rows`",
        time="ts",
        every="1h",
        aggregates=[Aggregate("x", "sum", ["1d"])],
    )
    store = FeatureStore(tmp_path / "store")
    features = [Feature("x_sum_1d", "double")]
    found = FeatureGroup("sums", entity="shop", timestamp="at", features=features, source=source)
    store.apply(SHOP, found)
    add(spark, tmp_path, ROWS)
    store.materialize("shop:sums", to=JUNE + 3 * DAY)
    assert store.erase("shop:sums", [("a", 1)])[0].rows > 0
    assert files_with(spark, tmp_path / "store", "a") == []
    windowed = Windowed.of(spark, store.tables, GroupSchema(SHOP, found))
    assert {row["id"] for row in windowed.current().select("id").collect()} == {"b", "c,'`"}


def test_the_command(spark, tmp_path, written, monkeypatch):
    from typer.testing import CliRunner

    from palette.cli.app import app

    store = filled(written, tmp_path)
    more = FeatureGroup("plain", entity="shop", features=[Feature("x", "double")])
    store.apply(SHOP, group(BatchSource(sql="SELECT 1")), more, allow_breaking=True)
    run = CliRunner().invoke
    monkeypatch.setenv("PALETTE_CONFIG", str(tmp_path / "palette.yaml"))
    told = run(app, ["erase", GROUP, "a,1"], input="n\n")
    assert told.exit_code == 1
    assert "shop:hourly: 1 key, 2 rows would be erased from the table" in told.stdout
    assert len(offline(spark, store)) == 6
    told = run(app, ["erase", "shop", "a,1", '"c,\'`",1', "--yes", "--json"])
    assert told.exit_code == 0, told.stderr
    found = {one["group"]: one["rows"] for one in json.loads(told.stdout)}
    assert found == {"shop:hourly": 4, "shop:plain": 0}
    (tmp_path / "keys.csv").write_text("id,seat\nb,x\n")
    told = run(app, ["erase", GROUP, "--keys", str(tmp_path / "keys.csv"), "--yes"])
    assert (told.exit_code, "keys.csv: column 'seat': 'x' is not of type int" in told.stderr) == (1, True)
    (tmp_path / "keys.csv").write_text('id,seat\n"b,1\n')
    told = run(app, ["erase", GROUP, "--keys", str(tmp_path / "keys.csv"), "--yes"])
    assert (told.exit_code, "keys.csv: line 2: not CSV" in told.stderr) == (1, True)
    assert len(offline(spark, store)) == 2
    (tmp_path / "keys.csv").write_text('"seat","id"\n"1","b"\n1,"two\nlines ""quoted"""\n')
    told = run(app, ["erase", GROUP, "--keys", str(tmp_path / "keys.csv"), "--yes"])
    assert told.exit_code == 0, told.stderr
    assert "2 keys, 2 rows erased from the table (version " in told.stdout
    assert offline(spark, store) == []
    for words in (["erase", GROUP], ["erase", GROUP, "a"], ["erase", GROUP, "a,x"], ["erase", "shops", "a,1"]):
        told = run(app, [*words, "--yes"])
        assert (told.exit_code, told.stdout) == (2, ""), words
