"""A batch source over a table of a Hive metastore: Derby, embedded in a Spark of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.jvm import QUICK

pytestmark = [pytest.mark.spark, pytest.mark.proof]
PROGRAM = """
import json
import sys

import palette
from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore

spark = palette.spark_session(master="local[1]", **{
    "spark.sql.catalogImplementation": "hive",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:;databaseName=metastore;create=true",
    "spark.sql.warehouse.dir": "warehouse",
    "spark.sql.shuffle.partitions": 1,
})
assert spark.conf.get("spark.sql.catalogImplementation") == "hive"
spark.sql("CREATE DATABASE lake")
spark.sql("CREATE TABLE lake.orders (id STRING, ts TIMESTAMP, x DOUBLE) PARTITIONED BY (day STRING) STORED AS PARQUET")
spark.conf.set("hive.exec.dynamic.partition.mode", "nonstrict")


def order(key, day, x):
    at = f"TIMESTAMP '2026-06-0{day} 01:00:00Z'"
    spark.sql(f"INSERT INTO lake.orders PARTITION (day) SELECT '{key}', {at}, {x}D, '2026-06-0{day}'")


store = FeatureStore("store")
source = BatchSource(
    sql="SELECT id, ts, x FROM lake.orders WHERE day >= date_format(:start, 'yyyy-MM-dd')", lookback="0s"
)
features = [Feature("x", "double")]
store.apply(
    Entity("shop", keys={"id": "string"}),
    FeatureGroup("orders", entity="shop", timestamp="ts", features=features, source=source),
)
order("a", 1, 1.0)
order("b", 1, 2.0)
first = store.materialize("shop:orders", to="2026-06-02")
order("a", 2, 3.0)
order("b", 3, 4.0)
second = store.materialize("shop:orders", to="2026-06-03")
third = store.materialize("shop:orders", to="2026-06-04")
rows = store.online.read({"shop:orders": ["a", "b"]}, now="2026-06-05")["shop:orders"]
reports = [(report.rows_computed, report.rows_written) for report in (first, second, third)]
provider = spark.sql("DESCRIBE FORMATTED lake.orders").filter("col_name = 'Provider'").first()["data_type"]
print(json.dumps({"provider": provider, "reports": reports, "online": [row["x"] for row in rows]}))
"""


def test_a_source_over_a_table_of_hive(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=os.environ | QUICK,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == {"provider": "hive", "reports": [[2, 2], [1, 1], [1, 1]], "online": [3.0, 4.0]}
