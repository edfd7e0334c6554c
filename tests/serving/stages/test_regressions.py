"""Survival and isotonic regression, and factorisation machines, beside Spark's."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.classification import FMClassifier
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.ml.regression import AFTSurvivalRegression, FMRegressor, IsotonicRegression
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("features", VectorUDT())])
NUMBERS = [-INF, -1e308, -3.0, -0.0, 0.0, 5e-324, 0.1, 1.0, 2.5, 1e308, INF, NAN]


@pytest.fixture(scope="module")
def training(spark):
    rng = random.Random(5)
    rows = []
    for _ in range(120):
        x = [rng.gauss(0, 1), rng.uniform(-1, 1), float(rng.randrange(2))]
        time = math.exp(0.3 * x[0] - 0.5 * x[2] + rng.gauss(0, 0.2))
        rows.append((Vectors.dense(x), x[0], time, float(rng.random() < 0.8), float(x[0] * x[1] > 0)))
    return spark.createDataFrame(rows, ["features", "x", "y", "censor", "label"]).cache()


@pytest.fixture(scope="module")
def rows(spark):
    rng = random.Random(6)
    vectors = [Vectors.dense([rng.gauss(0, 2) for _ in range(3)]) for _ in range(100)]
    vectors += [Vectors.sparse(3, [place], [number]) for place in range(3) for number in NUMBERS]
    vectors += [Vectors.dense([number, 1.0, -2.0]) for number in NUMBERS]
    vectors += [Vectors.dense([1e3, -1e3, 1e4]), Vectors.dense([INF, -INF, 0.0])]
    return spark.createDataFrame([(vector,) for vector in vectors], SCHEMA)


@pytest.fixture(scope="module")
def refused(spark):
    vectors = [None, Vectors.dense([1.0]), Vectors.sparse(4, [3], [1.0]), Vectors.dense([1.0, 2.0, 3.0])]
    return spark.createDataFrame([(vector,) for vector in vectors], SCHEMA)


def test_survival(training, rows, refused):
    model = AFTSurvivalRegression(labelCol="y", quantileProbabilities=[0.01, 0.5, 0.99], maxIter=5).fit(training)
    ulps = {"prediction": 1, "q": 4}
    assert_same_stage(model, rows, ulps=ulps)
    assert_same_stage(model.setQuantilesCol("q"), rows, ulps=ulps)
    assert_same_stage(model, refused, ulps=ulps)
    assert_same_stage(model.copy().setPredictionCol(""), rows, ulps=ulps)
    assert_same_stage(model.setQuantilesCol("").setPredictionCol(""), rows)


@pytest.mark.parametrize("isotonic", [True, False])
def test_isotonic(spark, training, rows, isotonic):
    model = IsotonicRegression(labelCol="y", featureIndex=1, isotonic=isotonic).fit(training)
    assert_same_stage(model, rows)
    assert_same_stage(model.setFeatureIndex(2), rows)
    model = IsotonicRegression(labelCol="y", featuresCol="x", predictionCol="p", isotonic=isotonic).fit(training)
    form = local_form(model)
    pairs = list(zip(form.boundaries, form.boundaries[1:], strict=False))
    between = [left + (right - left) * share for left, right in pairs for share in (0.1, 0.3, 0.6, 0.7, 0.9)]
    numbers = [*NUMBERS, None, *form.boundaries, *between]
    assert_same_stage(model, spark.createDataFrame([(number,) for number in numbers], "x double"))


def test_isotonic_with_zeros_of_both_signs(spark):
    df = spark.createDataFrame([(x,) for x in (*NUMBERS, 3.3, 4.1, 4.2, None)], "x double")
    for zero in (0.0, -0.0):
        # 0.2 + (0.9 - 0.2) is not 0.9: a zero of the other sign is not the point itself.
        points = [(-1.0, 0.2), (zero, 0.9), (3.0, 5.7), (4.1, 9.3)]
        model = IsotonicRegression(labelCol="y", featuresCol="x").fit(spark.createDataFrame(points, ["x", "y"]))
        assert_same_stage(model, df)


def test_isotonic_of_one_point(spark):
    model = IsotonicRegression(labelCol="y", featuresCol="x").fit(spark.createDataFrame([(0.0, 2.0)], ["x", "y"]))
    assert_same_stage(model, spark.createDataFrame([(x,) for x in (*NUMBERS, None)], "x double"))


def test_isotonic_needs_a_column(training):
    model = IsotonicRegression(labelCol="y").fit(training).setPredictionCol("")
    with pytest.raises(DataError, match="predictionCol is empty"):
        local_form(model)
    with pytest.raises(Exception, match="FIELD_NOT_FOUND"):
        model.transform(training)


def test_isotonic_refuses_short_vectors(spark, training):
    model = IsotonicRegression(labelCol="y", featureIndex=2).fit(training)
    vectors = [Vectors.dense([1.0, 2.0]), Vectors.sparse(2, [0], [1.0]), Vectors.dense([1.0, 2.0, 3.0])]
    assert_same_stage(model, spark.createDataFrame([(vector,) for vector in vectors], SCHEMA))


def test_isotonic_refuses_null_where_there_are_vectors(training, refused):
    # Where the type of the column is not known, null may be a number that is null.
    assert_same_stage(IsotonicRegression(labelCol="y").fit(training), refused, untyped=False)


@pytest.mark.parametrize(
    "params",
    [{}, {"fitLinear": False}, {"fitIntercept": False}, {"fitLinear": False, "fitIntercept": False, "factorSize": 1}],
    ids=str,
)
def test_factorization(training, rows, params):
    params = {"factorSize": 4, "maxIter": 5, "seed": 1, "stepSize": 0.1, "initStd": 0.5} | params
    assert_same_stage(FMRegressor(labelCol="y", **params).fit(training), rows)
    assert_same_stage(FMClassifier(**params).fit(training), rows, ulps={"probability": 4})


def test_factorization_columns(training, rows, refused):
    model = FMClassifier(factorSize=2, maxIter=2, seed=1).fit(training)
    assert_same_stage(model, refused, ulps={"probability": 4})
    for thresholds in (None, [0.7, 0.3], [0.0, 1.0]):
        for names in ({}, {"rawPredictionCol": ""}, {"rawPredictionCol": "", "probabilityCol": ""}):
            chosen = model.copy()
            for name, value in names.items():
                chosen.set(chosen.getParam(name), value)
            if thresholds is not None:
                chosen.setThresholds(thresholds)
            assert_same_stage(chosen, rows, ulps={"probability": 4}, saved=not names)


def test_factorization_refuses(training, refused):
    assert_same_stage(FMRegressor(labelCol="y", factorSize=2, maxIter=2, seed=1).fit(training), refused)
