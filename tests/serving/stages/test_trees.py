"""Trees, forests and boosted trees beside Spark's: numbers, categories, missing values, depths, all columns."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml import classification as c
from pyspark.ml import regression as r
from pyspark.ml.feature import VectorIndexer
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.stages.trees import codegen
from palette.serving.testing import assert_same_stage

pytestmark = pytest.mark.spark
NAN, INF = math.nan, math.inf
# Spark adds boosted trees in an order of the processor's.
BOOSTED = 8


@pytest.fixture(scope="module")
def train(spark):
    """Two numbers, a category of two and one of eight, which Spark knows as such after VectorIndexer."""
    rng = random.Random(3)
    rows = []
    for _ in range(500):
        x, y, two, eight = rng.gauss(0, 2), rng.choice([0.0, 0.5, 1.5]), rng.randrange(2), rng.randrange(8)
        label = x * (1 + two) + math.sin(eight * 2) * 3 + y
        rows.append((Vectors.dense([x, y, two, eight]), label, float(label > 0), float(int(label) % 3)))
    schema = T.StructType([T.StructField("v", VectorUDT()), *(T.StructField(n, T.DoubleType()) for n in "lbk")])
    df = spark.createDataFrame(rows, schema).cache()
    indexed = VectorIndexer(inputCol="v", outputCol="features", maxCategories=8).fit(df).transform(df)
    return indexed.select("features", "l", "b", "k").cache()


@pytest.fixture(scope="module")
def asked(spark, train):
    """Rows of training, and vectors that it never saw: unknown categories, what is not finite, sparse ones."""
    rows = [row["features"] for row in train.select("features").limit(150).collect()]
    values = [0.0, -0.0, 1.0, 0.5, 7.0, 8.0, -1.0, NAN, INF, -INF, 1e300]
    rng = random.Random(4)
    rows += [Vectors.dense([rng.choice(values) for _ in range(4)]) for _ in range(150)]
    rows += [Vectors.sparse(4, {}), Vectors.sparse(4, {3: 5.0}), Vectors.sparse(4, {0: NAN, 2: 1.0})]
    return spark.createDataFrame([(row,) for row in rows], T.StructType([T.StructField("features", VectorUDT())]))


REGRESSORS = [
    (r.DecisionTreeRegressor, {"maxDepth": 5, "varianceCol": "variance", "leafCol": "leaf"}, 0),
    # A leaf that no split divides into parts large enough.
    (r.DecisionTreeRegressor, {"maxDepth": 5, "minInstancesPerNode": 60, "varianceCol": "variance"}, 0),
    (r.DecisionTreeRegressor, {"maxDepth": 0, "varianceCol": "variance"}, 0),
    (r.DecisionTreeRegressor, {"maxDepth": 5, "predictionCol": "", "leafCol": "leaf"}, 0),
    (r.RandomForestRegressor, {"numTrees": 7, "maxDepth": 4, "seed": 1}, 0),
    (r.RandomForestRegressor, {"numTrees": 3, "maxDepth": 3, "seed": 1, "leafCol": "leaf"}, 0),
    (r.GBTRegressor, {"maxIter": 9, "maxDepth": 3, "seed": 1}, BOOSTED),
    (r.GBTRegressor, {"maxIter": 2, "maxDepth": 2, "seed": 1, "leafCol": "leaf"}, BOOSTED),
]


@pytest.mark.parametrize(("estimator", "params", "ulps"), REGRESSORS)
def test_regressions(train, asked, estimator, params, ulps):
    model = estimator(**{"labelCol": "l", **params}).fit(train)
    assert_same_stage(model, asked, ulps=ulps)


CLASSIFIERS = [
    (c.DecisionTreeClassifier, {"maxDepth": 4, "leafCol": "leaf"}, 0),
    (c.DecisionTreeClassifier, {"maxDepth": 4, "thresholds": [0.7, 0.1, 0.2]}, 0),
    (c.RandomForestClassifier, {"numTrees": 6, "maxDepth": 4, "seed": 1}, 0),
    (c.RandomForestClassifier, {"numTrees": 3, "maxDepth": 3, "seed": 1, "thresholds": [0.0, 0.5, 0.5]}, 0),
    (c.RandomForestClassifier, {"numTrees": 3, "maxDepth": 3, "seed": 1, "leafCol": "leaf"}, 0),
    (c.GBTClassifier, {"labelCol": "b", "maxIter": 7, "maxDepth": 3, "seed": 1}, BOOSTED),
    (c.GBTClassifier, {"labelCol": "b", "maxIter": 3, "maxDepth": 3, "seed": 1, "thresholds": [0.8, 0.2]}, BOOSTED),
]


@pytest.mark.parametrize(("estimator", "params", "ulps"), CLASSIFIERS)
def test_classifications(train, asked, estimator, params, ulps):
    thresholds = (params := dict(params)).pop("thresholds", None)
    model = estimator(**{"labelCol": "k", **params}).fit(train)
    if thresholds is not None:
        model.setThresholds(thresholds)
    assert_same_stage(model, asked, ulps=ulps, saved=thresholds is None)
    for absent in ({"rawPredictionCol": ""}, {"rawPredictionCol": "", "probabilityCol": ""}, {"predictionCol": ""}):
        fewer = model.copy({model.getParam(name): value for name, value in absent.items()})
        assert_same_stage(fewer, asked.limit(60), ulps=ulps, saved=False)


def test_deep_trees(train, asked):
    model = r.DecisionTreeRegressor(labelCol="l", maxDepth=30, minInstancesPerNode=1).fit(train)
    assert model.depth > 10
    assert_same_stage(model, asked, saved=False)


def test_models_too_large_for_code_are_walked(train, asked, monkeypatch):
    model = c.RandomForestClassifier(labelCol="k", numTrees=4, maxDepth=4, seed=1).fit(train)
    monkeypatch.setattr("palette.serving.stages.trees.model.GENERATED", 10)
    assert_same_stage(model, asked, saved=False)
    assert codegen.GENERATED > 1000


def test_a_chain_of_hundreds_of_nodes_is_walked_or_generated():
    """As deep as Spark allows: every node's right child asks again."""
    from palette.serving import LocalPipeline
    from palette.serving.plan import Plan
    from palette.serving.stages.trees.regression import DecisionTreeRegressionModel

    depth = 30
    inner = list(range(0, 2 * depth, 2))
    trees = {
        "roots": [0],
        "feature": [0 if node in inner else -1 for node in range(2 * depth + 1)],
        "threshold": [float(node // 2) for node in range(2 * depth + 1)],
        "choice": [-1] * (2 * depth + 1),
        "choices": [],
        "left": [node + 1 if node in inner else -1 for node in range(2 * depth + 1)],
        "right": [node + 2 if node in inner else -1 for node in range(2 * depth + 1)],
        "value": [float(node) for node in range(2 * depth + 1)],
        "leaf": [0] * (2 * depth + 1),
    }
    stage = DecisionTreeRegressionModel(("v",), ("p",), -1, ["prediction"], trees, [1.0], [], 1)
    pipeline = LocalPipeline(Plan((stage,), ("p",), {"v": "vector"}))
    found = [pipeline.score_instance({"v": [value]})["p"] for value in (-1.0, 0.5, 28.5, 99.0)]
    assert found == [1.0, 3.0, 59.0, 60.0]


def test_what_cannot_be_scored_is_told(train):
    form = local_form(r.DecisionTreeRegressor(labelCol="l", maxDepth=5).fit(train))
    with pytest.raises(DataError, match="features is null"):
        form.compute(None)
    with pytest.raises(DataError, match="has 0 elements"):
        form.compute([])
