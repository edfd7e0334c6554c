"""Stages one after the other, beside Spark's: what one leaves out of a sparse vector, the next does not see."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import NaiveBayes
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import (
    IDF,
    Binarizer,
    CountVectorizer,
    ElementwiseProduct,
    FeatureHasher,
    HashingTF,
    Interaction,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialExpansion,
    RobustScaler,
    StandardScaler,
    StringIndexer,
    VarianceThresholdSelector,
    VectorAssembler,
    VectorIndexer,
    VectorSizeHint,
    VectorSlicer,
    Word2Vec,
)
from pyspark.ml.linalg import Vectors

from palette.serving.compile import compile_plan
from palette.serving.plan import Plan
from palette.serving.stages.features import assembler, indexers
from palette.serving.stages.transforms import normalizer
from palette.serving.testing import assert_same_chain
from tests.draws import scaled

pytestmark = pytest.mark.spark
NAN, INF = math.nan, math.inf
NUMBERS = ("a", "b", "c", "d", "e")
SCHEMA = ", ".join(f"{name} double" for name in NUMBERS) + ", s string, words array<string>, label double"
WIDEST = 40
EDGES = (0.0, 0.0, 0.0, 0.0, -0.0, 1.0, 2.0, -3.0, NAN, INF, -INF, None, 5e-324, 1e308)


@pytest.fixture(scope="module")
def train(spark):
    """Rows of small whole numbers without zeros in two columns, so that they are categories that lack 0."""
    rng = random.Random(1)
    rows = []
    for place in range(40):
        numbers = [float(rng.choice(some)) for some in ((1, 2), (1, 2, 5), (0, 1), range(20), (-2, 7))]
        rows.append((*numbers, rng.choice("xyz"), rng.choices(["u", "v", "w"], k=3), float(place % 2)))
    return spark.createDataFrame(rows, SCHEMA).cache()


@pytest.fixture(scope="module")
def edges(spark):
    """Rows of zeros, and of what is not finite, most of them sparse."""
    rng = random.Random(2)
    rows = [(*row, "x", ["u"], 0.0) for row in ([0.0] * 5, [NAN] * 5, [INF] * 5, [1.0, 1.0, 1.0, 3.0, 7.0])]
    for _ in range(40):
        numbers = [rng.choice(EDGES) if rng.random() < 0.6 else 0.0 for _ in NUMBERS]
        rows.append((*numbers, rng.choice("xyz"), rng.choice([[], ["u"], ["q"], ["v", "v", "w"]]), 0.0))
    return spark.createDataFrame(rows, SCHEMA)


def drawn(rng: random.Random, count: int) -> list:
    """Return stages that make vectors, and so many more that each take one that is there already."""
    stages = [
        VectorAssembler(inputCols=list(NUMBERS), outputCol="v0", handleInvalid="keep"),
        VectorAssembler(inputCols=["c", "d"], outputCol="v1", handleInvalid="keep"),
        StringIndexer(inputCol="s", outputCol="i", handleInvalid="keep"),
        OneHotEncoder(inputCol="i", outputCol="v2"),
        HashingTF(inputCol="words", outputCol="v3", numFeatures=4),
        CountVectorizer(inputCol="words", outputCol="v4", minDF=1.0),
        FeatureHasher(inputCols=["a", "s"], outputCol="v5", numFeatures=4),
        Word2Vec(inputCol="words", outputCol="v6", vectorSize=4, minCount=1, seed=1),
    ]
    sizes = {"v0": 5, "v1": 2, "v2": 3, "v3": 4, "v4": 3, "v5": 4, "v6": 4}
    for place in range(count):
        if rng.random() < 0.15:
            several, output = rng.sample(sorted(sizes), 2), f"w{place}"
            stages.append(VectorAssembler(inputCols=several, outputCol=output))
            sizes[output] = sum(sizes[column] for column in several)
            continue
        source = rng.choice(sorted(sizes))
        stage, size = one_drawn(rng, source, sizes[source], f"w{place}")
        stages.append(stage)
        if size <= WIDEST and not isinstance(stage, VectorSizeHint):
            sizes[f"w{place}"] = size
    return stages


def one_drawn(rng: random.Random, source: str, size: int, output: str) -> tuple:
    """Return a stage that takes a vector, and how many elements that has which it makes."""
    columns = {"inputCol": source, "outputCol": output}
    weights = Vectors.dense([rng.choice([1.0, 0.0, -2.0, INF, NAN]) for _ in range(size)])
    kept = rng.sample(range(size), rng.randint(1, size))
    makers = [
        lambda: (StandardScaler(**columns, withMean=rng.random() < 0.3), size),
        lambda: (MinMaxScaler(**columns, min=rng.choice([0.0, -1.0])), size),
        lambda: (MaxAbsScaler(**columns), size),
        lambda: (RobustScaler(**columns), size),
        lambda: (Normalizer(**columns, p=rng.choice([1.0, 2.0, INF])), size),
        lambda: (PolynomialExpansion(**columns, degree=2), (size + 1) * (size + 2) // 2 - 1),
        lambda: (ElementwiseProduct(**columns, scalingVec=weights), size),
        lambda: (Binarizer(**columns, threshold=rng.choice([0.0, 1.5, -0.5])), size),
        lambda: (VectorIndexer(**columns, maxCategories=4, handleInvalid="keep"), size),
        lambda: (IDF(**columns, minDocFreq=2), size),
        lambda: (VectorSlicer(**columns, indices=kept), len(kept)),
        lambda: (VectorSizeHint(inputCol=source, size=size, handleInvalid="optimistic"), size),
        # How many elements it leaves is known after fit only, so that nothing takes them.
        lambda: (VarianceThresholdSelector(featuresCol=source, outputCol=output), WIDEST + 1),
    ]
    return rng.choice(makers)()


@pytest.mark.parametrize("draw", range(scaled(12)))
def test_drawn_chains_equal_sparks(train, edges, rng, draw):
    model = Pipeline(stages=drawn(rng, 16)).fit(train)
    # Spark's mean of word vectors is a sum in the order of its vector unit.
    assert_same_chain(model, edges, ulps=4)


@pytest.mark.parametrize("invalid", ["keep", "error", "skip"])
def test_categories_that_lack_zero_equal_sparks(train, edges, invalid):
    stages = [
        VectorAssembler(inputCols=list(NUMBERS), outputCol="v"),
        VectorIndexer(inputCol="v", outputCol="w", maxCategories=4, handleInvalid=invalid),
    ]
    rows = edges.na.drop().limit(12).union(train.limit(4))
    assert_same_chain(Pipeline(stages=stages).fit(train), rows)


def test_interactions_of_what_is_left_out_equal_sparks(train, edges):
    stages = [
        StringIndexer(inputCol="s", outputCol="i"),
        OneHotEncoder(inputCol="i", outputCol="o"),
        VectorAssembler(inputCols=["o", "a", "b"], outputCol="v", handleInvalid="keep"),
        VectorAssembler(inputCols=["i", "a", "o"], outputCol="u", handleInvalid="keep"),
        VectorAssembler(inputCols=["a"], outputCol="n", handleInvalid="keep"),
        Interaction(inputCols=["o", "n"], outputCol="on"),
        Interaction(inputCols=["v", "n"], outputCol="vn"),
        Interaction(inputCols=["u", "v"], outputCol="uv"),
        Normalizer(inputCol="vn", outputCol="vn_normed"),
    ]
    assert_same_chain(Pipeline(stages=stages).fit(train), edges)


def test_models_that_skip_what_is_left_out_equal_sparks(spark, train, edges):
    assembler = VectorAssembler(inputCols=["c", "a", "b"], outputCol="v", handleInvalid="keep")
    kmeans = [assembler, KMeans(featuresCol="v", k=3, seed=1)]
    assert_same_chain(Pipeline(stages=kmeans).fit(train), edges.filter("a > -1e300 and b > -1e300"))
    # A category that a class never had has the probability 0, the logarithm of which is not finite.
    counts = [(0.0, 0.0, 3.0, 0.0), (1.0, 0.0, 0.0, 1.0), (0.0, 2.0, 1.0, 0.0)]
    df = spark.createDataFrame(counts, "a double, b double, c double, label double")
    bayes = [assembler, NaiveBayes(featuresCol="v", smoothing=0.0)]
    rows = [(0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0), (1.0, 2.0, 3.0, 0.0), (5.0, 0.0, 0.0, 0.0)]
    model = Pipeline(stages=bayes).fit(df)
    assert_same_chain(model, spark.createDataFrame(rows, df.schema), ulps=4)


@pytest.mark.parametrize(("spark", "is_sparse"), [("4.2.0", False), ("4.1.0", False), ("4.0.1", True), ("", False)])
def test_which_vectors_are_sparse_depends_on_the_release_of_spark(spark, is_sparse):
    stages = (
        assembler.VectorAssembler(("a", "b"), ("v",), "keep"),
        normalizer.Normalizer(("v",), ("w",), 1.0),
        indexers.VectorIndexerModel(("v",), ("x",), 2, [0, 1], [[1.0], [1.0]], "keep"),
    )
    plan = Plan(stages, ("v", "w", "x"), {"a": "double", "b": "double"}, {"spark": spark} if spark else {})
    answer = compile_plan(plan, lambda group: None)({"a": 0.0, "b": 0.0}, 0)
    assert answer == {"v": [0.0, 0.0], "w": [0.0, 0.0], "x": [0.0, 0.0] if is_sparse else [1.0, 1.0]}
    assert {type(value) for value in answer.values()} == {list}
