"""VectorAssembler beside Spark's, in every mode."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import VectorAssembler, VectorSizeHint
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType(
    [
        T.StructField("x", T.DoubleType()),
        T.StructField("n", T.IntegerType()),
        T.StructField("b", T.BooleanType()),
        T.StructField("v", VectorUDT()),
    ]
)
ROWS = [
    (1.5, 2, True, Vectors.dense([1.0, -0.0])),
    (-0.0, 0, False, Vectors.sparse(2, [1], [NAN])),
    (NAN, 1, True, Vectors.dense([0.0, INF])),
    (INF, None, None, Vectors.dense([0.0, 1.0])),
    (INF, -3, True, Vectors.dense([-INF, 1.0])),
    (None, 4, True, Vectors.dense([2.0, 1.0])),
]


@pytest.mark.parametrize("handle_invalid", ["error", "skip", "keep"])
def test_equals_sparks(spark, handle_invalid):
    df = spark.createDataFrame(ROWS, SCHEMA)
    # With "keep" Spark wants to know how long a vector is that may be null.
    df = (
        df
        if handle_invalid != "keep"
        else VectorSizeHint(inputCol="v", size=2, handleInvalid="optimistic").transform(df)
    )
    stage = VectorAssembler(inputCols=["x", "n", "b", "v"], outputCol="out", handleInvalid=handle_invalid)
    assert_same_stage(stage, df)
    assert_same_stage(VectorAssembler(inputCols=["b", "x"], outputCol="out", handleInvalid=handle_invalid), df)


def test_wide_vectors_stay_sparse(spark):
    wide = Vectors.sparse(5000, [7, 4999], [1.0, 2.0])
    df = spark.createDataFrame([(1.0, wide)], ["x", "v"])
    assert_same_stage(VectorAssembler(inputCols=["x", "v", "v"], outputCol="out"), df)
