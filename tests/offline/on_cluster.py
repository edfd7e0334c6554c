"""Run by tests/test_cluster.py: the join's plans on two executor processes, or over Spark Connect."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette import Entity, Feature, FeatureGroup
from palette.definitions import GroupSchema
from palette.offline import DeltaTables, Lookup, point_in_time_join

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
SHOP = Entity("shop", keys={"id": "string"})
HOURLY = FeatureGroup(
    "hourly",
    entity="shop",
    timestamp="ts",
    ttl="3h",
    features=[Feature("x", "double"), Feature("label", "string"), Feature("seen", "timestamp")],
)
PLANS = (
    {"hint": "broadcast"},
    {"hint": "partitioned", "hot_rows": 10},
    {"hint": "shuffle"},
    {"hint": "shuffle", "hot_rows": 10},
)


def prove(spark: SparkSession, home: Path) -> int:
    """Return how many rows each plan answers."""
    hours = spark.range(240).select(
        F.concat(F.lit("k"), F.col("id") % 8).alias("id"),
        F.timestamp_micros(F.lit(int(START.timestamp()) * 1_000_000) + F.col("id") * 3_600_000_000).alias("ts"),
        (F.col("id") / 4).alias("x"),
        F.concat(F.lit("at "), F.col("id")).alias("label"),
    )
    tables = DeltaTables(str(home))
    tables.write(GroupSchema(SHOP, HOURLY), hours.withColumn("seen", F.col("ts")))
    basis = hours.select(F.col("id").alias("who"), (F.col("ts") + F.expr("INTERVAL 90 MINUTES")).alias("at"))
    lookup = Lookup(GroupSchema(SHOP, HOURLY), ("who",), {"x": "x", "label": "label", "seen": "seen"})
    answers = []
    for plan in PLANS:
        joined = point_in_time_join(tables, basis, [lookup], timestamp="at", status=True, **plan)
        answers.append(sorted(map(str, joined.collect())))
    assert all(answer == answers[0] for answer in answers), "the plans differ"
    assert all("x__status='present'" in row for row in answers[0])
    return len(answers[0])
