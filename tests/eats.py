"""A small world for tests of stages: restaurants, regions and routes, orders that ask about them."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dsl.testing import same
from palette import Entity, Feature, FeatureGroup, FeatureStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, SparkSession

START = dt.datetime(2026, 3, 1, 12)
NOW = START + timedelta(hours=30)
HOUR = timedelta(hours=1)
ORDERS = "id bigint, r_id string, region string, origin string, dest string, at timestamp, size bigint, minutes double"

DEFINITIONS = (
    Entity("restaurant", keys={"restaurant_uuid": "string"}),
    Entity("region", keys={"cell": "string"}),
    Entity("route", keys={"origin": "string", "dest": "string"}),
    FeatureGroup(
        "kitchen",
        entity="restaurant",
        timestamp="event_time",
        created="created_time",
        ttl=timedelta(days=1),
        features=[
            Feature("prep", "double", default=15.0),
            Feature("n_meal", "bigint", default=0),
            Feature("chef", "string", default="nobody"),
            Feature("open", "boolean"),
            Feature("zone", "string"),
        ],
    ),
    FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "int"), Feature("taste", "array<float>")]),
    FeatureGroup(
        "traffic", entity="region", timestamp="hour", ttl=timedelta(days=1), features=[Feature("busy", "double")]
    ),
    FeatureGroup("trips", entity="route", timestamp="day", features=[Feature("ride", "double", default=-1.0)]),
)


@dataclass(frozen=True)
class Eats:
    """The store, and orders that it can answer for."""

    spark: SparkSession
    store: FeatureStore
    orders: DataFrame


def write(spark: SparkSession, store: FeatureStore) -> None:
    """Declare the groups and write their histories."""
    store.apply(*DEFINITIONS)
    kitchen = [
        (f"r{r}", START + hour * HOUR, START + hour * HOUR + timedelta(minutes=5), *values(r, hour))
        for r in range(5)
        for hour in range(0, 30, 6)
        if (r, hour) != (4, 0)
    ]
    times = "event_time timestamp, created_time timestamp"
    columns = f"restaurant_uuid string, {times}, prep double, n_meal bigint, chef string, open boolean, zone string"
    store.write("restaurant:kitchen", spark.createDataFrame(kitchen, columns))
    menu = [("r0", 12, [0.1, 0.5]), ("r1", None, None), ("r2", 7, [1.0])]
    columns = "restaurant_uuid string, dishes int, taste array<float>"
    store.write("restaurant:menu", spark.createDataFrame(menu, columns))
    traffic = [(f"z{z}", START + hour * HOUR, z + hour / 10) for z in range(3) for hour in range(0, 30, 3)]
    store.write("region:traffic", spark.createDataFrame(traffic, "cell string, hour timestamp, busy double"))
    trips = [("z0", "z1", START, 12.5), ("z1", "z0", START, 14.0), ("z0", "", START, 1.0)]
    store.write("route:trips", spark.createDataFrame(trips, "origin string, dest string, day timestamp, ride double"))


def values(r: int, hour: int) -> tuple[Any, ...]:
    """Return what the kitchen of a restaurant knew: numbers, nulls and NaN."""
    prep = math.nan if (r, hour) == (1, 12) else None if (r, hour) == (2, 6) else 10.0 + r + hour / 4
    return prep, None if r == 3 else r * hour, None if r == 1 else f"chef {r}", r % 2 == 0, f"z{r % 3}"


def asked(number: int, at: dt.datetime | None = None) -> tuple[Any, ...]:
    """Return an order: some restaurants are unknown or null, some routes never driven."""
    r_id = None if number == 7 else "nowhere" if number == 8 else f"r{number % 5}"
    origin, dest = ("z0", "z1") if number % 2 else ("z1", "z0")
    when = at or (None if number == 9 else START + (number * 1.7 % 31) * HOUR)
    return number, r_id, f"z{number % 4}", origin, dest, when, number % 3 + 1, 20.0 + number % 7


def orders(spark: SparkSession, rows: int = 20, at: dt.datetime | None = None) -> DataFrame:
    """Return orders in two partitions; all at one time, if that is given."""
    return spark.createDataFrame([asked(number, at) for number in range(rows)], ORDERS).repartition(2)


@pytest.fixture(scope="session")
def eats(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Eats:
    """The small world; tests only read it."""
    store = FeatureStore(tmp_path_factory.mktemp("eats") / "store")
    write(spark, store)
    return Eats(spark, store, orders(spark))


def plain(value: Any) -> Any:
    """Return a value of Spark as plain Python."""
    if hasattr(value, "toArray"):
        return value.toArray().tolist()
    return value


def rows_of(frame: DataFrame, key: str = "id") -> dict[Any, dict[str, Any]]:
    """Return the rows as plain values, by their id."""
    return {row[key]: {name: plain(row[name]) for name in frame.columns} for row in frame.collect()}


def differences(one: dict[Any, dict[str, Any]], other: dict[Any, dict[str, Any]]) -> list[str]:
    """Return where two sets of rows differ: exactly, columns in any order."""
    if one.keys() != other.keys():
        return [f"rows {sorted(one)} and {sorted(other)}"]
    return [
        f"row {key}, {column}: {one[key].get(column)!r} and {other[key].get(column)!r}"
        for key in one
        for column in sorted({*one[key], *other[key]})
        if column not in one[key] or column not in other[key] or not same(one[key][column], other[key][column])
    ]


def scored(stage: Any, rows: Iterable[dict[str, Any]], key: str = "id", **options: Any) -> dict[Any, dict[str, Any]]:
    """Score rows one by one, by their id."""
    return {row[key]: stage.score_instance(row, **options) for row in rows}
