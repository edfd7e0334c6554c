"""Naive Bayes beside Spark's, in every kind."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.classification import NaiveBayes
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("label", T.DoubleType()), T.StructField("features", VectorUDT())])
# A vector that Spark has dense is summed by its vector unit; exp and log are Java's own.
ULPS = {"rawPrediction": 4, "probability": 64, "raw": 4}


def rows_of(make, count=120):
    draw = random.Random(5)
    return [(float(at % 3), make(draw, at % 3)) for at in range(count)]


def vector_of(values, dense):
    return Vectors.dense(values) if dense else Vectors.sparse(len(values), [(i, v) for i, v in enumerate(values) if v])


def counts(draw, label):
    values = [float(draw.choice([0, 0, 0, 1, 2 + label, 5])) for _ in range(12)]
    return (
        Vectors.dense(values)
        if draw.random() < 0.5
        else Vectors.sparse(12, [(i, v) for i, v in enumerate(values) if v])
    )


def bits(draw, label):
    values = [float(draw.random() < 0.2 + 0.2 * label) for _ in range(12)]
    return (
        Vectors.dense(values)
        if draw.random() < 0.5
        else Vectors.sparse(12, [(i, v) for i, v in enumerate(values) if v])
    )


def reals(draw, label):
    return Vectors.dense([draw.gauss(label * at, 1.0 + at) for at in range(6)])


MAKE = {"multinomial": counts, "complement": counts, "bernoulli": bits, "gaussian": reals}


def nasty(kind):
    size = 6 if kind == "gaussian" else 12
    special = [NAN, INF, -INF, -1.0, 0.5, 1e308, -0.0, 0.0, 1.0, 1e-300]
    vectors = [Vectors.dense([value] * size) for value in special]
    vectors += [Vectors.sparse(size, [1], [value]) for value in special]
    return [(None, vector) for vector in [*vectors, Vectors.sparse(size, [], []), None, Vectors.dense([1.0, 0.0])]]


@pytest.mark.parametrize("kind", list(MAKE))
def test_kinds(spark, kind):
    rows = rows_of(MAKE[kind])
    model = NaiveBayes(modelType=kind, smoothing=0.7).fit(spark.createDataFrame(rows, SCHEMA))
    assert_same_stage(model, spark.createDataFrame(rows + nasty(kind), SCHEMA), ulps=ULPS)


@pytest.mark.parametrize("kind", list(MAKE))
def test_sparse_vectors_to_the_last_digit(spark, kind):
    rows = [
        (label, vector) for label, vector in rows_of(MAKE[kind]) if kind == "gaussian" or hasattr(vector, "indices")
    ]
    model = NaiveBayes(modelType=kind).fit(spark.createDataFrame(rows, SCHEMA))
    ulps = {"rawPrediction": 2 if kind in ("gaussian", "complement") else 0, "probability": 4}
    assert_same_stage(model, spark.createDataFrame(rows, SCHEMA), ulps=ulps)


@pytest.mark.parametrize(
    "params",
    [
        {"rawPredictionCol": "raw", "probabilityCol": "", "predictionCol": "label2"},
        {"rawPredictionCol": "", "probabilityCol": "probability"},
        {"rawPredictionCol": "", "probabilityCol": ""},
        {"rawPredictionCol": "", "probabilityCol": "", "thresholds": [0.2, 0.5, 0.9]},
        {"thresholds": [0.9, 0.0, 0.05]},
        {"rawPredictionCol": "", "predictionCol": "", "thresholds": [0.9, 0.1, 0.05]},
    ],
)
def test_columns_and_thresholds(spark, params):
    rows = rows_of(counts)
    df = spark.createDataFrame(rows, SCHEMA)
    assert_same_stage(NaiveBayes(**params).fit(df), df, ulps=ULPS)


def test_classes_apart_and_constant_features(spark):
    rows = [(0.0, Vectors.dense(1.0, 0.0)), (1.0, Vectors.dense(1.0, 0.0)), (1.0, Vectors.dense(1.0, 1.0))]
    df = spark.createDataFrame(rows, SCHEMA)
    assert_same_stage(NaiveBayes(modelType="gaussian").fit(df), df, ulps=ULPS)
    assert_same_stage(NaiveBayes(modelType="bernoulli", smoothing=0.5).fit(df), df, ulps=ULPS)
