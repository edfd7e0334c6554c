"""The zone and the type of timestamps of a session do not matter: what is written and read is the same."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from dsl import DSLEstimator
from palette import Aggregate, BatchSource, Entity, Feature, FeatureGroup, FeatureStore, PaletteTransformer
from palette.times import utc

# Two journeys of many small jobs.
pytestmark = [pytest.mark.spark, pytest.mark.proof]

SETTINGS = {"spark.sql.timestampType": "TIMESTAMP_NTZ", "spark.sql.session.timeZone": "America/New_York"}
# In the night in which New York skips an hour.
NOON = dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SHOP, SLOT = Entity("shop", keys={"id": "string"}), Entity("slot", keys={"at": "timestamp"})
SALES = FeatureGroup(
    "sales",
    entity="shop",
    timestamp="ts",
    created="written",
    ttl="3h",
    features=[Feature("x", "double"), Feature("seen", "timestamp"), Feature("day", "date")],
)
WIDER = SALES.model_copy(update={"features": (*SALES.features, Feature("more", "timestamp"))})
SLOTS = FeatureGroup("slots", entity="slot", features=[Feature("load", "double")])
EMPTY = FeatureGroup("empty", entity="slot", features=[Feature("seen", "timestamp")])
NAMES = {
    **{name: f"shop:sales:{name}:k" for name in ("x", "seen", "day", "more", "ts")},
    "load": "slot:slots:load:slot",
    "sum": "shop:windows:x_sum_2h:k",
}
EXPRESSIONS = {
    "hour": "hour(tVal('basis:t'), 'America/New_York')",
    "naive": "epochSeconds(tVal('basis:naive'))",
    "date": "epochSeconds(tVal('basis:date'))",
    "later": "addSeconds(tVal('basis:t'), 3600)",
    "start": "truncTime(tVal('basis:naive'), 'day', 'America/New_York')",
    "filled": "tFill(tVal('basis:seen'), timestamp '2026-03-08 06:00:00')",
    "null": "if(tVal('basis:t') > timestamp '2026-03-08 07:00:00', null, tVal('basis:t'))",
}


def windows(path):
    aggregates = [Aggregate("x", "sum", ["2h"])]
    sql = f"SELECT id, at, x FROM parquet.`{path}` WHERE at > :start AND at <= :end"
    source = BatchSource(sql=sql, time="at", every="1h", aggregates=aggregates)
    return FeatureGroup("windows", entity="shop", timestamp="ending", source=source)


def frame(spark, **columns):
    """Return rows whose times are moments, whatever the session calls a timestamp."""
    return spark.createDataFrame(pa.table(columns))


def moments(*times):
    return pa.array(times, pa.timestamp("us", tz="UTC"))


def plain(df):
    """Return rows in an order of their own, their moments in UTC."""
    table = df.toArrow()
    utc_ = pa.timestamp("us", tz="UTC")
    zoned = [getattr(field.type, "tz", None) is not None for field in table.schema]
    columns = [column.cast(utc_) if one else column for column, one in zip(table.columns, zoned, strict=True)]
    rows = pa.table(columns, names=table.column_names).to_pylist()
    return sorted((tuple(sorted(row.items())) for row in rows), key=str)


def journey(spark, home):
    events = pa.table({"id": ["a"] * 3, "at": moments(NOON - 2 * HOUR, NOON - HOUR, NOON), "x": [1.0, 2.0, 4.0]})
    home.mkdir()
    pq.write_table(events, home / "events.parquet")
    store, told = FeatureStore(home / "store"), {}
    store.apply(SHOP, SLOT, SALES, SLOTS, EMPTY, windows(home / "events.parquet"))

    def sales(x, at, **more):
        times = {"ts": moments(at), "written": moments(at), "seen": moments(at)}
        return frame(spark, id=["a"], x=[x], day=[at.date()], **times, **more)

    store.write(SALES, sales(1.0, NOON - 5 * HOUR))
    store.write(SALES, sales(2.0, NOON - HOUR))
    store.apply(WIDER)
    store.write(WIDER, sales(3.0, NOON, more=moments(None)), mode="merge")
    store.write(WIDER, sales(4.0, NOON, more=moments(NOON)), mode="merge")
    store.write(SLOTS, frame(spark, at=moments(NOON, NOON + HOUR), load=[0.5, 0.75]))
    store.write(SLOTS, frame(spark, at=moments(NOON + HOUR), load=[0.8]))
    store.create_tables()
    told["windows"] = [store.materialize("shop:windows", to=utc(NOON)).rows_written]
    told["tables"] = [plain(store.latest(name, at=NOON + HOUR)) for name in ("shop:sales", "slot:slots", "slot:empty")]
    told["windows"] += [plain(store.latest("shop:windows"))]

    naive = pa.array([NOON.replace(tzinfo=None)] * 2, pa.timestamp("us"))
    times = moments(NOON - HOUR / 2, NOON + HOUR)
    basis = frame(spark, k=["a", "a"], t=times, slot=moments(NOON, NOON + HOUR), naive=naive, date=[NOON.date()] * 2)
    # Of a table without zones each session makes a type of its own.
    basis = basis.withColumn("naive", F.col("naive").cast("timestamp_ntz"))
    for hint in ("broadcast", "partitioned", "shuffle"):
        told[hint] = plain(store.training_set(basis, NAMES, timestamp="t", hint=hint, status=True))
        told[hint] += plain(store.training_set(basis, {"y": "slot:slots:load:naive"}, timestamp="naive", hint=hint))
        told[hint] += plain(store.training_set(basis, {"seen2": "shop:sales:seen:k"}, timestamp="date", hint=hint))
    stage = PaletteTransformer(store=store, features=NAMES, timestampCol="t")
    found = stage.transform(basis)
    told["schema"] = [
        found.dtypes == [(field.name, field.dataType.simpleString()) for field in stage.transformSchema(basis.schema)]
    ]
    told["dtypes"] = found.dtypes
    told["dsl"] = plain(DSLEstimator(lambdas=EXPRESSIONS).fit(found).transform(found))
    snapshot = store.snapshot(at=NOON + HOUR)
    keys = {"shop:sales": ["a"], "slot:slots": [utc(NOON)], "shop:windows": ["a"]}
    told["snapshot"] = list(snapshot.read(keys, now=utc(NOON) + HOUR).items())
    (erased,) = store.erase("slot:slots", [utc(NOON)])
    told["erased"] = [erased.keys, plain(store.latest("slot:slots"))]
    return told


def test_the_session_s_zone_and_type_of_timestamps_do_not_matter(spark, tmp_path):
    expected = journey(spark, tmp_path / "usual")
    assert expected["schema"] == [True]
    assert [dict(row)["x"] for row in expected["broadcast"][:2]] == [2.0, 4.0]
    before = {name: spark.conf.get(name) for name in SETTINGS}
    try:
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        found = journey(spark, tmp_path / "other")
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
    wrong = [
        (part, pair)
        for part, values in expected.items()
        for pair in zip(values, found[part], strict=True)
        if pair[0] != pair[1]
    ]
    assert wrong == []
