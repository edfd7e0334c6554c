"""Run by test_cluster: the plans on two executor processes, or over Spark Connect; prints OK at the end.

Workers find a package called palette that cannot be imported, so they prove that they do without it.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
from pathlib import Path

from pyspark.sql import functions as F

from palette import Entity, Feature, FeatureGroup, spark_session
from palette.offline import DeltaTables, Lookup, point_in_time_join

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
SHOP = Entity("shop", keys={"id": "string"})
HOURLY = FeatureGroup(
    "hourly",
    entity="shop",
    timestamp="ts",
    ttl="3h",
    features=[Feature("x", "double"), Feature("label", "string"), Feature("seen", "timestamp")],
)
PLANS = ({"hint": "travel"}, {"hint": "shuffle"}, {"hint": "shuffle", "hot_rows": 10})


def main(where: str, root: str) -> None:
    hidden = Path(root, "hidden")
    for package in ("palette", "dsl"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ImportError('not on the workers')\n")
    spark = spark_session(
        **({"remote": "local[2]"} if where == "connect" else {"master": where}),
        **{
            "spark.executorEnv.PYTHONPATH": str(hidden),
            "spark.sql.shuffle.partitions": "4",
            "spark.log.level": "ERROR",
        },
    )
    if where != "connect":
        assert_hidden(spark)
    hours = spark.range(240).select(
        F.concat(F.lit("k"), F.col("id") % 8).alias("id"),
        F.timestamp_micros(F.lit(int(START.timestamp()) * 1_000_000) + F.col("id") * 3_600_000_000).alias("ts"),
        (F.col("id") / 4).alias("x"),
        F.concat(F.lit("at "), F.col("id")).alias("label"),
    )
    tables = DeltaTables(os.path.join(root, "tables"))
    tables.write(SHOP, HOURLY, hours.withColumn("seen", F.col("ts")))
    basis = hours.select(F.col("id").alias("who"), (F.col("ts") + F.expr("INTERVAL 90 MINUTES")).alias("at"))
    lookup = Lookup(SHOP, HOURLY, ("who",), {"x": "x", "label": "label", "seen": "seen"})
    answers = []
    for plan in PLANS:
        joined = point_in_time_join(tables, basis, [lookup], timestamp="at", status=True, **plan)
        answers.append(sorted(map(str, joined.collect())))
    assert answers[0] == answers[1] == answers[2], "the plans differ"
    assert len(answers[0]) == 240
    assert all("x__status='present'" in row for row in answers[0])
    print("OK", flush=True)
    spark.stop()


def assert_hidden(spark: object) -> None:
    @F.udf("string")
    def imported(_):
        try:
            import palette
        except ImportError as error:
            return str(error)
        return palette.__file__

    answer = spark.range(1).select(imported("id")).first()[0]
    assert answer == "not on the workers", answer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], folder)
