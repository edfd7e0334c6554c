"""Columns that stages name otherwise than the basis does: another case, backticks, fields of structs."""

from __future__ import annotations

import math

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import Binarizer, Bucketizer, FeatureHasher, Imputer, StringIndexer, VectorAssembler
from pyspark.sql import functions as F

from palette import MLPipeline
from palette.errors import DataError, UnknownTypeWarning
from palette.pipeline.deploy.feature_tracing import Tracer
from palette.serving import LocalPipeline

pytestmark = pytest.mark.spark
INF = math.inf
ROWS = [(1.0, 2.0, 3.0, "p"), (0.0, 5.0, -6.0, "q"), (None, 0.25, 0.0, "p"), (7.0, -1.0, None, "q")]


@pytest.fixture(scope="module")
def df(spark):
    plain = spark.createDataFrame(ROWS, "Num double, `a.b` double, x double, s string")
    return plain.withColumn("St", F.struct(F.col("x").alias("f"), F.col("s").alias("S"), F.struct("x").alias("in")))


def stages():
    return [
        Binarizer(inputCol="num", outputCol="high", threshold=0.5),
        Bucketizer(inputCol="`a.b`", outputCol="bucket", splits=[-INF, 0.5, INF]),
        Imputer(inputCols=["NUM", "st.f", "St.`in`.X"], outputCols=["full", "f_full", "x_full"]),
        StringIndexer(inputCol="ST.s", outputCol="index", handleInvalid="keep"),
        # The name as it is written is a part of what is hashed.
        FeatureHasher(inputCols=["nUm", "`St`.f"], outputCol="hashed", numFeatures=16),
        VectorAssembler(inputCols=["FULL", "`a.b`", "f_full", "Index"], outputCol="v"),
        # Spark puts this in the place of Num, which the next stage reads then.
        Binarizer(inputCol="Num", outputCol="num", threshold=3.0),
        VectorAssembler(inputCols=["Num", "high"], outputCol="w"),
    ]


def assert_same_rows(local, df, transformed):
    for row, expected in zip(df.collect(), transformed.collect(), strict=True):
        found = local.score_instance(row.asDict(recursive=True))
        plain = {column: expected[column] for column in found}
        assert found == {
            name: one.toArray().tolist() if hasattr(one, "toArray") else one for name, one in plain.items()
        }


def test_a_bundle_reads_what_spark_reads(df, tmp_path):
    model = MLPipeline(*stages()).fit(df)
    model.save_bundle(tmp_path / "bundle")
    local = LocalPipeline.load(tmp_path / "bundle")
    assert local.request_columns.keys() == {"Num", "a.b", "St"}
    assert_same_rows(local, df, model.transform(df))
    source = Tracer(model).inputs[model.stages[0].uid]
    assert source is not None
    assert source.names == {"basis:Num"}


def test_a_saved_pipeline_reads_what_spark_reads(df, tmp_path):
    model = Pipeline(stages=stages()).fit(df)
    model.save(str(tmp_path / "model"))
    types = dict(df.dtypes)
    assert_same_rows(LocalPipeline.load(tmp_path / "model", types=types), df, model.transform(df))
    # Where the columns are not known, the first name is the column's; other ways to write it lead there.
    with pytest.warns(UnknownTypeWarning, match=r"'NUM' with 2\.6"):
        untyped = LocalPipeline.load(tmp_path / "model")
    assert untyped.request_columns.keys() == {"num", "a.b", "st"}
    asked = df.withColumnsRenamed({"Num": "num", "St": "st"})
    renamed = asked.collect()[0].asDict(recursive=True)
    renamed["st"] = {"f": 3.0, "s": "p", "in": {"X": 3.0}}
    assert untyped.score_instance(renamed)["v"] == [1.0, 2.0, 3.0, 0.0]


def test_names_that_differ_by_case_may_be_of_two_columns(spark):
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        df = spark.createDataFrame([(1.0, 0.0), (0.0, 1.0)], "x double, X double")
        stages = [
            Binarizer(inputCol="X", outputCol="y", threshold=0.5),
            VectorAssembler(inputCols=["x", "y"], outputCol="v"),
        ]
        model = MLPipeline(*stages).fit(df)
        assert model.score_instance({"x": 1.0, "X": 0.0}) == {"y": 0.0, "v": [1.0, 0.0]}
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


def test_a_field_that_is_absent_is_named(df):
    model = MLPipeline(Binarizer(inputCol="St.f", outputCol="y", threshold=0.5)).fit(df)
    assert model.score_instance({"St": {"f": 1}}) == {"y": 1.0}
    assert model.score_instance({"St": None}) == {"y": 0.0}
    with pytest.raises(DataError, match=r"column 'St': no field 'f'; did you mean 'ff'\?"):
        model.score_instance({"St": {"ff": 1.0}})
    with pytest.raises(DataError, match=r"expected a struct with field 'f', found 1\.0"):
        model.score_instance({"St": 1.0})
