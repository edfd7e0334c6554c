"""OneVsRest beside Spark's, over classifications of two kinds."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.classification import GBTClassifier, LogisticRegression, OneVsRest
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("features", VectorUDT())])
NASTY = [
    Vectors.dense([0.0, -0.0, 0.0]),
    Vectors.dense([1e3, -5e3, 2e3]),
    Vectors.dense([NAN, 1.0, 1.0]),
    Vectors.dense([INF, 1.0, 1.0]),
    Vectors.dense([-INF, 1.0, INF]),
    Vectors.sparse(3, [1], [2.0]),
]
CLASSIFIERS = [
    pytest.param(LogisticRegression, {"maxIter": 3}, id="logistic"),
    pytest.param(GBTClassifier, {"maxIter": 3, "maxDepth": 2, "seed": 1}, id="trees"),
]


@pytest.fixture(scope="module")
def training(spark):
    rng = random.Random(5)
    rows = []
    for _ in range(120):
        x = [rng.gauss(0, 1), rng.uniform(-3, 3), rng.gauss(0, 1)]
        rows.append((Vectors.dense(x), float(sum(x[0] - x[1] > cut for cut in (-1, 1)))))
    return spark.createDataFrame(rows, ["features", "label"]).cache()


@pytest.mark.parametrize(("classifier", "params"), CLASSIFIERS)
def test_equals_sparks(spark, training, classifier, params):
    model = OneVsRest(classifier=classifier(**params)).fit(training)
    rows = [row[:1] for row in training.collect()] + [(vector,) for vector in NASTY]
    df = spark.createDataFrame(rows, SCHEMA)
    assert_same_stage(model, df)
