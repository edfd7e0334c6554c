"""Linear models beside Spark's: regression, the support vector machine, and logistic regression.

Three features where vectors are dense: Spark adds that few in order on every processor. Of more it does not, and only
sparse vectors have the same last digits.
"""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.classification import LinearSVC, LogisticRegression
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.ml.regression import LinearRegression, LinearRegressionModel
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.compile import compile_plan
from palette.serving.plan import Plan
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
# Java's exp and Python's differ by one.
ULPS = {"probability": 4}
SCHEMA = T.StructType([T.StructField("features", VectorUDT())])
NASTY = [
    Vectors.dense([0.0, -0.0, 0.0]),
    Vectors.dense([1e308, 1e308, -1e308]),
    Vectors.dense([1e3, -5e3, 2e3]),
    Vectors.dense([-1e3, 5e3, -2e3]),
    Vectors.dense([5e-324, 1.0, -1.0]),
    Vectors.dense([NAN, 1.0, 1.0]),
    Vectors.dense([1.0, 1.0, NAN]),
    Vectors.dense([INF, 1.0, 1.0]),
    Vectors.dense([1.0, -INF, INF]),
    Vectors.dense([1.0, 1.0, INF]),
    Vectors.sparse(3, [], []),
    Vectors.sparse(3, [1], [INF]),
    Vectors.sparse(3, [0, 2], [1.25, -INF]),
]
# Spark refuses these, each in a job of its own, so that they are tried once for each kind of model.
REFUSED = [
    None,
    Vectors.dense([1.0, 2.0]),
    Vectors.sparse(4, [3], [1.0]),
]


@pytest.fixture(scope="module")
def training(spark):
    rng = random.Random(7)
    rows = []
    for _ in range(200):
        x = [rng.gauss(0, 1), rng.uniform(-3, 3), float(rng.randrange(3))]
        score = 2 * x[0] - x[1] + rng.gauss(0, 0.5)
        rows.append((Vectors.dense(x), score, float(score > 0), float(sum(score > cut for cut in (-1, 1)))))
    return spark.createDataFrame(rows, ["features", "y", "two", "three"]).cache()


@pytest.fixture(scope="module")
def rows(spark):
    rng = random.Random(8)
    ordinary = [Vectors.dense([rng.gauss(0, 3) for _ in range(3)]) for _ in range(150)]
    sparse = [Vectors.sparse(3, [place], [rng.gauss(0, 3)]) for place in (0, 1, 2) for _ in range(5)]
    return spark.createDataFrame([(vector,) for vector in ordinary + sparse + NASTY], SCHEMA)


@pytest.fixture(scope="module")
def refused(spark):
    return spark.createDataFrame([(vector,) for vector in [*REFUSED, Vectors.dense([1.0, 2.0, 3.0])]], SCHEMA)


def wide(spark, size, count, seed=9):
    """Return sparse vectors of many features: Spark adds their products in order."""
    rng = random.Random(seed)
    vectors = []
    for _ in range(count):
        places = sorted(rng.sample(range(size), size - 1))
        vectors.append((Vectors.sparse(size, places, [rng.gauss(0, 1) for _ in places]), float(rng.randrange(3))))
    return spark.createDataFrame(vectors, ["features", "label"])


def test_refused(training, two, three, refused):
    assert_same_stage(LinearRegression(labelCol="y").fit(training), refused)
    assert_same_stage(LinearSVC(labelCol="two", maxIter=1).fit(training), refused)
    assert_same_stage(two, refused, ulps=ULPS)
    assert_same_stage(three.copy({three.rawPredictionCol: "", three.probabilityCol: ""}), refused)


@pytest.mark.parametrize("params", [{"fitIntercept": False}, {"loss": "huber"}], ids=str)
def test_linear_regression(training, rows, params):
    assert_same_stage(LinearRegression(labelCol="y", maxIter=10, **params).fit(training), rows)


