"""Bucketizer, QuantileDiscretizer and Binarizer beside Spark's."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import Binarizer, Bucketizer, QuantileDiscretizer
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
VALUES = [-1.5, -1.0, -0.0, 0.0, 0.5, 1.0, 1.0000000000000002, 2.0, 2.5, 5e-324, INF, -INF, NAN, None]


@pytest.mark.parametrize(
    ("handle_invalid", "splits"),
    [
        pytest.param("skip", [-1.0, 0.0, 1.0, 2.0], id="zero-between"),
        pytest.param("keep", [0.0, 1.0, 2.0], id="zero-first"),
        pytest.param("error", [-1.0, -0.5, -0.0, 1.0], id="negative-zero"),
        pytest.param("error", [-1.0, -0.5, 0.0], id="zero-last"),
        pytest.param("keep", [-INF, 0.5, 1.0, INF], id="infinite"),
    ],
)
def test_bucketizer_equals_sparks(spark, handle_invalid, splits):
    df = spark.createDataFrame([(value,) for value in VALUES], "x double")
    assert_same_stage(Bucketizer(inputCol="x", outputCol="y", splits=splits, handleInvalid=handle_invalid), df)


def test_bucketizer_of_columns_equals_sparks(spark):
    rows = [(1.0, 1, 3, 0.1), (None, 0, -5, 0.2), (0.5, None, 2**53 + 1, 0.3), (NAN, 1, 1, None), (7.0, 1, 1, 0.1)]
    df = spark.createDataFrame(rows, "a double, b int, c bigint, d float")
    for handle_invalid in ("keep", "skip"):
        stage = Bucketizer(
            inputCols=["a", "b", "c", "d"],
            outputCols=["ao", "bo", "co", "do"],
            splitsArray=[[0.0, 0.5, 2.0], [-INF, 1.0, INF], [-5.0, 3.0, 2.0**53, INF], [0.0, 0.1, INF]],
            handleInvalid=handle_invalid,
        )
        assert_same_stage(stage, df)


def test_quantile_discretizer_equals_sparks(spark):
    df = spark.createDataFrame([(float(value % 17), value * 0.5 - 20) for value in range(100)], "a double, b double")
    stage = QuantileDiscretizer(
        inputCols=["a", "b"], outputCols=["ao", "bo"], numBucketsArray=[3, 5], handleInvalid="keep"
    ).fit(df)
    assert_same_stage(stage, df.union(spark.createDataFrame([(NAN, 1e9), (-1e9, None)], "a double, b double")))
    assert_same_stage(QuantileDiscretizer(inputCol="a", outputCol="ao", numBuckets=4).fit(df), df)


@pytest.mark.parametrize("threshold", [0.5, 0.0, -0.5])
def test_binarizer_equals_sparks(spark, threshold):
    schema = T.StructType([T.StructField("x", T.DoubleType()), T.StructField("v", VectorUDT())])
    rows = [
        (0.5, Vectors.dense([0.5, 0.0, -0.0, 0.6, -0.5, -0.6])),
        (0.6, Vectors.sparse(3, [1], [0.7])),
        (-0.0, Vectors.sparse(3, [0, 1], [-0.5, -0.4])),
        (NAN, Vectors.dense([NAN, INF, -INF])),
        (INF, Vectors.dense([])),
        (None, Vectors.dense([1.0])),
        (-0.5, Vectors.sparse(5000, [1], [0.7])),
    ]
    df = spark.createDataFrame(rows, schema)
    assert_same_stage(Binarizer(inputCol="x", outputCol="y", threshold=threshold), df)
    assert_same_stage(Binarizer(inputCols=["v", "x"], outputCols=["w", "y"], thresholds=[threshold, -threshold]), df)


def test_binarizer_refuses_no_vector_as_sparks_does(spark):
    schema = T.StructType([T.StructField("v", VectorUDT())])
    df = spark.createDataFrame([(None,), (Vectors.dense([1.0]),)], schema)
    # A number that is null has an answer, so it takes the type to tell the two apart.
    assert_same_stage(Binarizer(inputCol="v", outputCol="w"), df, untyped=False)


def test_binarizer_of_columns_with_one_threshold_equals_sparks(spark):
    df = spark.createDataFrame([(0.5, 0.1), (0.1, 0.5)], "x double, y double")
    assert_same_stage(Binarizer(inputCols=["x", "y"], outputCols=["a", "b"], threshold=0.2), df)
