"""Groups with windowed aggregates are materialized as others are, and hold what the oracle says."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from palette import Aggregate, BatchSource, Entity, FeatureGroup, FeatureStore
from palette.definitions import GroupSchema
from palette.errors import PlanError
from palette.feeds.batch.intervals import Interval
from tests.feeds import events as oracle

pytestmark = pytest.mark.slow
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
START = dt.datetime(2026, 6, 1)
WINDOWS = [
    Aggregate("*", "count", windows=["1h", "2d"], name="orders"),
    Aggregate("price", "sum", windows=["1h", "2d"]),
    Aggregate("price", "max", windows=["1d"]),
]
NAME = "shop:orders"


def order(at, price=1.0, key="a"):
    return {"k": key, "at": at, "price": price}


def add(spark, path, orders):
    rows = [(one["k"], one["at"].replace(tzinfo=dt.UTC), one["price"]) for one in orders]
    spark.createDataFrame(rows, "k string, at timestamp, price double").coalesce(1).write.mode("append").parquet(path)


def opened(tmp_path, windows=tuple(WINDOWS), **more):
    store = FeatureStore(tmp_path / "store")
    query, more = f"SELECT * FROM parquet.`{tmp_path}/orders`", {"lookback": "0s", **more}
    source = BatchSource(sql=query, every="1h", time="at", by=["k"], aggregates=windows, **more)
    entity = Entity("shop", keys={"id": "string"})
    store.apply(entity, FeatureGroup("orders", "shop", source.features(), timestamp="end", source=source))
    return store, source


def offline(spark, store):
    entity, group = store.resolve_group(NAME)
    rows = (
        store.tables.read(spark, GroupSchema(entity, group))
        .selectExpr("*", "unix_micros(end) AS e")
        .drop("end")
        .collect()
    )
    found = {}
    for row in rows:
        values = row.asDict()
        key = (values.pop("id"), oracle.EPOCH + dt.timedelta(microseconds=values.pop("e")))
        assert key not in found
        found[key] = values
    return found


def test_runs_late_events_and_backfills_give_what_one_run_would(spark, tmp_path):
    store, source = opened(tmp_path, lookback=6 * HOUR)
    path = str(tmp_path / "orders")
    orders = [order(START + n * 7 * HOUR + n * dt.timedelta(minutes=13), n / 4, "ab"[n % 3 % 2]) for n in range(12)]
    add(spark, path, [*orders, order(START + HOUR, key=None)])
    nowhen = spark.createDataFrame([("a", None, 1.0)], "k string, at timestamp, price double")
    nowhen.write.mode("append").parquet(path)

    def check(last):
        usable = [one for one in orders if one["at"] <= last]
        assert offline(spark, store) == oracle.rows(usable, source, ["k"], START - DAY, last)

    told = store.materialize(NAME, to=START + 2 * DAY + 30 * dt.timedelta(minutes=1))
    assert (told.intervals, told.rows_left_out) == ((Interval(None, START + 2 * DAY),), 2)
    assert "; 2 events without key or time left out; " in str(told)
    check(START + 2 * DAY)
    # In the lookback, and after it.
    late = [order(START + 2 * DAY - 5 * HOUR, 9.0, "late"), order(START + 2 * DAY + HOUR, 8.0)]
    orders += late
    add(spark, path, late)
    told = store.materialize(NAME, to=START + 3 * DAY)
    assert (told.intervals, told.rows_left_out) == ((Interval(START + 37 * HOUR, START + 3 * DAY),), 1)
    check(START + 3 * DAY)
    # Before it: a backfill of its day renews windows up to the watermark, and no later ones.
    later = [order(START + 3 * HOUR, 7.0, "later")]
    orders += later
    add(spark, path, later)
    told = store.materialize(NAME, start=START, to=START + DAY, chunk=7.5 * HOUR)
    assert len(told.intervals) == 3
    check(START + 3 * DAY)
    assert store.materialize(NAME, to=START + 3 * DAY).rows_written == 0
    assert store.online.read({NAME: ["later"]}, now=START + 4 * DAY)[NAME][0]["orders_count_2d"] == 0  # closed


def test_interval_that_is_repeated_gives_the_same(spark, tmp_path, monkeypatch):
    store, _ = opened(tmp_path)
    add(spark, str(tmp_path / "orders"), [order(START + n * HOUR) for n in range(30)])
    store.materialize(NAME, to=START + 20 * HOUR)

    def dies(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(store.catalog.feeds), "set_state", dies)
        with pytest.raises(ZeroDivisionError):
            store.materialize(NAME, to=START + DAY)
    before, path = offline(spark, store), Path(store.tables.path(store.group(NAME)) + ".partials")
    # Upkeep of the table is upkeep of the partials.
    store.optimize(NAME)
    store.vacuum(NAME, hours=0)
    assert len(list(path.glob("*.parquet"))) == 1
    assert store.materialize(NAME, to=START + DAY).rows_written == 0
    assert offline(spark, store) == before


def test_other_aggregates_are_computed_from_the_beginning(spark, tmp_path):
    store, _ = opened(tmp_path)
    orders = [order(START + n * HOUR) for n in range(3)]
    add(spark, str(tmp_path / "orders"), orders)
    store.materialize(NAME, to=START + DAY)
    store, source = opened(tmp_path, [*WINDOWS, Aggregate("price", "min", windows=["1d"])])
    told = store.materialize(NAME, to=START + 6 * HOUR)
    # The newest event is at 02:00, in the windows' last hour that may get more.
    assert (told.intervals, told.watermark) == ((Interval(None, START + 6 * HOUR),), START + HOUR)
    found = {key: row for key, row in offline(spark, store).items() if key[1] <= START + 6 * HOUR}
    assert found == oracle.rows(orders, source, ["k"], START - DAY, START + 6 * HOUR)


@pytest.mark.proof
def test_windows_near_a_start_are_whole(spark, tmp_path):
    """Of a first run that leaves out what was before, of one that goes back behind it, and of one that goes ahead."""
    store, source = opened(tmp_path, lookback=3 * DAY)
    orders = [order(START + n * 5 * HOUR, float(n), "ab"[n % 2]) for n in range(60)]
    add(spark, str(tmp_path / "orders"), orders)
    day = [START + n * DAY for n in range(13)]

    def expected(*spans):
        return {
            key: row
            for first, last in spans
            for key, row in oracle.rows(
                [one for one in orders if one["at"] <= last], source, ["k"], first, last
            ).items()
        }

    store.materialize(NAME, start=day[5], to=day[7], chunk="1d")
    assert offline(spark, store) == expected((day[5], day[7]))
    # The lookback goes behind the start: from before the newest event, three hours before the seventh day ends.
    behind = day[7] - 4 * HOUR - 3 * DAY
    store.materialize(NAME, to=day[7] + 2 * HOUR)
    assert offline(spark, store) == expected((behind, day[7] + 2 * HOUR))
    # A hole is left, whose windows are not computed from the half of their events.
    store.materialize(NAME, start=day[0], to=day[1])
    store.materialize(NAME, start=day[11], to=day[12])
    known = [(day[0], day[1]), (behind, day[7] + 2 * HOUR), (day[11], day[12])]
    assert offline(spark, store) == expected(*known)
    store.materialize(NAME, start=day[1], to=day[6], chunk="2d")
    told = store.materialize(NAME, to=day[12])
    assert told.intervals == (Interval(day[4] + 2 * HOUR, day[12]),)
    assert offline(spark, store) == expected((day[0], day[12]))


def test_new_window_is_computed_for_the_past_and_another_grid_anew(spark, tmp_path):
    store, _ = opened(tmp_path)
    orders = [order(START + n * 5 * HOUR, n / 4) for n in range(12)]
    path = tmp_path / "orders"
    add(spark, str(path), orders)
    store.materialize(NAME, to=START + DAY)
    _, rows = orders.copy(), path.rename(tmp_path / "gone")
    # The events before the last hour that had some are not needed, what is kept of them is.
    add(spark, str(path), [one for one in orders if START + 19 * HOUR < one["at"] <= START + DAY])
    windows = [*WINDOWS[:1], Aggregate("price", "sum", windows=["1h", "2d", "3h"]), *WINDOWS[2:]]
    store, source = opened(tmp_path, windows)
    store.materialize(NAME, to=START + DAY + HOUR)
    first_day = [one for one in orders if one["at"] <= START + DAY]
    assert offline(spark, store) == oracle.rows(first_day, source, ["k"], START - DAY, START + DAY + HOUR)

    rows.rename(path / "more")
    every_two = source.model_copy(update={"every": 2 * HOUR, "aggregates": (Aggregate("price", "sum", ["2d"]),)})
    group = FeatureGroup("orders", "shop", every_two.features(), timestamp="end", source=every_two)
    store.apply(group, allow_breaking=True)
    told = store.materialize(NAME, to=START + 3 * DAY)
    assert told.intervals == (Interval(None, START + 3 * DAY),)


@pytest.mark.proof  # new windows, and holes, each have a test of their own
def test_new_windows_where_runs_leave_holes(spark, tmp_path):
    """The past that is known has them as well, the rows asked for are there, and no others."""
    store, first = opened(tmp_path)
    orders = [order(START + n * 9 * HOUR, float(n), "ab"[n % 2]) for n in range(45)]
    add(spark, str(tmp_path / "orders"), orders)
    day = [START + n * DAY for n in range(17)]

    def declare(*windows):
        source = first.model_copy(update={"aggregates": windows})
        group = FeatureGroup("orders", "shop", source.features(), timestamp="end", source=source)
        store.apply(group, allow_breaking=True)
        return source

    def check(source, *spans, only=False):
        expected = {}
        for start, end in spans:
            expected |= oracle.rows([one for one in orders if one["at"] <= end], source, ["k"], start, end)
        names = {feature.name for feature in source.features()}
        found = {key: {name: row[name] for name in names} for key, row in offline(spark, store).items()}
        assert {key: row for key, row in found.items() if not only or key in expected} == expected

    # Behind what is known, in chunks of which the first is far from it; then beyond it.
    store.materialize(NAME, start=day[8], to=day[10])
    second = declare(*WINDOWS, Aggregate("price", "sum", windows=["3h"], name="late"))
    store.materialize(NAME, start=day[1], to=day[3], chunk="1d")
    check(second, (day[1], day[3]), (day[8], day[10]))
    third = declare(*WINDOWS, Aggregate("price", "sum", windows=["3h", "6h"], name="late"))
    store.materialize(NAME, start=day[14], to=day[15])
    check(second, (day[1], day[3]), (day[8], day[10]), (day[14], day[15]))
    check(third, (day[8], day[10]), (day[14], day[15]), only=True)

    # What is taken away and comes back has no hole of that time.
    declare(WINDOWS[0], Aggregate("price", "sum", windows=["1h"]), *third.aggregates[2:])
    store.materialize(NAME, to=day[10] + 2 * HOUR)
    declare(*third.aggregates)
    store.materialize(NAME, to=day[10] + 4 * HOUR)
    check(second, (day[1], day[3]), (day[8], day[10] + 4 * HOUR), (day[14], day[15]))

    # Partials without their table are no history.
    shutil.rmtree(store.tables.path(store.group(NAME)))
    store.materialize(NAME, start=day[8], to=day[10])
    store.materialize(NAME, start=day[5], to=day[8])
    check(third, (day[5], day[10]))


def test_time_to_come_is_not_computed(spark, tmp_path):
    store, _ = opened(tmp_path)
    today = dt.datetime.now(dt.UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    add(spark, str(tmp_path / "orders"), [order(today - HOUR, 2.0), order(today + 30 * DAY, 3.0)])
    told = store.materialize(NAME, to=today + 365 * DAY)
    assert told.watermark == today - 2 * HOUR
    assert max(end for _, end in offline(spark, store)) <= today + HOUR


def test_no_events_are_no_harm(spark, tmp_path):
    store, source = opened(tmp_path)
    add(spark, str(tmp_path / "orders"), [order(START + HOUR)])
    store.materialize(NAME, to=START + 2 * HOUR)
    for hour, (limit, left_out) in enumerate([(0, 0), (9, 1)], 3):
        # No event, and one that has no key.
        none = f"SELECT STRING(NULL) AS k, TIMESTAMP '2026-06-01 03:30' AS at, 1D AS price LIMIT {limit}"
        sql = f"{source.sql} UNION ALL ({none})"
        changed = source.model_copy(update={"sql": sql})
        store.apply(store.group(NAME).model_copy(update={"source": changed}))
        told = store.materialize(NAME, to=START + hour * HOUR)
        assert (told.rows_left_out, told.watermark, told.silent) == (left_out, START, True)
    assert len(offline(spark, store)) == 4


def test_metastore_is_refused(spark, tmp_path):
    store, _ = opened(tmp_path)
    store._tables_root = "metastore:spark_catalog.default"
    with pytest.raises(PlanError, match="in files next to the group's table"):
        store.materialize(NAME, to=START)
