"""Windowed aggregates from partials are those of the events."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import Observation
from pyspark.sql import functions as F

from palette import Aggregate, BatchSource, Entity, FeatureGroup, FeatureStore
from palette.errors import DefinitionError, SchemaError
from palette.feeds.batch.intervals import Interval
from palette.feeds.windows.aggregates import partials, roll_up, rows_to_replace, windows
from tests.draws import scaled
from tests.feeds import events as oracle

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

SCHEMA = "shop string, seat int, at timestamp, price double, items int, status string, n long"
KEYS = {"id": "string", "seat": "bigint"}
BY = ["shop", "seat"]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
US = dt.timedelta(microseconds=1)
START = dt.datetime(2024, 3, 10)


def source(*aggregates: Aggregate, **rest: Any) -> BatchSource:
    return BatchSource(**{"sql": "-", "every": "1h", "time": "at", "by": BY, "aggregates": aggregates, **rest})


ALL = source(
    Aggregate("*", "count", ["1h", "9d"], name="orders"),
    Aggregate("price", "count", ["1h", "1d"]),
    Aggregate("price", "sum", ["1h", "30h", "9d"]),
    Aggregate("price", "mean", ["1d"]),
    Aggregate("price", "min", ["1h", "8d"]),
    Aggregate("price", "max", ["2h", "8d"]),
    Aggregate("price", "last", ["1d"]),
    Aggregate("price", "distinct", ["1d", "9d"]),
    Aggregate("price", "percentile", ["1d"]),
    Aggregate("price", "percentile", ["9d"], at=0.9),
    Aggregate("items", "sum", ["1d"]),
    Aggregate("items", "max", ["1d"], dtype="bigint"),
    Aggregate("status", "last", ["8d"], dtype="string"),
    Aggregate("status", "distinct", ["8d"]),
)


def event(at: dt.datetime | None, price: float | None = 1.0, shop: str | None = "a", **rest: Any) -> dict[str, Any]:
    return {"shop": shop, "seat": 1, "at": at, "price": price, "items": 1, "status": "new", "n": 0, **rest}


def frame(spark: SparkSession, events: list[dict[str, Any]], schema: str = SCHEMA) -> DataFrame:
    names = [part.split()[0] for part in schema.split(", ")]
    utc = [
        tuple(v.replace(tzinfo=dt.UTC) if isinstance(v := e[name], dt.datetime) else v for name in names)
        for e in events
    ]
    return spark.createDataFrame(utc, schema).repartition(3)


def kept(spark: SparkSession, events: list[dict[str, Any]], one: BatchSource) -> DataFrame:
    return roll_up(partials(frame(spark, events), one, KEYS), one, KEYS)


def found(answer: DataFrame) -> dict[Any, dict[str, Any]]:
    """Return (key, end) to features; a row must not stand twice."""
    table = answer.withColumn("window_end", F.unix_micros("window_end")).toArrow().to_pylist()
    out = {}
    for row in table:
        key = (*(row.pop(name) for name in KEYS), oracle.EPOCH + row.pop("window_end") * US)
        assert key not in out
        out[key] = {name: oracle.told(value) for name, value in row.items()}
    return out


def expected(events: list[dict[str, Any]], one: BatchSource, first: dt.datetime, last: dt.datetime) -> Any:
    answer = oracle.rows(events, one, BY, first, last)
    return {key: {name: oracle.told(value) for name, value in row.items()} for key, row in answer.items()}


# Sums of quarters are exact, whatever their order.
PRICES = st.sampled_from([None, 0.25, -1.5, -0.0, 0.0, 1e6, math.nan, math.inf, -math.inf])
TIMES = st.one_of(
    st.integers(0, 20 * 24).map(lambda hours: START + hours * HOUR),
    st.integers(0, 48 * 3600).map(lambda seconds: START + dt.timedelta(seconds=seconds)),
    st.sampled_from([START + US, START - US, START + 8 * DAY + US, None]),
)
EVENTS = st.fixed_dictionaries({
    "shop": st.sampled_from(["", "a", "a,", None]),
    "seat": st.sampled_from([1, -1]),
    "at": TIMES,
    "price": PRICES,
    "items": st.sampled_from([None, 0, 2**31 - 1]),
    "status": st.sampled_from([None, "", "new", "é"]),
    "n": st.just(0),
})  # fmt: skip


@settings(  # each example is some Spark jobs over dozens of rows
    max_examples=scaled(2, least=2), phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(events=st.lists(EVENTS, min_size=20, max_size=60))
def test_windows_equal_the_oracle(spark: SparkSession, events: list[dict[str, Any]]) -> None:
    first, last = START - DAY, START + 30 * DAY
    answer = windows(kept(spark, events, ALL), ALL, KEYS, first, last)
    assert {(field.name, field.dataType.simpleString()) for field in answer.schema} == {
        *KEYS.items(),
        ("window_end", "timestamp"),
        *((feature.name, feature.dtype) for feature in ALL.features()),
    }
    assert found(answer) == expected(events, ALL, first, last)


END = dt.datetime(2024, 3, 12, 5)
SMALL = source(
    Aggregate("*", "count", ["1h", "3h"], name="orders"),
    Aggregate("price", "sum", ["3h"]),
    Aggregate("price", "last", ["3h"]),
    Aggregate("price", "max", ["3h"]),
    Aggregate("price", "distinct", ["3h"]),
)


def small(
    end: dt.datetime, hour: int, count: int, total: Any, last: Any, most: Any, different: int = 1
) -> tuple[Any, dict[str, Any]]:
    names = [feature.name for feature in SMALL.features()]
    values = [hour, count, *map(oracle.told, (total, last, most)), different]
    return ("a", 1, end), dict(zip(names, values, strict=True))


NOTHING = (0, 0, None, None, None, 0)
CASES = {
    "end-is-inside": ([event(END)], [small(END, 1, 1, 1.0, 1.0, 1.0), small(END + HOUR, 0, 1, 1.0, 1.0, 1.0)]),
    "after-the-end": ([event(END + US)], [small(END + HOUR, 1, 1, 1.0, 1.0, 1.0)]),
    "start-is-outside": ([event(END - 3 * HOUR)], [small(END, *NOTHING)]),
    "after-the-start": (
        [event(END - 3 * HOUR + US)],
        [small(END, 0, 1, 1.0, 1.0, 1.0), small(END + HOUR, *NOTHING)],
    ),
    "closed-once": ([event(END - 4 * HOUR)], []),
    "duplicates": (
        [event(END), event(END)],
        [small(END, 2, 2, 2.0, 1.0, 1.0), small(END + HOUR, 0, 2, 2.0, 1.0, 1.0)],
    ),
    "null-value": (
        [event(END, None), event(END - HOUR, 5.0)],
        [small(END, 1, 2, 5.0, 5.0, 5.0), small(END + HOUR, 0, 2, 5.0, 5.0, 5.0)],
    ),
    "only-nulls": (
        [event(END, None)],
        [small(END, 1, 1, None, None, None, 0), small(END + HOUR, 0, 1, None, None, None, 0)],
    ),
    "nan": (
        [event(END, math.nan), event(END, math.nan), event(END, 7.0)],
        [small(END, 3, 3, math.nan, math.nan, math.nan, 2), small(END + HOUR, 0, 3, math.nan, math.nan, math.nan, 2)],
    ),
    "zeros": (
        [event(END, 0.0), event(END, -0.0)],
        [small(END, 2, 2, 0.0, 0.0, 0.0), small(END + HOUR, 0, 2, 0.0, 0.0, 0.0)],
    ),
    "tie-by-value": (
        [event(END, 2.0), event(END, 3.0), event(END - US, 9.0)],
        [small(END, 3, 3, 14.0, 3.0, 9.0, 3), small(END + HOUR, 0, 3, 14.0, 3.0, 9.0, 3)],
    ),
    "gap": (
        [event(END - 5 * HOUR), event(END + HOUR)],
        [small(END + HOUR, 1, 1, 1.0, 1.0, 1.0)],
    ),
    "no-key": ([event(END, shop=None), event(None)], []),
}


def test_bounds(spark: SparkSession) -> None:
    """All cases in one job: each is a key of its own; ends asked for are END and the one after."""
    events = [
        {**one, "shop": one["shop"] and name} for name, (given, _) in CASES.items() for one in given
    ]  # fmt: skip
    answer = found(windows(kept(spark, events, SMALL), SMALL, KEYS, END - US, END + HOUR))
    for name, (given_events, wanted) in CASES.items():
        own = {("a", *key[1:]): row for key, row in answer.items() if key[0] == name}
        assert own == dict(wanted), name
        assert own == expected(given_events, SMALL, END - US, END + HOUR), name


def test_a_key_with_one_event_is_told_for_as_long_as_its_longest_window_and_closed(spark: SparkSession) -> None:
    one = source(Aggregate("price", "sum", ["1d", "9d"]), every="6h")
    at = dt.datetime(1969, 12, 30, 7)  # before the epoch
    answer = found(windows(kept(spark, [event(at, 2.0)], one), one, KEYS, at - 90 * DAY, at + 90 * DAY))
    ends = sorted(key[-1] for key in answer)
    assert ends == [dt.datetime(1969, 12, 30, 12) + step * 6 * HOUR for step in range(9 * 4 + 1)]
    assert answer["a", 1, ends[-1]] == {"price_sum_1d": None, "price_sum_9d": None}
    assert answer["a", 1, ends[-2]] == {"price_sum_1d": None, "price_sum_9d": "2.0"}
    assert answer == expected([event(at, 2.0)], one, at - 90 * DAY, at + 90 * DAY)


def busy(days: int, step: dt.timedelta = 5 * HOUR) -> list[dict[str, Any]]:
    count = days * DAY // step
    return [
        event(
            START + place * step + (place % 3) * US,
            [0.1 * place, None, -7.3e-5, 3.0, 1e9 / 3][place % 5],
            "ab"[place % 2],
            items=place,
            status=str(place % 7),
        )
        for place in range(count)
    ]


def test_day_by_day_equals_all_at_once(spark: SparkSession, tmp_path: Any) -> None:
    """Also the last digits: blocks are added in the same order."""
    path = str(tmp_path / "kept")
    kept(spark, busy(12), ALL).write.parquet(path)
    stored = spark.read.parquet(path)
    whole = found(windows(stored, ALL, KEYS, START, START + 22 * DAY))
    assert len(whole) > 2 * 20 * 24
    parts: dict[Any, Any] = {}
    for day in (10, 11):  # a week ends between them
        part = found(windows(stored, ALL, KEYS, START + day * DAY, START + (day + 1) * DAY))
        assert not parts.keys() & part.keys()
        parts |= part
        assert {key for key in whole if START + day * DAY < key[-1] <= START + (day + 1) * DAY} == part.keys()
    assert parts.items() <= whole.items()


def test_an_interval_computed_anew_renews_its_blocks_and_windows(spark: SparkSession, tmp_path: Any) -> None:
    def through(rows: DataFrame, name: str) -> DataFrame:
        rows.write.parquet(str(tmp_path / name))
        return spark.read.parquet(str(tmp_path / name))

    exact = source(
        Aggregate("items", "sum", ["1h", "9d"]), Aggregate("price", "max", ["1d"]), Aggregate("n", "distinct", ["9d"])
    )
    early = busy(12)
    late = [event(START + 30 * HOUR, 5.0), event(START + 8 * DAY + US, 1e12, "c"), event(START + 5 * DAY, 0.5)]
    # An event that was wrong: its bucket loses its only event.
    wrong = early.pop(20)
    before = through(kept(spark, [*early, wrong], exact), "before")
    # Its bounds are within days and weeks.
    interval = Interval(START + 28 * HOUR, START + 8 * DAY + HOUR)
    inside = [one for one in [*early, *late] if interval.start < one["at"] <= interval.end]
    assert inside[-3:] == late
    fresh = partials(frame(spark, inside), exact, KEYS)
    renewed = roll_up(fresh, exact, KEYS, before, interval)
    stored = through(before.filter(~rows_to_replace(exact, interval)).unionByName(renewed), "after")
    span = (START - DAY, START + 30 * DAY)
    assert contents(stored) == contents(kept(spark, [*early, *late], exact))

    old, new = (found(windows(rows, exact, KEYS, *span)) for rows in (before, stored))
    assert new == expected([*early, *late], exact, *span)
    differ = {key[-1] for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    assert min(differ) == START + 30 * HOUR
    assert max(differ) == interval.end + 9 * DAY


def contents(rows: DataFrame) -> set[Any]:
    sketches = [name for name in rows.columns if name.endswith(("distinct", "percentile"))]
    return {tuple(map(oracle.told, row)) for row in rows.drop(*sketches).collect()}


def test_sketches_are_within_their_error(spark: SparkSession) -> None:
    one = source(
        Aggregate("n", "distinct", ["1d", "4d"]),
        Aggregate("price", "percentile", ["4d"], at=0.9),
        Aggregate("price", "percentile", ["4d"]),
    )
    count = 40_000
    events = spark.range(count).select(
        F.lit("a").alias("shop"),
        F.lit(1).alias("seat"),
        F.timestamp_micros(F.lit(oracle.micros(START)) + F.col("id") * 8_640_000 + 1).alias("at"),
        (F.col("id") * 7_919 % count).cast("double").alias("price"),
        (F.col("id") % 30_000).alias("n"),
    )
    row = windows(roll_up(partials(events, one, KEYS), one, KEYS), one, KEYS, START + 4 * DAY - US, START + 4 * DAY)
    values = row.first().asDict()
    assert values["n_distinct_1d"] == pytest.approx(10_000, rel=5 * 0.0163)
    assert values["n_distinct_4d"] == pytest.approx(30_000, rel=5 * 0.0163)
    assert values["price_p90_4d"] == pytest.approx(0.9 * count, abs=2 * 0.017 * count)
    assert values["price_p50_4d"] == pytest.approx(0.5 * count, abs=2 * 0.017 * count)


def test_events_without_key_or_time_are_counted(spark: SparkSession) -> None:
    events = [event(END), event(None), event(END, shop=None), event(END, seat=None), event(END, None)]
    seen = Observation("seen")
    assert partials(frame(spark, events), SMALL, KEYS, seen).count() == 1
    assert seen.get == {"events": 5, "left_out": 3}


@pytest.mark.parametrize(
    ("at", "end"),
    [
        pytest.param("TIMESTAMP '2024-03-12 05:00:00Z'", END, id="timestamp"),
        pytest.param("TIMESTAMP_NTZ '2024-03-12 05:00:00'", END, id="ntz"),
        pytest.param("DATE '2024-03-12'", END.replace(hour=0), id="date"),
    ],
)
def test_times_are_utc_in_any_session(spark: SparkSession, at: str, end: dt.datetime) -> None:
    one = source(Aggregate("price", "sum", ["1h"]), Aggregate("at", "max", ["1h"], dtype="timestamp"), every="5m")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        events = spark.sql(f"SELECT 'a' shop, 1 seat, 2.0D price, {at} at")
        answer = windows(roll_up(partials(events, one, KEYS), one, KEYS), one, KEYS, end - US, end)
        times = [F.unix_micros(name) for name in ("window_end", "at_max_1h")]
        assert answer.select("id", "price_sum_1h", *times).collect() == [("a", 2.0, *2 * [oracle.micros(end)])]
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_store_answers_with_the_newest_end(spark: SparkSession, tmp_path: Any) -> None:
    """What a point-in-time join sees: the window that ended last, nothing later than its end."""
    one = source(Aggregate("price", "sum", ["2h"]), Aggregate("*", "count", ["1h"], name="orders"), by=["shop"])
    keys = {"id": "string"}
    store = FeatureStore(tmp_path)
    group = FeatureGroup("orders", entity="shop", timestamp="window_end", features=one.features(), source=one)
    store.apply(Entity("shop", keys=keys), group)
    events = frame(spark, [event(END - HOUR, 1.0), event(END, 2.0), event(END + US, 4.0)])
    rows = windows(roll_up(partials(events, one, keys), one, keys), one, keys, START, END + 9 * HOUR)
    store.write("shop:orders", rows, mode="merge")
    asked = {"before": END - US, "at": END, "after": END + US, "next": END + HOUR, "closed": END + 3 * HOUR}
    late = {"long-after": END + 8 * DAY, "early": END - 2 * HOUR}
    basis = spark.createDataFrame(
        [(name, "a", at.replace(tzinfo=dt.UTC)) for name, at in (asked | late).items()],
        "name string, s string, at timestamp",
    )
    names = ["shop:orders:price_sum_2h:s", "shop:orders:orders_count_1h:s"]
    joined = store.training_set(basis, names, timestamp="at").drop("s", "at").collect()
    assert {row[0]: (row[1], row[2]) for row in joined} == {
        "early": (None, None),
        "before": (1.0, 1),
        "at": (3.0, 1),
        "after": (3.0, 1),
        "next": (6.0, 1),
        "closed": (None, 0),
        "long-after": (None, 0),
    }


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        pytest.param(lambda e: partials(e.drop("price"), SMALL, KEYS), SchemaError, "no column 'price'", id="column"),
        pytest.param(lambda e: partials(e.drop("at"), SMALL, KEYS), SchemaError, "no column 'at' .time", id="time"),
        pytest.param(lambda e: partials(e, SMALL, {"id": "string"}), DefinitionError, "by names 2 columns", id="by"),
        pytest.param(lambda e: partials(e, SMALL, {**KEYS, "seat": "smallint"}), SchemaError, "'seat' is", id="key"),
        pytest.param(
            lambda e: partials(e, SMALL, {"bucket_end": "string", "b": "int"}), DefinitionError, "rename", id="clash"
        ),
        pytest.param(
            lambda e: partials(e, source(Aggregate("status", "sum", ["1h"])), KEYS),
            SchemaError,
            "sum of 'status'.*string, expected a number",
            id="sum-of-texts",
        ),
        pytest.param(
            lambda e: partials(e, source(Aggregate("price", "max", ["1h"], dtype="int")), KEYS),
            SchemaError,
            "max of 'price'.*double, expected int",
            id="narrow",
        ),
        pytest.param(
            lambda e: partials(e.withColumn("n", F.array("n")), source(Aggregate("n", "distinct", ["1h"])), KEYS),
            SchemaError,
            "to_json",
            id="distinct-arrays",
        ),
        pytest.param(
            lambda e: partials(e, source(Aggregate("n", "sum", ["1h"]), time="items"), KEYS),
            SchemaError,
            "time 'items'.*is int",
            id="time-type",
        ),
        pytest.param(
            lambda e: windows(partials(e, SMALL, KEYS), SMALL, KEYS, START, END),
            SchemaError,
            "roll_up",
            id="not-rolled-up",
        ),
        pytest.param(
            lambda e: windows(roll_up(partials(e, SMALL, KEYS), SMALL, KEYS), SMALL, KEYS, START, END, "seat"),
            DefinitionError,
            "'seat' cannot be both",
            id="timestamp",
        ),
    ],
)
def test_wrong_events_are_refused(spark: SparkSession, make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(frame(spark, [event(END)]))
