"""Shops whose orders depend on some of their features: what leaks, what is noise and what is doubled is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from palette import Entity, Feature, FeatureGroup, FeatureStore

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

START = np.datetime64("2026-03-01T00:00:00", "us")
DAY = np.timedelta64(1, "D")
SHOPS, DAYS, ORDERS = 40, 30, 6000
HISTORY = FeatureGroup(
    "history",
    entity="shop",
    timestamp="at",
    features=[
        Feature("prep", "double"),
        Feature("prep_seconds", "double"),
        Feature("prep_rough", "float"),
        Feature("kind", "string"),
        Feature("open_late", "boolean"),
        Feature("noise", "double"),
        Feature("unit", "string"),
        Feature("rarely", "double"),
        Feature("never", "double"),
        Feature("token", "string"),
        Feature("embedding", "array<double>"),
        Feature("opened", "date"),
    ],
)
REVIEWS = FeatureGroup(
    "reviews",
    entity="shop",
    timestamp="day",
    created="written",
    features=[Feature("today", "double"), Feature("yesterday", "double"), Feature("stars", "int")],
)
PLACE = FeatureGroup("place", entity="shop", features=[Feature("size", "decimal(6,2)")])
SHOP = Entity("shop", keys={"shop_id": "string"})
H, R = "shop:history:{}:shop_id", "shop:reviews:{}:shop_id"


@dataclass(frozen=True)
class Shops:
    """A store, and orders with how long they took."""

    spark: SparkSession
    store: FeatureStore
    orders: DataFrame


def shops(spark: SparkSession, home: Path) -> Shops:
    """Write the histories; each shop's features are drawn anew each day."""
    draw = np.random.default_rng(5)
    shop, day = (part.ravel() for part in np.meshgrid(np.arange(SHOPS), np.arange(DAYS), indexing="ij"))
    size = len(shop)
    prep = draw.gamma(4.0, 5.0, size)
    kind = draw.integers(0, 6, size)
    luck = draw.normal(0, 6, size)
    store = FeatureStore(home / "store")
    store.apply(SHOP, HISTORY, REVIEWS, PLACE)
    ids = np.char.add("s", shop.astype(str))
    history = {
        "shop_id": ids,
        "at": START + day * DAY,
        "prep": prep,
        "prep_seconds": prep * 60,
        "prep_rough": np.where(draw.random(size) < 0.1, np.nan, prep + draw.normal(0, 3, size)).astype(np.float32),
        "kind": np.array(["thai", "pizza", "sushi", "vegan", "grill", "soup"])[kind],
        "open_late": draw.random(size) < 0.5,
        "noise": draw.normal(0, 1, size),
        "unit": np.where(draw.random(size) < 0.002, "h", "min"),
        "rarely": pa.array(draw.random(size), mask=draw.random(size) < 0.97),
        "never": pa.nulls(size, pa.float64()),
        "token": np.array([f"{value:016x}" for value in draw.integers(0, 1 << 62, size)]),
        "embedding": [[0.5, 1.0]] * size,
        "opened": [dt.date(2020, 1, 1)] * size,
    }
    store.write("shop:history", frame(spark, history, HISTORY))
    # Of each day's luck one column is stamped with the morning of that day, though it was written in the next night.
    before = np.where(day > 0, np.roll(luck, 1), 0.0)
    reviews = {
        "shop_id": ids,
        "day": START + day * DAY,
        "written": START + (day + 1) * DAY,
        "today": luck,
        "yesterday": before,
        "stars": draw.integers(1, 6, size).astype(np.int32),
    }
    store.write("shop:reviews", frame(spark, reviews, REVIEWS))
    place = {"shop_id": np.unique(ids), "size": draw.integers(1, 9, SHOPS)}
    store.write("shop:place", frame(spark, place, PLACE))
    asked = draw.integers(0, size, ORDERS)
    minutes = prep[asked] + 3 * kind[asked] + luck[asked] + draw.normal(0, 4, ORDERS)
    orders = {
        "order_id": np.arange(ORDERS) + 1_000,
        "shop_id": np.where(draw.random(ORDERS) < 0.005, "nowhere", ids[asked]),
        "at": START + day[asked] * DAY + draw.integers(1, 86_400, ORDERS) * np.timedelta64(1, "s"),
        "items": draw.integers(1, 5, ORDERS),
        "minutes": pa.array(minutes, mask=draw.random(ORDERS) < 0.01),
        "seconds": minutes * 60,
        "late": minutes > 40,
    }
    return Shops(spark, store, spark.createDataFrame(_utc(orders)).repartition(3))


def frame(spark: SparkSession, columns: dict[str, object], group: FeatureGroup) -> DataFrame:
    """Return columns in the types of their group."""
    types = {"shop_id": "string"} | group.readable
    rows = spark.createDataFrame(_utc(columns))
    return rows.select(*(rows[name].cast(types[name]) for name in columns))


def _utc(columns: dict[str, object]) -> pa.Table:
    table = pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    )
    zoned = [
        pa.field(one.name, pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(one.type) else one.type)
        for one in table.schema
    ]
    return table.cast(pa.schema(zoned))
