"""Clusters beside Spark's."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.clustering import BisectingKMeans, GaussianMixture, KMeans
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
# Eigenvalues are found by another library than Spark's: what is small beside the greatest is less exact.
ULPS = 10_000
SCHEMA = T.StructType([T.StructField("features", VectorUDT())])


def points(count=150, size=4, seed=3):
    draw = random.Random(seed)
    rows = []
    for at in range(count):
        values = [
            draw.gauss(3.0 * (at % 5), 1.0) * (place + 1) if draw.random() < 0.7 else 0.0 for place in range(size)
        ]
        values[0] = values[0] or 0.5
        kept = [(place, value) for place, value in enumerate(values) if value]
        rows.append((Vectors.dense(values) if at % 2 else Vectors.sparse(size, kept),))
    return rows


def nasty(size=4):
    special = [NAN, INF, -INF, 1e200, -0.0, 0.0, 1.0, 1e-300, 1e308]
    vectors = [
        Vectors.dense([value] + [1.0] * (size - 1)) for value in special if value == value and abs(value) < 1e150
    ]
    vectors += [Vectors.dense([value] * size) for value in special]
    return [(vector,) for vector in [*vectors, Vectors.sparse(size, [], []), None, Vectors.dense([1.0, 2.0])]]


@pytest.mark.parametrize("measure", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [2, 6])
def test_k_means(spark, measure, k):
    model = KMeans(k=k, seed=1, distanceMeasure=measure).fit(spark.createDataFrame(points(), SCHEMA))
    assert_same_stage(model, spark.createDataFrame(points() + points(seed=9) + nasty(), SCHEMA))


@pytest.mark.parametrize("measure", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [2, 5])
def test_bisecting_k_means(spark, measure, k):
    model = BisectingKMeans(k=k, seed=1, distanceMeasure=measure).fit(spark.createDataFrame(points(), SCHEMA))
    assert_same_stage(model, spark.createDataFrame(points() + points(seed=9) + nasty(), SCHEMA))


def test_arrays_of_numbers(spark):
    schema = T.StructType([T.StructField("features", T.ArrayType(T.DoubleType(), containsNull=False))])
    df = spark.createDataFrame([([1.0, 2.0],), ([8.0, 9.0],), ([1.5, 2.0],)], schema)
    assert_same_stage(KMeans(k=2, seed=1, predictionCol="cluster").fit(df), df)


def clouds(seed):
    draw = random.Random(seed)
    rows = [[draw.gauss(4.0 * (at % 3), 1.0) * (place + 1) for place in range(4)] for at in range(150)]
    return [(Vectors.dense(row) if at % 2 else Vectors.sparse(4, list(enumerate(row))),) for at, row in enumerate(rows)]


@pytest.mark.parametrize("k", [2, 3])
def test_gaussian_mixture(spark, k):
    model = GaussianMixture(k=k, seed=1, maxIter=8).fit(spark.createDataFrame(clouds(1), SCHEMA))
    df = spark.createDataFrame(clouds(1) + clouds(2) + nasty(), SCHEMA)
    assert_same_stage(model, df, ulps={"probability": ULPS})
    assert_same_stage(model.copy().setProbabilityCol(""), df)
    assert_same_stage(model.copy().setPredictionCol("").setProbabilityCol("p"), df, ulps={"p": ULPS})


def test_gaussian_mixture_of_a_plane(spark):
    draw = random.Random(2)
    rows = [(Vectors.dense([x := draw.gauss(0.0, 1.0), 2.0 * x, draw.gauss(at % 2 * 9.0, 1.0)]),) for at in range(80)]
    df = spark.createDataFrame(rows, SCHEMA)
    assert_same_stage(GaussianMixture(k=2, seed=1, maxIter=5).fit(df), df, ulps={"probability": ULPS})