@pytest.fixture(scope="module")
def noisy(spark):
    """Twelve features of which few count: Spark keeps the weights sparse, and a NaN elsewhere has no effect."""
    rng = random.Random(10)
    rows = []
    for _ in range(200):
        x = [rng.gauss(0, 1) for _ in range(12)]
        score = 2 * x[3] - x[7]
        rows.append((Vectors.dense(x), score, float(score > 0), float(sum(score > cut for cut in (-1, 1)))))
    return spark.createDataFrame(rows, ["features", "y", "two", "three"]).cache()


@pytest.fixture(scope="module")
def noisy_rows(noisy):
    vectors = [row.features for row in noisy.limit(50).collect()]
    for place in range(12):
        for odd in (NAN, INF, 0.0):
            x = vectors[place].toArray()
            x[place] = odd
            vectors += [Vectors.dense(x), Vectors.sparse(12, [place], [odd])]
    return noisy.sparkSession.createDataFrame([(one,) for one in vectors], SCHEMA)


def test_linear_regression_with_weights_left_out(noisy, noisy_rows):
    model = LinearRegression(labelCol="y", regParam=0.5, elasticNetParam=1.0).fit(noisy)
    assert local_form(model).places == [3, 7]
    assert_same_stage(model, noisy_rows)


def test_linear_regression_without_weights(noisy, noisy_rows):
    model = LinearRegression(labelCol="y", regParam=50.0, elasticNetParam=1.0).fit(noisy)
    assert local_form(model).places == []
    assert_same_stage(model, noisy_rows)


def test_a_column_of_its_own_or_none(training, rows):
    model = LinearRegression(labelCol="y", predictionCol="p").fit(training)
    assert_same_stage(model, rows)
    assert local_form(model.setPredictionCol("")).outputs == ()
    assert_same_stage(model, rows)


@pytest.mark.parametrize("size", [40, 300])
def test_many_features(spark, size):
    df = wide(spark, size, 30)
    assert_same_stage(LinearRegression(maxIter=2, solver="l-bfgs").fit(df), df)
    assert_same_stage(LogisticRegression(maxIter=2).fit(df), df, ulps=ULPS)


def test_many_dense_features_differ_in_last_digits_only(spark):
    df = wide(spark, 40, 30)
    elements = [row.features.toArray().tolist() for row in df.collect()]
    dense = spark.createDataFrame([(Vectors.dense(one),) for one in elements], SCHEMA)
    for model in (LinearRegression(maxIter=2, solver="l-bfgs").fit(df), LogisticRegression(maxIter=2).fit(df)):
        form = local_form(model)
        rows = [form.coefficients] if isinstance(model, LinearRegressionModel) else form.rows
        score = compile_plan(Plan((form,), form.outputs, {"features": "vector"}), lambda group: None)
        for one, expected in zip(elements, model.transform(dense).collect(), strict=True):
            found = score({"features": one}, 0)
            size = max(sum(abs(weight * x) for weight, x in zip(row, one, strict=True)) for row in rows)
            for column, value in found.items():
                if column == "prediction" and len(found) > 1:
                    assert value == expected[column]
                else:
                    assert value == pytest.approx(expected[column], abs=1e-15 * (1 + size))


def test_support_vector_machine(training, rows):
    model = LinearSVC(labelCol="two", maxIter=5).fit(training)
    assert_same_stage(model, rows)
    for threshold in (0.7, -INF, INF, NAN):
        assert_same_stage(model.setThreshold(threshold), rows, saved=threshold == INF)
    model.setThreshold(0.7)
    assert_same_stage(model.setRawPredictionCol(""), rows)
    assert_same_stage(model.setRawPredictionCol("r").setPredictionCol(""), rows, saved=False)


