"""Tables of the session's metastore instead of directories: the same writes, versions, joins and upkeep."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from palette import FeatureStore
from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import DataError, DefinitionError
from palette.offline import DeltaTables, Lookup, explain, point_in_time_join

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SHOP = Entity("shop", keys={"id": "string"})


def shop(group: FeatureGroup) -> GroupSchema:
    return GroupSchema(SHOP, group)


ORDERS = FeatureGroup("orders", entity="shop", timestamp="ts", features=[Feature("x", "double")])
WIDER = FeatureGroup("orders", entity="shop", timestamp="ts", features=[Feature("x", "double"), Feature("n", "bigint")])
NOON = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)
SCHEMA = "id string, ts timestamp, x double"


@pytest.fixture
def root(spark: SparkSession, tmp_path: Path) -> Iterator[str]:
    spark.sql(f"CREATE SCHEMA palette_test LOCATION '{tmp_path}/warehouse'")
    yield "metastore:palette_test"
    spark.sql("DROP SCHEMA palette_test CASCADE")


def test_write_read_and_travel_in_time(spark: SparkSession, root: str) -> None:
    tables = DeltaTables(root)
    assert tables.version(spark, ORDERS) is None
    with pytest.raises(DataError, match="nothing is written yet"):
        tables.read(spark, shop(ORDERS))
    first = tables.write(shop(ORDERS), spark.createDataFrame([("a", NOON, 1.0)], SCHEMA))
    second = tables.write(shop(ORDERS), spark.createDataFrame([("a", LATER, 2.0)], SCHEMA))
    again = tables.write(shop(ORDERS), spark.createDataFrame([("a", LATER, 2.0)], SCHEMA))
    assert (first.rows, second.rows, again.rows) == (1, 1, 0)
    assert first.version < second.version == again.version == tables.version(spark, ORDERS)
    assert tables.read(spark, shop(ORDERS)).count() == 2
    assert tables.read(spark, shop(ORDERS), first.version).collect() == [("a", NOON.replace(tzinfo=None), 1.0)]
    assert spark.table("palette_test.shop__orders").count() == 2


@pytest.mark.parametrize("hint", [None, "broadcast", "partitioned", "shuffle"])
def test_join(spark: SparkSession, root: str, hint: str | None) -> None:
    tables = DeltaTables(root)
    wider = f"{SCHEMA}, n bigint"
    # The first two are tied, and x, which nobody asks for, tells that n is 3.
    first = [("a", NOON, 1.0, 5), ("a", NOON, 2.0, 3), ("b", NOON, None, 4)]
    version = tables.write(shop(WIDER), spark.createDataFrame(first, wider), mode="append").version
    tables.write(shop(WIDER), spark.createDataFrame([("a", LATER, 0.0, 7)], wider))
    basis = spark.createDataFrame([("a", NOON), ("a", LATER), ("b", LATER), ("c", LATER)], "who string, at timestamp")
    lookup = Lookup(shop(WIDER), ("who",), {"n": "n"})
    joined = point_in_time_join(tables, basis, [lookup], timestamp="at", hint=hint)
    assert sorted(row.n or 0 for row in joined.collect()) == [0, 3, 4, 7]
    pinned = {WIDER.full_name: version}
    joined = point_in_time_join(tables, basis, [lookup], timestamp="at", hint=hint, versions=pinned)
    assert sorted(row.n or 0 for row in joined.collect()) == [0, 3, 3, 4]
    told = explain(tables, basis, [lookup], timestamp="at", hint=hint)
    assert ("read through Spark" in told) == (hint in (None, "broadcast"))


def test_a_new_feature_and_upkeep(spark: SparkSession, root: str) -> None:
    tables = DeltaTables(root)
    for at in (NOON, LATER):
        version = tables.write(shop(ORDERS), spark.createDataFrame([("a", at, 1.0)], SCHEMA)).version
    tables.optimize(spark, shop(ORDERS))
    tables.vacuum(spark, ORDERS, retain_pins=[version], hours=0)
    assert tables.read(spark, shop(ORDERS), version).count() == 2
    tables.write(shop(WIDER), spark.createDataFrame([("b", NOON, 1.0, 7)], f"{SCHEMA}, n bigint"))
    assert {row.n for row in tables.read(spark, shop(WIDER)).collect()} == {None, 7}


def test_names_that_would_meet_are_refused(root: str) -> None:
    group = FeatureGroup("b", entity="a__c", features=[Feature("x", "double")])
    with pytest.raises(DefinitionError, match="must not have '__'"):
        DeltaTables(root).identifier(group)


def test_a_store_on_it(spark: SparkSession, root: str, tmp_path: Path) -> None:
    config = tmp_path / "palette.yaml"
    config.write_text(f"path: store\ntables: {root}\n", "utf-8")
    store = FeatureStore.from_config(config)
    store.apply(SHOP, ORDERS)
    store.write("shop:orders", spark.createDataFrame([("a", NOON, 1.0)], SCHEMA))
    basis = spark.createDataFrame([("a", LATER)], "who string, at timestamp")
    assert store.training_set(basis, {"x": "shop:orders:x:who"}, timestamp="at").first().x == 1.0
    assert store.snapshot(at=LATER).read({"shop:orders": ["a"]})["shop:orders"][0]["x"] == 1.0
