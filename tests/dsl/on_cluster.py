"""Run by tests/test_cluster.py: parity on Spark Connect, and models that another process saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from dsl import DSLEstimator, DSLModel
from dsl.registry import REGISTRY
from dsl.testing import cases, check_function, differences, examples

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAMBDAS = {
    "filled": "nFill('basis:x', mean('basis:x'))",
    "declared": "nFill('r:g:prep:k')",
    "scaled": "zScore(iVal('basis:i'))",
    "hot": "oneHot(sVal('basis:s'))",
    "i": "iVal('basis:i') + 1",
}


def agree(spark: SparkSession) -> int:
    """Return how many calls of functions agree."""
    assert is_remote()
    tried = [
        case
        for function in REGISTRY
        for case in [*(case for case, _ in examples(function)), *cases(function, random_rows=10, limit=60)]
    ]
    failures = differences(tried, spark)
    assert not failures, failures[:10]
    for name in ("nFill", "if", "addSeconds", "regionId"):
        check_function(name, spark, limit=200, random_rows=20)
    return len(tried)


def save(spark: SparkSession, path: Path) -> None:
    """Fit a model, and save it alone and in a pipeline."""
    rows = [(1, 2.0, "a", 4.0), (3, 3.0, "a", None), (5, 4.0, "b", 2.0)]
    frame = spark.createDataFrame(rows, "i int, x double, s string, prep double")
    metadata = {"feature": {"ref": "r:g:prep:k", "type": "double", "default": 15.0, "version": 3}}
    frame = frame.withColumn("prep", F.col("prep").alias("prep", metadata=metadata))
    model = DSLEstimator(lambdas=LAMBDAS).fit(frame)
    model.save(str(path / "model"))
    PipelineModel([model]).save(str(path / "fitted"))


def load(spark: SparkSession, path: Path) -> list[dict[str, object]]:
    """Return the values that loaded models compute for a row, with and without Spark."""
    rows = [(2, None, "a", None), (2, None, "a", 8.0)]
    frame = spark.createDataFrame(rows, "i int, x double, s string, prep double").coalesce(1)
    model = DSLModel.load(str(path / "model"))
    found = [model.score_instance(row.asDict()) for row in frame.collect()]
    for fitted in (model, PipelineModel.load(str(path / "fitted"))):
        found += [{name: row[name] for name in LAMBDAS} for row in fitted.transform(frame).collect()]
    return found


def save_here(spark: SparkSession, path: Path) -> None:
    """Save a new model in every way, twice, and load it."""
    frame = spark.createDataFrame([(8.0,)], "prep double")
    fresh = Pipeline(stages=[DSLEstimator(lambdas={"y": "nFill('basis:prep', 0) - mean('basis:prep')"})]).fit(frame)
    assert fresh.transform(frame).first()["y"] == 0.0
    for name, stage in (("lone", fresh.stages[0]), ("whole", fresh)):
        stage.save(str(path / name))
        stage.write().overwrite().save(str(path / name))
    assert DSLModel.load(str(path / "lone")).score_instance({"prep": 9.0}) == {"y": 1.0}
    assert PipelineModel.load(str(path / "whole")).transform(frame).first()["y"] == 0.0
