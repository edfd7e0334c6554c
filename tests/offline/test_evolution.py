"""A definition changes after its table was written."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.definitions import GroupSchema
from palette.errors import SchemaError
from palette.offline.delta.schema_evolution import Evolution, evolution
from palette.offline.join.histories import open_history

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOP = Entity("shop", keys={"id": "string", "floor": "int"})
NOON, HOUR = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC), dt.timedelta(hours=1)
TABLE = {"id": "string", "floor": "int", "ts": "timestamp", "made": "timestamp", "x": "int", "v": "array<float>"}

TYPES = {
    "string": T.StringType(),
    "int": T.IntegerType(),
    "timestamp": T.TimestampType(),
    "array<float>": T.ArrayType(T.FloatType()),
}


def group(timestamp: str | None = "ts", created: str | None = "made", **features: str) -> FeatureGroup:
    declared = [Feature(name, dtype) for name, dtype in features.items()]
    return FeatureGroup("g", entity="shop", timestamp=timestamp, created=created, features=declared)


def found(entity: Entity, wanted: FeatureGroup, table: dict[str, str]) -> Evolution:
    return evolution(
        T.StructType([T.StructField(name, TYPES[dtype]) for name, dtype in table.items()]), GroupSchema(entity, wanted)
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(group(x="int", v="array<float>"), Evolution({}, {}, ()), id="same"),
        pytest.param(group(v="array<float>", y="string"), Evolution({"y": "string"}, {}, ("x",)), id="renamed"),
        pytest.param(group(y="int"), Evolution({"y": "int"}, {}, ("x", "v")), id="all-gone"),
        pytest.param(
            group(x="double", v="array<double>"), Evolution({}, {"x": "double", "v": "array<double>"}, ()), id="wider"
        ),
        pytest.param(group(created=None, x="int"), Evolution({}, {}, ("made", "v")), id="no-created"),
        pytest.param(
            group(created="late", x="int"), Evolution({"late": "timestamp"}, {}, ("made", "v")), id="new-created"
        ),
    ],
)
def test_table_follows(wanted: FeatureGroup, expected: Evolution) -> None:
    assert found(SHOP, wanted, TABLE) == expected


@pytest.mark.parametrize(
    ("entity", "wanted", "message"),
    [
        pytest.param(SHOP, group(x="string"), "'x' is int in the table, which does not widen to string", id="type"),
        pytest.param(SHOP, group(x="smallint"), "'x' is int in the table", id="narrower"),
        pytest.param(SHOP, group(X="int"), "'X' is 'x' in the table; use that name", id="case"),
        pytest.param(SHOP, group(timestamp="at", x="int"), "'at', a key or time now, is not a column", id="new-time"),
        pytest.param(SHOP, group(timestamp=None, x="int"), "'ts' is a key or time of the table", id="no-time"),
        pytest.param(SHOP, group(timestamp=None, created=None, x="int"), "'ts' is a key or time", id="no-times"),
        pytest.param(Entity("shop", keys={"id": "string"}), group(x="int"), "'floor' is a key or", id="less-keys"),
        pytest.param(Entity("shop", keys={"no": "int"}), group(x="int"), "'no', a key or time now", id="other-key"),
        pytest.param(
            Entity("shop", keys={"id": "int", "floor": "int"}), group(x="int"), "'id' is string", id="key-type"
        ),
    ],
)
def test_another_table_is_told_with_the_remedy(entity: Entity, wanted: FeatureGroup, message: str) -> None:
    with pytest.raises(SchemaError, match=f"{message}.*create the table again: delete it"):
        found(entity, wanted, TABLE)


@pytest.mark.spark
def test_written_group_is_used_after_a_breaking_apply(spark: SparkSession, tmp_path: Path) -> None:
    """One feature renamed, two widened, one removed; old rows keep what is not renamed."""
    store = FeatureStore(tmp_path)
    store.apply(SHOP, group(created=None, n="int", old="string", prices="array<int>"))
    columns = "id string, floor int, ts timestamp"
    first = spark.createDataFrame([("a", 1, NOON, 7, "p", [1])], f"{columns}, n int, old string, prices array<int>")
    store.write("shop:g", first)
    query = "SELECT 'b' AS id, 1 AS floor, TIMESTAMP '2026-03-10 13:00:00' AS ts, 5000000000L AS n, 2.5D AS renamed"
    source = BatchSource(sql=f"{query}, array(6000000000L) AS prices")
    wider = group(created=None, n="bigint", renamed="double", prices="array<bigint>")
    wider = wider.model_copy(update={"source": source})
    store.apply(wider, allow_breaking=True)
    assert store.materialize("shop:g").rows_written == 1
    assert store.online.read({"shop:g": [("a", 1)]})["shop:g"][0]["n"] == 7
    version = store.write("shop:g", spark.sql(str(source.sql)).withColumn("id", F.lit("c"))).version
    basis = spark.createDataFrame(
        [("a", 1, NOON), ("b", 1, NOON + HOUR), ("c", 1, NOON)], "i string, f int, at timestamp"
    )
    names = [f"shop:g:{name}:i,f" for name in ("n", "renamed", "prices")]
    rows = store.training_set(basis, names, timestamp="at").orderBy("i").collect()
    assert [row[3:] for row in rows] == [(7, None, [1]), (5_000_000_000, 2.5, [6_000_000_000]), (None, None, None)]
    assert (
        sorted(
            open_history(store.tables.open(spark, GroupSchema(SHOP, wider), version))
            .read(["n"])
            .column("n")
            .to_pylist()
        )[0]
        == 7
    )
    kept = store.tables.load(spark, wider, version).orderBy("id").collect()
    assert [(row.n, row.old) for row in kept] == [(7, "p"), (5_000_000_000, None), (5_000_000_000, None)]
    # What it cannot follow: the table is created again.
    retyped = group(created=None, n="string")
    store.apply(retyped, allow_breaking=True)
    texts = spark.sql("SELECT 'a' AS id, 1 AS floor, timestamp_seconds(0) AS ts, 'much' AS n")
    with pytest.raises(SchemaError, match="'n' is bigint in the table, which does not widen to string"):
        store.write("shop:g", texts)
    shutil.rmtree(store.tables.path(retyped))
    assert store.write("shop:g", texts).version == 0
