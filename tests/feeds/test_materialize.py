"""Materialize: Delta, watermark, lock, run, dispersal."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.catalog.feeds.state import FeedState
from palette.definitions import BatchSource
from palette.errors import DataError, LockedError, PlanError
from palette.feeds.batch.intervals import Interval
from palette.offline import DeltaTables
from palette.online import NearCache
from tests.feeds.shops import DAY, GROUP, HOUR, JUNE, SHOP, SQL, add, event, group, offline, online, store_of

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FIRST = [event("a", JUNE + HOUR, 1.0), event("a", JUNE + 2 * HOUR, 2.0, None), event("b", JUNE + HOUR, 3.0)]
NEXT = [event("a", JUNE + DAY + HOUR, 4.0), event("c", JUNE + DAY + 2 * HOUR, 5.0, [])]


@pytest.fixture
def redis_url(redis_server):
    redis_server.client().flushall()
    return redis_server.url


@pytest.fixture(params=["memory", "lmdb", "redis"])
def place(request, tmp_path):
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return None if request.param == "memory" else f"lmdb:{tmp_path}/online"


def times(store):
    """Return up to where the group was computed, and its watermark."""
    state = store.catalog.feeds.state(GROUP)
    return state.computed_until, state.watermark


def test_each_run_computes_what_is_missing(spark, tmp_path, place):
    store = store_of(tmp_path, place)
    add(spark, tmp_path, FIRST + NEXT)
    told = store.materialize(GROUP, to=JUNE + DAY)
    assert told.intervals == (Interval(None, JUNE + DAY),)
    assert (told.rows_computed, told.rows_written, told.rows_dispersed, told.watermark) == (3, 3, 2, JUNE + 2 * HOUR)
    assert online(store, "abc") == {"a": (2.0, JUNE + 2 * HOUR), "b": (3.0, JUNE + HOUR), "c": (None, None)}
    told = store.materialize(GROUP, to=JUNE + 2 * DAY)
    assert told.intervals == (Interval(JUNE + 2 * HOUR, JUNE + 2 * DAY),)
    # Memory does not know what it held before.
    taken = 3 if place is None else 2
    assert (told.rows_computed, told.rows_written, told.rows_dispersed) == (2, 2, taken)
    assert (told.version, told.since) == (1, None if place is None else 0)
    assert online(store, "ac") == {"a": (4.0, JUNE + DAY + HOUR), "c": (5.0, JUNE + DAY + 2 * HOUR)}
    assert store.online.read({GROUP: [("c", 1)]}, now=JUNE + 9 * DAY)[GROUP][0]["tags"] == []
    again = store.materialize(GROUP, to=JUNE + 2 * DAY)
    assert again.intervals == (Interval(JUNE + DAY + 2 * HOUR, JUNE + 2 * DAY),)
    assert (again.rows_written, again.rows_dispersed) == (0, 3 if place is None else 0)
    assert len(offline(spark, store)) == 5
    assert [run["status"] for run in store.catalog.feeds.runs(GROUP)] == ["done"] * 3
    assert store.catalog.feeds.runs(GROUP)[1]["details"]["rows_written"] == 2


@pytest.mark.parametrize("place", ["memory", "redis"], indirect=True)
def test_a_table_alone_and_online_later(spark, tmp_path, place):
    store = store_of(tmp_path, place)
    assert store.keeps_online == (place is not None)
    add(spark, tmp_path, FIRST)
    told = store.materialize(GROUP, to=JUNE + DAY, online=False)
    assert (told.rows_written, told.rows_dispersed, told.version, told.online) == (3, 0, 0, False)
    assert str(told).endswith("; nothing put online (version 0)")
    assert online(store, "a") == {"a": (None, None)}
    planned = store.materialize(GROUP, to=JUNE + DAY, online=False, dry_run=True)
    assert str(planned) == f"{GROUP}: would do 1 interval up to {JUNE + DAY}; (version 0)"
    assert store.materialize(GROUP, to=JUNE + DAY).rows_dispersed == 2
    assert online(store, "a") == {"a": (2.0, JUNE + 2 * HOUR)}


def test_chunks_are_told_and_leave_watermarks(spark, tmp_path):
    store, told = store_of(tmp_path), []
    add(spark, tmp_path, FIRST + NEXT)

    def watch(step):
        told.append((step.phase, step.step, step.steps, store.catalog.feeds.state(GROUP).watermark))

    found = store.materialize(GROUP, to=JUNE + 2 * DAY, start=JUNE, chunk="1d", progress=watch)
    assert found.rows_computed == 5
    assert told == [
        ("compute", 0, 3, None),
        ("compute", 1, 3, JUNE + 2 * HOUR),
        ("disperse", 2, 3, JUNE + DAY + 2 * HOUR),
        ("done", 3, 3, JUNE + DAY + 2 * HOUR),
    ]
    assert times(store) == (JUNE + 2 * DAY, JUNE + DAY + 2 * HOUR)


def test_rows_that_come_late_go_online_if_they_are_looked_for(spark, tmp_path, redis_url):
    """By the lookback, or by a backfill; an event-time watermark of what is online would lose them."""
    store = store_of(tmp_path, redis_url, lookback=6 * HOUR)
    add(spark, tmp_path, [*FIRST, event("newest", JUNE + 23 * HOUR, 0.0)])
    store.materialize(GROUP, to=JUNE + DAY)
    late = [event("late", JUNE + 20 * HOUR, 7.0), event("later", JUNE + 3 * HOUR, 8.0), event("a", JUNE, 0.5)]
    add(spark, tmp_path, late)
    told = store.materialize(GROUP, to=JUNE + 2 * DAY)
    assert told.intervals == (Interval(JUNE + 17 * HOUR, JUNE + 2 * DAY),)
    assert online(store, ["late", "later"]) == {"late": (7.0, JUNE + 20 * HOUR), "later": (None, None)}
    told = store.materialize(GROUP, start=JUNE - HOUR, to=JUNE + DAY)
    assert (told.rows_computed, told.rows_written) == (7, 2)
    assert online(store, ["later", "a"]) == {"later": (8.0, JUNE + 3 * HOUR), "a": (2.0, JUNE + 2 * HOUR)}
    assert times(store) == (JUNE + 2 * DAY, JUNE + 23 * HOUR)


@pytest.mark.parametrize("lookback", [0 * HOUR, None], ids=["none", "default"])
def test_rows_newer_than_all_that_were_seen_are_computed(spark, tmp_path, lookback):
    """However long before the last run they happened; what is older than the default lookback of a day is not."""
    store = store_of(tmp_path)
    source = BatchSource(sql=SQL.format(path=tmp_path), lookback=lookback)
    store.apply(group(source))
    add(spark, tmp_path, [event("a", JUNE + 9 * DAY, 1.0)])
    assert store.materialize(GROUP, online=False).watermark == JUNE + 9 * DAY
    silent = store.materialize(GROUP, online=False)
    assert (silent.rows_written, silent.silent, silent.watermark) == (0, True, JUNE + 9 * DAY)
    searched = f"searched after {silent.intervals[0].start}; "
    assert f"; the source has nothing newer than {JUNE + 9 * DAY}, {searched}" in str(silent)
    late = [event(key, JUNE + days * DAY, 2.0) for key, days in (("newer", 10), ("same", 9), ("older", 7))]
    add(spark, tmp_path, late)
    told = store.materialize(GROUP, online=False)
    assert (told.watermark, told.silent, told.to_json()["silent"]) == (JUNE + 10 * DAY, False, False)
    found = {row[0] for row in offline(spark, store)}
    assert found == ({"a", "newer"} if lookback is not None else {"a", "newer", "same"})


def test_a_watermark_of_an_earlier_release_is_the_time_of_its_last_run(spark, tmp_path):
    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, online=False)
    state = store.catalog.feeds.state(GROUP)
    store.catalog.feeds.set_state(GROUP, replace(state, watermark=JUNE + 30 * DAY, computed_until=None))
    add(spark, tmp_path, NEXT)
    assert store.materialize(GROUP, to=JUNE + 40 * DAY, online=False).rows_written == 2
    assert times(store) == (JUNE + 40 * DAY, JUNE + DAY + 2 * HOUR)


def test_corrected_rows_are_updated(spark, tmp_path, redis_url):
    store = store_of(tmp_path, redis_url, lookback=DAY)
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, to=JUNE + DAY)
    add(spark, tmp_path, [event("a", JUNE + 2 * HOUR, -9.0), *FIRST[:1], *FIRST[2:]], mode="overwrite")
    told = store.materialize(GROUP, to=JUNE + DAY)
    assert told.rows_written == 1
    assert online(store, "ab") == {"a": (-9.0, JUNE + 2 * HOUR), "b": (3.0, JUNE + HOUR)}
    assert len(offline(spark, store)) == 3


def test_rows_of_the_future_wait(spark, tmp_path, redis_url):
    """Written by hand, so they are in the table; each goes online when its time has come, though no commit adds it."""
    store = store_of(tmp_path, redis_url)
    rows = [event("a", JUNE, 1.0), event("a", JUNE + DAY, 2.0), event("b", JUNE + 2 * DAY, 3.0)]
    store.write(GROUP, spark.createDataFrame(rows, "id string, seat int, ts timestamp, x double, tags array<string>"))
    add(spark, tmp_path, [])
    store.materialize(GROUP, to=JUNE)
    assert online(store, "ab") == {"a": (1.0, JUNE), "b": (None, None)}
    store.materialize(GROUP, to=JUNE + DAY)
    assert online(store, "ab") == {"a": (2.0, JUNE + DAY), "b": (None, None)}
    assert store.materialize(GROUP, to=JUNE + DAY + HOUR).rows_dispersed == 0
    store.materialize(GROUP, to=JUNE + 3 * DAY)
    assert online(store, "b") == {"b": (3.0, JUNE + 2 * DAY)}
    assert store.catalog.feeds.dispersal(GROUP, store.online.identity()).left_from is None


def test_end_in_time_to_come_does_not_move_the_watermark_there(spark, tmp_path):
    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST)
    told = store.materialize(GROUP, to=JUNE + 9999 * DAY, online=False)
    assert (told.rows_written, told.watermark < JUNE + 9999 * DAY) == (3, True)
    now = told.watermark
    add(spark, tmp_path, [event("a", now + dt.timedelta(microseconds=1), 5.0)])
    assert store.materialize(GROUP, online=False).rows_written == 1


def test_store_that_lost_everything_is_filled_again(spark, tmp_path, redis_url, redis_server):
    store = store_of(tmp_path, redis_url)
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, to=JUNE + DAY)
    redis_server.client().flushall()
    store.online.delete(GROUP, [("gone", 1)])  # as an erasure leaves it
    assert store.materialize(GROUP, to=JUNE + DAY, dry_run=True).since is None
    told = store.materialize(GROUP, to=JUNE + DAY)
    assert (told.since, told.rows_dispersed) == (None, 2)
    redis_server.client().delete(*redis_server.client().keys("palette:shop:*"))
    assert store.materialize(GROUP, to=JUNE + DAY).rows_dispersed == 0  # it cannot be seen
    assert store.materialize(GROUP, to=JUNE + DAY, full_refresh=True).rows_dispersed == 2


def test_cache_before_the_store_forgets_what_was_there(spark, tmp_path, redis_url):
    store = store_of(tmp_path, redis_url)
    store.online = NearCache(store.online, size=10, ttl=1000.0)
    add(spark, tmp_path, FIRST)
    assert online(store, "a") == {"a": (None, None)}
    assert store.materialize(GROUP, to=JUNE + DAY).rows_dispersed == 2
    assert online(store, "a") == {"a": (2.0, JUNE + 2 * HOUR)}
    assert store.materialize(GROUP, to=JUNE + DAY).since == 0


def test_new_feature_and_new_table_are_noticed(spark, tmp_path, redis_url):
    import shutil

    store = store_of(tmp_path, redis_url)
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, to=JUNE + DAY)
    _, old = store.resolve_group(GROUP)
    wider = [*old.features, Feature("y", "double")]
    sql = f"SELECT *, x + 1 AS y FROM parquet.`{tmp_path}/rows`"
    store.apply(FeatureGroup("hourly", "shop", wider, timestamp="ts", source=BatchSource(sql=sql)))
    told = store.materialize(GROUP, start=JUNE, to=JUNE + DAY)
    assert (told.rows_written, told.since) == (3, None)
    assert store.online.read({GROUP: [("a", 1)]}, now=JUNE + DAY)[GROUP][0]["y"] == 3.0
    shutil.rmtree(store.tables.path(old))
    told = store.materialize(GROUP, to=JUNE + HOUR)
    assert (told.rows_written, told.since, told.watermark) == (2, None, JUNE + HOUR)


@pytest.mark.parametrize("more", [{}, {"created": "known"}])
def test_a_day_is_merged_without_reading_other_days(spark, tmp_path, more):
    store = store_of(tmp_path, **more)
    add(spark, tmp_path, FIRST + NEXT)
    store.materialize(GROUP, to=JUNE + DAY, online=False)
    for file in (tmp_path / "store" / "tables" / "shop" / "hourly").glob("*.parquet"):
        file.write_bytes(b"not to be read")
    told = store.materialize(GROUP, to=JUNE + 2 * DAY, online=False)
    assert (told.rows_computed, told.rows_written) == (2, 2)


def test_compaction_is_no_reason_to_send_rows_again(spark, tmp_path, redis_url):
    store = store_of(tmp_path, redis_url)
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, to=JUNE + DAY)
    add(spark, tmp_path, NEXT)
    store.materialize(GROUP, to=JUNE + 2 * DAY)
    store.optimize(GROUP)
    assert store.materialize(GROUP, to=JUNE + 2 * DAY).rows_dispersed == 0
    # What was compacted before it went online goes.
    add(spark, tmp_path, [event("d", JUNE + 2 * DAY + HOUR, 6.0)])
    store.write(GROUP, spark.read.parquet(f"{tmp_path}/rows").filter("id = 'd'"))
    store.optimize(GROUP)
    store.materialize(GROUP, to=JUNE + 3 * DAY)
    assert online(store, "d") == {"d": (6.0, JUNE + 2 * DAY + HOUR)}


def test_the_version_of_a_table_is_looked_up_twice_at_most(spark, tmp_path, redis_url, monkeypatch):
    """Where its log is not local, each look-up is a command of Spark."""
    store, queries, history = store_of(tmp_path, redis_url), [], DeltaTables._history
    add(spark, tmp_path, FIRST + NEXT)
    monkeypatch.setattr("palette.offline.delta.tables.newest_version", lambda path: None)

    def count(tables, spark, group, limit):
        queries.append(group.full_name)
        return history(tables, spark, group, limit)

    monkeypatch.setattr(DeltaTables, "_history", count)
    first, again = {"start": JUNE - DAY, "to": JUNE + DAY, "chunk": DAY}, {"to": JUNE + 2 * DAY}
    runs = [first, again, again, {**first, **again, "full_refresh": True}, {"dry_run": True}]
    looked_up = []
    for how in runs:
        queries.clear()
        store.materialize(GROUP, **how)
        looked_up.append(len(queries))
    assert looked_up == [2, 1, 1, 1, 1]
    assert online(store, "ac") == {"a": (4.0, JUNE + DAY + HOUR), "c": (5.0, JUNE + DAY + 2 * HOUR)}


def contents(store):
    with store.catalog.database.reading() as connection:
        tables = ("runs", "feed_states", "locks", "dispersals")
        return [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables]


def test_dry_run_changes_nothing(spark, tmp_path, redis_url, redis_server):
    store = store_of(tmp_path, redis_url)
    add(spark, tmp_path, FIRST)
    before = contents(store)
    told = store.materialize(GROUP, to=JUNE + DAY, dry_run=True)
    assert (told.dry_run, told.intervals, told.version) == (True, (Interval(None, JUNE + DAY),), None)
    _, found = store.resolve_group(GROUP)
    assert store.tables.version(spark, found) is None
    store.materialize(GROUP, to=JUNE + DAY)
    before, keys = contents(store), sorted(redis_server.client().keys())
    told = store.materialize(GROUP, start=JUNE, to=JUNE + 2 * DAY, chunk="1d", dry_run=True)
    assert [one.end for one in told.intervals] == [JUNE + DAY, JUNE + 2 * DAY]
    assert (told.version, told.since) == (0, 0)
    assert (contents(store), sorted(redis_server.client().keys())) == (before, keys)
    assert "would do 2 intervals" in str(told)


def test_backfill_that_was_broken_off_goes_on(spark, tmp_path):
    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST + NEXT)
    store.materialize(GROUP, to=JUNE + 9 * DAY)

    class StoppedError(Exception):
        pass

    def stop(step):
        if step.step == 2:
            raise StoppedError

    asked = {"start": JUNE - DAY, "to": JUNE + 3 * DAY, "chunk": DAY}
    with pytest.raises(StoppedError):
        store.materialize(GROUP, **asked, progress=stop)
    (failed, *_) = store.catalog.feeds.runs(GROUP)
    assert (failed["status"], failed["details"]["error"]) == ("failed", "StoppedError: ")
    assert [one[1] for one in failed["details"]["intervals"]] == [JUNE.isoformat(), (JUNE + DAY).isoformat()]
    planned = store.materialize(GROUP, **asked, dry_run=True)
    assert f"resumed from {JUNE + DAY}: 2 intervals" in str(planned)
    told = store.materialize(GROUP, **asked)
    assert [one.end for one in told.intervals] == [JUNE + 2 * DAY, JUNE + 3 * DAY]
    assert (told.resumed, told.to_json()["resumed"]) == (JUNE + DAY, (JUNE + DAY).isoformat())
    # It is done, so the next one is a new one; and the watermark did not go back.
    assert len(store.materialize(GROUP, **asked, dry_run=True).intervals) == 4
    assert times(store) == (JUNE + 9 * DAY, JUNE + DAY + 2 * HOUR)
    assert store.catalog.feeds.state(GROUP).backfills == {}


def test_backfill_of_a_table_that_was_deleted_begins_again(spark, tmp_path, monkeypatch):
    """Also if it is broken off again, after its first day was written and before that was said."""
    import shutil

    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST + NEXT)
    asked = {"start": JUNE, "to": JUNE + 2 * DAY, "chunk": DAY}

    def stop(step):
        if step.step == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.materialize(GROUP, **asked, progress=stop)
    assert list(store.catalog.feeds.state(GROUP).backfills.values()) == [JUNE + DAY]
    shutil.rmtree(store.tables.path(store.group(GROUP)))

    def dies(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(store.catalog.feeds), "set_state", dies)
        with pytest.raises(ZeroDivisionError):
            store.materialize(GROUP, **asked)
    assert len(store.materialize(GROUP, **asked).intervals) == 2
    assert len(offline(spark, store)) == 5


@pytest.mark.parametrize("moment", ["set_state", "set_dispersal"])
def test_run_that_dies_before_it_says_how_far_it_came_is_repeated(spark, tmp_path, redis_url, monkeypatch, moment):
    store = store_of(tmp_path, redis_url)
    add(spark, tmp_path, FIRST + NEXT)
    store.materialize(GROUP, to=JUNE + DAY)

    def dies(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(store.catalog.feeds), moment, dies)
        with pytest.raises(ZeroDivisionError):
            store.materialize(GROUP, to=JUNE + 2 * DAY)
    assert store.catalog.feeds.dispersal(GROUP, store.online.identity()).version == 0
    rows = offline(spark, store)
    assert len(rows) == 5
    assert store.materialize(GROUP, to=JUNE + 2 * DAY).rows_written == 0
    assert offline(spark, store) == rows
    assert online(store, "ac") == {"a": (4.0, JUNE + DAY + HOUR), "c": (5.0, JUNE + DAY + 2 * HOUR)}


def test_one_run_a_group(spark, tmp_path):
    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST)

    def second(step):
        if step.phase == "compute":
            with pytest.raises(LockedError, match=r"shop:hourly: locked by .*, process"):
                store_of(tmp_path).materialize(GROUP, to=JUNE + DAY)

    assert store.materialize(GROUP, to=JUNE + DAY, progress=second).rows_written == 3
    assert [run["status"] for run in store.catalog.feeds.runs(GROUP)] == ["done"]


def test_failed_run_says_so_and_leaves_the_table(spark, tmp_path):
    store = store_of(tmp_path)
    add(spark, tmp_path, [*FIRST, (None, 1, None, 1.0, None)])
    lost = store.catalog.feeds.start_run(GROUP, "materialize")  # of a process that was killed
    with pytest.raises(DataError, match="1 rows have a null in id, seat, ts"):
        store.materialize(GROUP, to=JUNE + DAY)
    failed, before = store.catalog.feeds.runs(GROUP)
    assert failed["status"] == "failed"
    assert "DataError: shop:hourly: 1 rows have a null" in failed["details"]["error"]
    assert (before["id"], before["status"]) == (lost, "lost")
    assert store.catalog.feeds.state(GROUP) == FeedState()
    add(spark, tmp_path, FIRST, mode="overwrite")
    assert store.materialize(GROUP, to=JUNE + DAY).rows_written == 3


def test_a_table_that_lacks_what_another_machine_computed_is_refused(spark, tmp_path):
    """Where the catalog is shared, and the tables are not."""
    store = store_of(tmp_path)
    add(spark, tmp_path, FIRST + NEXT)
    store.materialize(GROUP, to=JUNE + DAY, online=False)
    own, store._tables_root = store._tables_root, str(tmp_path / "theirs")
    assert store.materialize(GROUP, to=JUNE + 2 * DAY, online=False).rows_written == 5
    store._tables_root = own
    for dry_run in (True, False):
        with pytest.raises(PlanError, match=r"wrote to another table than .*: start= \(--from\), up to 2026-06-03"):
            store.materialize(GROUP, to=JUNE + 3 * DAY, dry_run=dry_run)
    assert store.materialize(GROUP, start=JUNE + DAY, to=JUNE + 2 * DAY, online=False).rows_written == 2
    assert store.materialize(GROUP, to=JUNE + 3 * DAY, online=False).intervals == (
        Interval(JUNE + DAY + 2 * HOUR, JUNE + 3 * DAY),
    )


def test_static_group_is_computed_whole(spark, tmp_path):
    store = FeatureStore(tmp_path)
    source = BatchSource(sql=f"SELECT * FROM parquet.`{tmp_path}/static`")
    store.apply(
        Entity("shop", keys={"id": "string"}), FeatureGroup("menu", "shop", [Feature("x", "int")], source=source)
    )
    for number, rows in enumerate([[("a", 1), ("b", 2)], [("b", 3), ("c", 4)]]):
        spark.createDataFrame(rows, "id string, x int").write.mode("overwrite").parquet(f"{tmp_path}/static")
        assert store.materialize("shop:menu").rows_computed == 2, number
    rows = store.online.read({"shop:menu": ["a", "b", "c"]})["shop:menu"]
    assert [row["x"] for row in rows] == [1, 3, 4]
    with pytest.raises(PlanError, match=r"has no event time: .* leave out start and chunk"):
        store.materialize("shop:menu", chunk="1d")


def test_created_times_that_are_stamped(spark, tmp_path):
    """A row that is as it was is not written again; one that changed stands beside what was known."""
    store = store_of(tmp_path, lookback=DAY, created="known")
    add(spark, tmp_path, FIRST)
    store.materialize(GROUP, to=JUNE + DAY)
    add(spark, tmp_path, [event("b", JUNE + HOUR, 4.0), *FIRST[:2]], mode="overwrite")
    assert store.materialize(GROUP, to=JUNE + DAY).rows_written == 1
    assert [row[3] for row in offline(spark, store) if row[0] == "b"] == [3.0, 4.0]
    assert online(store, "b") == {"b": (4.0, JUNE + HOUR)}


@pytest.mark.parametrize(
    ("source", "asked", "message"),
    [
        pytest.param(None, {"start": JUNE}, "has no batch source", id="no-source"),
        pytest.param(BatchSource(sql="SELECT 1"), {"chunk": "1d"}, "by start=", id="no-start"),
        pytest.param(BatchSource(sql="SELECT 1"), {"start": JUNE, "to": JUNE}, "is not before", id="empty"),
    ],
)
def test_refused(spark, tmp_path, source, asked, message):
    store = FeatureStore(tmp_path)
    store.apply(SHOP, group(source))
    before = contents(store)
    with pytest.raises(PlanError, match=message):
        store.materialize(GROUP, **asked)
    assert contents(store) == before