COLUMNS = {
    "all": {},
    "no raw": {"rawPredictionCol": ""},
    "label only": {"rawPredictionCol": "", "probabilityCol": ""},
    "probability only": {"rawPredictionCol": "", "predictionCol": ""},
    "raw only": {"probabilityCol": "", "predictionCol": ""},
    "raw and label": {"probabilityCol": "", "predictionCol": "p"},
    "none": {"rawPredictionCol": "", "probabilityCol": "", "predictionCol": ""},
}


@pytest.fixture(scope="module")
def two(training):
    return LogisticRegression(labelCol="two", maxIter=5).fit(training)


@pytest.fixture(scope="module")
def three(training):
    return LogisticRegression(labelCol="three", maxIter=5).fit(training)


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_logistic_regression(two, three, rows, columns):
    for model in (two, three):
        chosen = model.copy()
        for name, value in columns.items():
            chosen.set(chosen.getParam(name), value)
        assert_same_stage(chosen, rows, ulps=ULPS)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9, 1.0])
def test_threshold(two, rows, threshold):
    for columns in ({}, COLUMNS["no raw"], COLUMNS["label only"]):
        model = two.copy().setThreshold(threshold)
        for name, value in columns.items():
            model.set(model.getParam(name), value)
        assert_same_stage(model, rows, ulps=ULPS, saved=not columns)


@pytest.mark.parametrize("thresholds", [[0.2, 0.8], [0.0, 0.5], [0.5, 0.0]], ids=str)
def test_two_thresholds(two, rows, thresholds):
    assert_same_stage(two.copy().setThresholds(thresholds), rows, ulps=ULPS)


@pytest.mark.parametrize("thresholds", [[0.2, 0.8, 0.5], [0.0, 0.5, 0.5], [1.0, 0.1, INF]], ids=str)
def test_three_thresholds(three, rows, thresholds):
    for columns in ({}, COLUMNS["no raw"], COLUMNS["label only"]):
        model = three.copy().setThresholds(thresholds)
        for name, value in columns.items():
            model.set(model.getParam(name), value)
        assert_same_stage(model, rows, ulps=ULPS, saved=not columns)


def test_as_many_thresholds_as_classes(three):
    with pytest.raises(DataError, match="2 thresholds for 3 classes"):
        local_form(three.copy().setThresholds([0.5, 0.5]))


@pytest.mark.parametrize("family", ["binomial", "multinomial"])
def test_two_classes_of_either_family(training, rows, family):
    model = LogisticRegression(labelCol="two", family=family, maxIter=5).fit(training)
    assert_same_stage(model, rows, ulps=ULPS)


@pytest.mark.parametrize("family", ["binomial", "multinomial"])
def test_one_class(training, rows, family):
    constant = training.selectExpr("features", "0.0 AS label")
    assert_same_stage(LogisticRegression(family=family, maxIter=5).fit(constant), rows, ulps=ULPS)


@pytest.mark.parametrize("label", ["two", "three"])
def test_logistic_regression_with_weights_left_out(noisy, noisy_rows, label):
    model = LogisticRegression(labelCol=label, regParam=0.1, elasticNetParam=1.0).fit(noisy)
    assert local_form(model).places is not None
    assert_same_stage(model, noisy_rows, ulps=ULPS)


def test_more_classes_than_features(spark):
    """Spark keeps few weights by feature then, and begins each sum with the intercept."""
    rng = random.Random(12)
    rows = []
    for _ in range(200):
        x = [rng.gauss(0, 1) for _ in range(3)]
        rows.append((Vectors.dense(x), 11.0 if x[0] + x[1] + x[2] / 2 > 0.5 else float(rng.randrange(11))))
    df = spark.createDataFrame(rows, ["features", "label"])
    model = LogisticRegression(regParam=0.05, elasticNetParam=1.0, maxIter=10).fit(df)
    assert local_form(model).by_column
    sparse = [(Vectors.sparse(3, [place], [odd]),) for place in range(3) for odd in (2.5, NAN, INF)]
    assert_same_stage(model, df.select("features").union(spark.createDataFrame(sparse, SCHEMA)), ulps=ULPS)
