"""GeneralizedLinearRegressionModel beside Spark's: every family and link, the offset, both columns."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.ml.regression import GeneralizedLinearRegression
from pyspark.sql import types as T

from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType(
    [
        T.StructField("features", VectorUDT()),
        T.StructField("offset", T.DoubleType()),
        T.StructField("count", T.IntegerType()),
    ]
)


@pytest.fixture(scope="module")
def training(spark):
    rng = random.Random(3)
    rows = []
    for _ in range(100):
        x = [rng.uniform(0.5, 1.5), rng.gauss(0, 1)]
        mean = 1.0 + x[0] + 0.2 * x[1]
        rows.append((Vectors.dense(x), mean + rng.random(), float(rng.random() < mean / 4), rng.random(), 1))
    return spark.createDataFrame(rows, ["features", "positive", "binary", "offset", "count"]).cache()


@pytest.fixture(scope="module")
def rows(spark):
    rng = random.Random(4)
    vectors = [Vectors.dense([rng.uniform(0.5, 1.5), rng.gauss(0, 1)]) for _ in range(100)]
    # Sums that no mean belongs to, and means beyond the limits.
    vectors += [Vectors.dense([rng.gauss(0, 30), rng.gauss(0, 30)]) for _ in range(50)]
    vectors += [Vectors.dense([k / 4, 0.0]) for k in range(-120, 120)]
    odd = [-INF, -1e308, -1e3, -50.0, -1.0, -0.0, 0.0, 1.0, 50.0, 1e3, 1e308, INF, NAN]
    vectors += [Vectors.dense([x, 0.0]) for x in odd] + [Vectors.sparse(2, [1], [x]) for x in odd]
    return spark.createDataFrame([(one, 0.5, 1) for one in vectors], SCHEMA)


# Ulps: those of Java's functions, and how few digits are left of the small difference of two numbers.
MODELS = {
    "gaussian identity": ({}, 0),
    "gaussian log": ({"link": "log"}, 1),
    "gaussian inverse": ({"link": "Inverse"}, 0),
    "binomial": ({"family": "Binomial"}, 2),
    "binomial probit": ({"family": "binomial", "link": "probit"}, 64),
    "binomial cloglog": ({"family": "binomial", "link": "cloglog"}, 64),
    "poisson": ({"family": "poisson"}, 1),
    "poisson identity": ({"family": "poisson", "link": "identity"}, 0),
    "poisson sqrt": ({"family": "poisson", "link": "sqrt"}, 0),
    "gamma": ({"family": "gamma"}, 0),
    "gamma identity": ({"family": "gamma", "link": "identity"}, 0),
    "gamma log": ({"family": "gamma", "link": "log"}, 1),
    "tweedie": ({"family": "tweedie"}, 0),
    "tweedie 1": ({"family": "tweedie", "variancePower": 1.0}, 1),
    "tweedie 2": ({"family": "tweedie", "variancePower": 2.0}, 0),
    "tweedie 1.5": ({"family": "tweedie", "variancePower": 1.5}, 1),
    "tweedie 3": ({"family": "tweedie", "variancePower": 3.0}, 1),
    "tweedie log": ({"family": "tweedie", "variancePower": 1.6, "linkPower": 0.0}, 1),
    "tweedie identity": ({"family": "tweedie", "variancePower": 1.6, "linkPower": 1.0}, 0),
    "tweedie inverse": ({"family": "tweedie", "variancePower": 1.6, "linkPower": -1.0}, 0),
    "tweedie sqrt": ({"family": "tweedie", "variancePower": 1.6, "linkPower": 0.5}, 0),
    "tweedie power": ({"family": "tweedie", "variancePower": 1.2, "linkPower": -0.2}, 1),
    "tweedie 0 power": ({"family": "tweedie", "linkPower": 1 / 3}, 1),
}


@pytest.mark.parametrize(("params", "ulps"), MODELS.values(), ids=MODELS)
def test_family_and_link(training, rows, params, ulps):
    label = "binary" if params.get("family", "").lower() == "binomial" else "positive"
    model = GeneralizedLinearRegression(labelCol=label, linkPredictionCol="eta", maxIter=3, **params).fit(training)
    assert_same_stage(model, rows, ulps={"eta": 0, "prediction": ulps})


def test_columns(training, rows):
    estimator = GeneralizedLinearRegression(labelCol="positive", family="poisson", predictionCol="p", maxIter=2)
    model = estimator.fit(training)
    assert local_form(model).outputs == ("p",)
    assert_same_stage(model, rows, ulps=1)
    assert_same_stage(model.copy().setPredictionCol("").setLinkPredictionCol("eta"), rows)
    assert_same_stage(model.copy().setPredictionCol(""), rows)


def test_sums_of_zero(training, rows):
    for params in ({"family": "gamma"}, {"family": "tweedie", "variancePower": 2.5}):
        model = GeneralizedLinearRegression(labelCol="positive", fitIntercept=False, maxIter=2, **params).fit(training)
        assert_same_stage(model, rows, ulps=1)


def test_a_mean_of_the_binomial_family_is_never_one(training):
    for link in ("logit", "probit", "cloglog"):
        model = GeneralizedLinearRegression(labelCol="binary", family="binomial", link=link, maxIter=2).fit(training)
        assert local_form(model).predict([1e8 * model.coefficients[0], 0.0]) == 1 - 2**-53
        assert model.predict(Vectors.dense([1e8 * model.coefficients[0], 0.0])) == 1 - 2**-53


def test_offset(spark, training):
    rng = random.Random(11)
    vector = Vectors.dense([1.0, 2.0])
    ordinary = [(Vectors.dense([rng.random(), rng.random()]), rng.random(), rng.randrange(9)) for _ in range(50)]
    nasty = [(vector, 0.25, 3), (vector, -0.0, -7), (vector, NAN, 2**31 - 1), (vector, -INF, 0), (vector, None, None)]
    df = spark.createDataFrame([*ordinary, *nasty, (None, None, None)], SCHEMA)
    for column in ("offset", "count"):
        estimator = GeneralizedLinearRegression(labelCol="positive", family="poisson", offsetCol=column, maxIter=2)
        model = estimator.fit(training)
        assert_same_stage(model, df, ulps=1)
        assert_same_stage(model.setLinkPredictionCol("eta"), df, ulps=1)


def test_refused(spark, training):
    model = GeneralizedLinearRegression(labelCol="positive", offsetCol="offset", maxIter=2).fit(training)
    vectors = [None, Vectors.dense([1.0]), Vectors.sparse(3, [2], [1.0]), Vectors.dense([1.0, 2.0])]
    assert_same_stage(model, spark.createDataFrame([(one, 1.0, 1) for one in vectors], SCHEMA))
