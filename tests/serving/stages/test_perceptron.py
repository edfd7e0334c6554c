"""MultilayerPerceptronClassificationModel beside Spark's."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.classification import MultilayerPerceptronClassifier
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
# Spark rounds once where it multiplies and adds, and a sum may be near zero.
ULPS = {"rawPrediction": 1024, "probability": 32}
SCHEMA = T.StructType([T.StructField("features", VectorUDT())])


@pytest.fixture(scope="module")
def training(spark):
    rng = random.Random(5)
    rows = []
    for _ in range(120):
        x = [rng.gauss(0, 1), rng.uniform(-1, 1), float(rng.randrange(2))]
        rows.append((Vectors.dense(x), float(sum(x[0] * x[1] > cut for cut in (-0.2, 0.2)))))
    return spark.createDataFrame(rows, ["features", "label"]).cache()


@pytest.fixture(scope="module")
def rows(spark):
    rng = random.Random(6)
    vectors = [Vectors.dense([rng.gauss(0, 2) for _ in range(3)]) for _ in range(100)]
    for odd in (NAN, INF, -INF, 1e308, -1e308, 1e4):
        vectors += [Vectors.sparse(3, [place], [odd]) for place in range(3)]
        vectors += [Vectors.dense([odd, 1.0, 1.0]), Vectors.dense([1.0, odd, -odd])]
    return spark.createDataFrame([(vector,) for vector in vectors], SCHEMA)


@pytest.mark.parametrize("layers", [[3, 3], [3, 5, 3], [3, 4, 2, 3]], ids=str)
def test_layers(training, rows, layers):
    model = MultilayerPerceptronClassifier(layers=layers, maxIter=8, seed=3).fit(training)
    assert_same_stage(model, rows, ulps=ULPS)


def test_columns(spark, training, rows):
    model = MultilayerPerceptronClassifier(layers=[3, 4, 3], maxIter=8, seed=3).fit(training)
    for thresholds in (None, [0.2, 0.7, 0.1], [0.5, 0.0, 0.5]):
        for names in ({}, {"rawPredictionCol": ""}, {"rawPredictionCol": "", "probabilityCol": ""}):
            chosen = model.copy()
            for name, value in names.items():
                chosen.set(chosen.getParam(name), value)
            if thresholds is not None:
                chosen.setThresholds(thresholds)
            assert_same_stage(chosen, rows, ulps=ULPS, saved=not names)
    vectors = [None, Vectors.dense([1.0]), Vectors.sparse(4, [3], [1.0]), Vectors.dense([1.0, 2.0, 3.0])]
    assert_same_stage(model, spark.createDataFrame([(vector,) for vector in vectors], SCHEMA), ulps=ULPS)
