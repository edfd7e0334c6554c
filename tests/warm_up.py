"""Make Spark load the classes that tests need: ``make test`` has Java keep them in an archive."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile

from pyspark import SparkContext
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.ml.regression import GBTRegressor, LinearRegression
from pyspark.sql import functions as F

import palette


def main(home: str) -> None:
    """Write and read tables, look up what was known, train."""
    spark = palette.spark_session(master="local[2]", **{"spark.sql.shuffle.partitions": 1})
    store = palette.FeatureStore(f"{home}/store")
    group = palette.FeatureGroup(
        "kitchen", entity="place", timestamp="at", features=[palette.Feature("prep", "double")]
    )
    store.apply(palette.Entity("place", keys={"id": "string"}), group)
    start = F.lit(dt.datetime(2026, 1, 1))
    events = spark.range(100).select(
        F.concat(F.lit("r"), F.col("id") % 5).alias("id"),
        (start + F.make_interval(hours=F.col("id"))).alias("at"),
        F.col("id").cast("double").alias("prep"),
    )
    store.write(group, events)
    store.write(group, events.where("prep > 90"), mode="merge")
    basis = events.select("id", "at", (F.col("prep") * 2).alias("label"))
    for hint in ("broadcast", "partitioned", "shuffle"):
        rows = store.training_set(basis, {"prep": "place:kitchen:prep:id"}, timestamp="at", hint=hint).cache()
        rows.groupBy("id").agg(F.max("prep"), F.percentile_approx("prep", 0.5)).orderBy("id").collect()
    stages = [StringIndexer(inputCol="id", outputCol="n"), VectorAssembler(inputCols=["prep"], outputCol="features")]
    for model in (LinearRegression(maxIter=1), GBTRegressor(maxIter=1, maxDepth=1)):
        fitted = Pipeline(stages=[*stages, model]).fit(rows)
        fitted.write().overwrite().save(f"{home}/model")
        PipelineModel.load(f"{home}/model").transform(rows).toPandas()
    java = SparkContext._gateway.proc
    spark.stop()
    # It writes the archive when it ends.
    java.stdin.close()
    java.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(main(directory))
