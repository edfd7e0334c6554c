"""Delta tables of others as feature groups: read like the store's own, and never touched."""

from __future__ import annotations

import datetime as dt

import pytest

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.errors import DataError, DefinitionError, SchemaError

pytestmark = pytest.mark.spark

T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
SHOP = Entity("shop", keys={"id": "string"})
ROWS = [("a", T0, 1, 1.5, "x"), ("a", T0 + HOUR, 2, 2.5, "y"), ("b", T0, 3, 3.5, "z"), (None, T0, 9, 9.5, "no key")]
COLUMNS = "id string, ts timestamp, n int, x double, city string"


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    """Two tables of somebody else, one known by its path, and one, partitioned, by its name."""
    home = tmp_path_factory.mktemp("theirs")
    rows = spark.createDataFrame(ROWS, COLUMNS)
    rows.write.format("delta").save(str(home / "orders"))
    spark.sql(f"CREATE SCHEMA palette_theirs LOCATION '{home}/warehouse'")
    rows.write.format("delta").partitionBy("city").saveAsTable("palette_theirs.orders")
    yield {"path": str(home / "orders"), "name": "palette_theirs.orders"}
    spark.sql("DROP SCHEMA palette_theirs CASCADE")


def group(table):
    return FeatureGroup("orders", SHOP, [Feature("n", "bigint"), Feature("x", "double")], timestamp="ts", table=table)


def version(spark, table):
    name = f"delta.`{table}`" if table.startswith("/") else table
    return spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").first()["version"]


@pytest.mark.parametrize("kind", ["path", "name"])
def test_it_is_read_everywhere_and_written_nowhere(spark, tables, kind, tmp_path):
    table, store = tables[kind], FeatureStore(tmp_path / "store")
    orders = group(table)
    store.apply(SHOP, orders)
    before = version(spark, table)
    basis = spark.createDataFrame([("a", T0), ("a", T0 + 2 * HOUR), ("b", T0 - HOUR)], "k string, at timestamp")
    rows = store.training_set(basis, ["shop:orders:*:k"], timestamp="at")
    assert [tuple(row)[2:] for row in rows.collect()] == [(1, 1.5), (2, 2.5), (None, None)]
    assert store.pins(rows) == {"shop:orders": before}
    assert sorted(row["n"] for row in store.history(orders, ["a"]).collect()) == [1, 2]
    question = ({"n": "shop:orders:n:k"}, [{"k": "a"}, {"k": "b"}])
    assert store.snapshot(at=T0).features(*question, now=T0) == [{"n": 1}, {"n": 3}]
    store.materialize(orders)
    assert store.online.features(*question) == [{"n": 2}, {"n": 3}]
    assert store.create_tables() == []
    for touch in (
        lambda: store.write(
            orders, spark.createDataFrame([("c", T0, 1, 1.0)], "id string, ts timestamp, n int, x double")
        ),
        lambda: store.optimize(orders),
        lambda: store.vacuum(orders, hours=0),
    ):
        with pytest.raises(DefinitionError, match="is filled by others, and palette never"):
            touch()
    with pytest.raises(DataError, match=r"has 2 rows of these keys: delete them there.*nothing was erased"):
        store.erase(orders, ["a"])
    assert store.online.features(*question)[0] == {"n": 2}
    assert store.erase(orders, ["nobody"])[0].rows == 0
    plan = store.plan(remove=["shop:orders"], drop_tables=True)
    assert f"its table {table} stays, because others own it" in str(plan)
    store.apply(plan, allow_breaking=True)
    assert version(spark, table) == before
    assert spark.table(f"delta.`{table}`" if kind == "path" else table).count() == 4


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"features": [Feature("n", "string")]}, SchemaError, r"'n' is int in its table .*declare it int"),
        ({"features": [Feature("m", "int")]}, SchemaError, "has no column 'm'"),
        ({"features": [Feature("N", "int")]}, SchemaError, "has no column 'N'; did you mean 'n'"),
        ({"entity": Entity("shop", keys={"shop_id": "string"})}, SchemaError, "has no column 'shop_id'"),
        ({"timestamp": "tss"}, SchemaError, "has no column 'tss'; did you mean 'ts'"),
        ({"table": "palette_theirs.order"}, DataError, "there is no Delta table palette_theirs.order"),
        ({"table": "/nowhere/orders"}, DataError, "there is no Delta table /nowhere/orders"),
    ],
)
def test_what_does_not_suit_is_refused_when_applied(spark, tables, tmp_path, changes, error, told):
    store = FeatureStore(tmp_path / "store")
    wanted = {"entity": SHOP, "features": [Feature("n", "int")], "timestamp": "ts", "table": tables["path"], **changes}
    with pytest.raises(error, match=told):
        store.apply(wanted["entity"], FeatureGroup("orders", **wanted))
    assert store.catalog.definitions.groups() == {}


def test_columns_that_change_later_are_told_at_the_next_read(spark, tmp_path):
    table, store = str(tmp_path / "theirs"), FeatureStore(tmp_path / "store")
    spark.createDataFrame(ROWS, COLUMNS).write.format("delta").save(table)
    store.apply(SHOP, group(table))
    other = spark.createDataFrame([("a", "now")], "id string, ts string")
    other.write.format("delta").mode("overwrite").option("overwriteSchema", True).save(table)
    with pytest.raises(SchemaError, match=f"'ts' is string in its table {table}, and declared timestamp"):
        store.latest("shop:orders")
