"""Writes the golden bundles: ``python -m tests.serving.golden``, once for each release, before it is made.

With names of pipelines, only these bundles are written; with ``saved`` only a pipeline as the installed Spark saves it,
which may be an older release that palette itself does not run on.

A bundle holds rows and Spark's answers for them, so that a later release, and a process without Spark, can tell whether
it still reads the bundle and gives these answers. ``tests/serving/test_golden.py`` does.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette._version import __version__

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["BUNDLES", "HOME"]

HOME = Path(__file__).parent / "golden"
BUNDLES = HOME / f"bundles-{'.'.join(__version__.split('.')[:2])}"
WORDS = ["red", "blue", "Green", "the", "a", "tree", "", "door", "déjà"]


def frame(spark: SparkSession, rows: int = 240) -> DataFrame:
    """Rows of numbers, categories, text and labels of every kind, some of them missing."""
    from pyspark.sql import functions as F

    rng = random.Random(7)
    made = []
    for place in range(rows):
        x, y, n = rng.gauss(0, 2), rng.random() * 10, rng.randrange(6)
        made.append(
            (
                place,
                x if rng.random() < 0.9 else None,
                y,
                n,
                rng.choice(["a", "b", "c", None]),
                " ".join(rng.choices(WORDS, k=4)),
                rng.choices(WORDS[:6], k=5),
                [abs(x), y, float(n), float(n % 2)],
                3 * x + y + rng.gauss(0, 0.1),
                float(x + rng.gauss(0, 1) > 0),
                float(n % 3),
                abs(x) + 0.5,
                float(rng.random() < 0.8),
                place % 12,
                place % 7,
            )
        )
    columns = "id int, x double, y double, n int, c string, text string, words array<string>, four array<double>"
    columns += ", target double, late double, kind double, wait double, seen double, user int, item int"
    from pyspark.ml.functions import array_to_vector

    return spark.createDataFrame(made, columns).withColumn("v", array_to_vector(F.col("four"))).drop("four")


def pipelines() -> Iterator[tuple[str, list[Any]]]:
    """Yield names and stages that together hold every stage that has a local form."""
    from pyspark.ml import classification as c
    from pyspark.ml import clustering as k
    from pyspark.ml import feature as f
    from pyspark.ml import regression as r
    from pyspark.ml.recommendation import ALS
    from xgboost.spark import SparkXGBClassifier, SparkXGBRanker, SparkXGBRegressor

    from dsl import DSLEstimator

    numbers = [
        DSLEstimator(lambdas={"z": "zScore(nVal('basis:x'))", "big": "nVal('basis:y') > 5"}),
        f.Imputer(inputCols=["x"], outputCols=["x_full"], strategy="median"),
        f.Bucketizer(splits=[-float("inf"), 0, 1, float("inf")], inputCol="x_full", outputCol="x_bucket"),
        f.QuantileDiscretizer(numBuckets=4, inputCol="y", outputCol="y_bucket"),
        f.Binarizer(threshold=5.0, inputCol="y", outputCol="y_high"),
        f.VectorAssembler(inputCols=["x_full", "y", "n"], outputCol="three"),
        f.StandardScaler(inputCol="three", outputCol="standard", withMean=True),
        f.MinMaxScaler(inputCol="three", outputCol="ranged"),
        f.MaxAbsScaler(inputCol="three", outputCol="capped"),
        f.RobustScaler(inputCol="three", outputCol="robust"),
        f.Normalizer(inputCol="three", outputCol="normed"),
        f.ElementwiseProduct(inputCol="three", outputCol="weighed", scalingVec=_vector([0.0, 2.0, -1.0])),
        f.PCA(k=2, inputCol="standard", outputCol="main"),
        f.PolynomialExpansion(degree=2, inputCol="three", outputCol="poly"),
        f.DCT(inputCol="three", outputCol="waves"),
        f.VectorSizeHint(inputCol="three", size=3),
        f.VectorSlicer(inputCol="three", outputCol="sliced", indices=[2, 0]),
        f.VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=8),
        f.Interaction(inputCols=["x_full", "three"], outputCol="crossed"),
        f.UnivariateFeatureSelector(featuresCol="v", labelCol="kind", outputCol="picked")
        .setFeatureType("continuous").setLabelType("categorical").setSelectionMode("numTopFeatures")
        .setSelectionThreshold(2),
        f.VarianceThresholdSelector(featuresCol="v", outputCol="moving", varianceThreshold=1.0),
        f.ChiSqSelector(featuresCol="indexed", labelCol="kind", outputCol="told", numTopFeatures=2),
    ]  # fmt: skip
    yield "numbers", numbers
    named = [
        f.Imputer(inputCols=["X"], outputCols=["x_full"], strategy="median"),
        f.VectorAssembler(inputCols=["`y`", "N"], outputCol="two"),
    ]
    yield "names", named
    yield (
        "categories",
        [
            f.StringIndexer(inputCol="c", outputCol="c_at", handleInvalid="keep"),
            f.IndexToString(inputCol="c_at", outputCol="c_back"),
            f.OneHotEncoder(inputCols=["c_at"], outputCols=["c_hot"]),
            f.FeatureHasher(inputCols=["x", "n", "c"], outputCol="hashed", numFeatures=64),
        ],
    )
    yield (
        "texts",
        [
            f.Tokenizer(inputCol="text", outputCol="tokens"),
            f.RegexTokenizer(inputCol="text", outputCol="parts", pattern="[aeiou ]+"),
            f.StopWordsRemover(inputCol="tokens", outputCol="kept"),
            f.NGram(n=2, inputCol="tokens", outputCol="pairs"),
            f.HashingTF(inputCol="words", outputCol="counts_hashed", numFeatures=128),
            f.CountVectorizer(inputCol="words", outputCol="counts"),
            f.IDF(inputCol="counts", outputCol="idf"),
            f.Word2Vec(inputCol="words", outputCol="meaning", vectorSize=3, minCount=1, seed=3),
        ],
    )
    models = {
        "linear": r.LinearRegression(labelCol="target", maxIter=5),
        "glm": r.GeneralizedLinearRegression(labelCol="wait", family="gamma", link="log", linkPredictionCol="link"),
        "logistic": c.LogisticRegression(labelCol="late", maxIter=5),
        "logistic_three": c.LogisticRegression(labelCol="kind", maxIter=5, thresholds=[0.2, 0.5, 0.3]),
        "svc": c.LinearSVC(labelCol="late", maxIter=3),
        "tree": r.DecisionTreeRegressor(labelCol="target", maxDepth=4),
        "tree_class": c.DecisionTreeClassifier(labelCol="kind", maxDepth=4, leafCol="leaf"),
        "forest": r.RandomForestRegressor(labelCol="target", numTrees=4, maxDepth=4, seed=5),
        "forest_class": c.RandomForestClassifier(labelCol="kind", numTrees=4, maxDepth=4, seed=5),
        "boosted": r.GBTRegressor(labelCol="target", maxIter=4, maxDepth=3, seed=5),
        "boosted_class": c.GBTClassifier(labelCol="late", maxIter=4, maxDepth=3, seed=5),
        "bayes": c.NaiveBayes(labelCol="kind", modelType="gaussian"),
        "perceptron": c.MultilayerPerceptronClassifier(labelCol="kind", layers=[4, 3, 3], maxIter=5, seed=5),
        "fm": r.FMRegressor(labelCol="target", factorSize=2, maxIter=5, seed=5),
        "fm_class": c.FMClassifier(labelCol="late", factorSize=2, maxIter=5, seed=5),
        "isotonic": r.IsotonicRegression(labelCol="target", featureIndex=1),
        "aft": r.AFTSurvivalRegression(labelCol="wait", censorCol="seen", quantilesCol="quantiles", maxIter=10),
        "kmeans": k.KMeans(k=3, seed=5),
        "bisecting": k.BisectingKMeans(k=3, seed=5),
        "mixture": k.GaussianMixture(k=2, seed=5, maxIter=5),
        "one_vs_rest": c.OneVsRest(classifier=c.LogisticRegression(maxIter=3), labelCol="kind"),
    }
    for name, model in models.items():
        yield name, [model.copy({model.featuresCol: "v"})]
    small = {"n_estimators": 4, "max_depth": 3, "num_workers": 1}
    yield (
        "xgboost",
        [
            SparkXGBRegressor(features_col="v", label_col="target", prediction_col="amount", missing=0.0, **small),
            SparkXGBClassifier(features_col=["x", "y", "n"], label_col="kind", prediction_col="sort", **small),
            SparkXGBRanker(features_col="v", label_col="kind", qid_col="item", prediction_col="rank", **small),
        ],
    )
    yield "als", [ALS(userCol="user", itemCol="item", ratingCol="y", rank=3, maxIter=3, seed=5)]


def _vector(values: list[float]) -> Any:
    from pyspark.ml.linalg import Vectors

    return Vectors.dense(values)


def main() -> None:
    """Write all bundles, and one pipeline as Spark saves it."""
    import palette
    from palette import MLPipeline

    spark = palette.spark_session(master="local[2]", **{"spark.sql.shuffle.partitions": 2})
    df = frame(spark).cache()
    home = Path(tempfile.mkdtemp())
    for name, stages in pipelines():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        print(name, flush=True)
        MLPipeline(*stages).fit(df).save_bundle(home / name)
        shutil.rmtree(BUNDLES / name, ignore_errors=True)
        shutil.copytree(home / name, BUNDLES / name)
    if len(sys.argv) == 1:
        write_saved(df)
    spark.stop()


def main_saved() -> None:
    """Write what the installed release of Spark saves; it may be one that palette itself does not run on."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", 2).getOrCreate()
    write_saved(frame(spark).cache())
    spark.stop()


def write_saved(df: DataFrame) -> None:
    """Write a plain PipelineModel, and what it gives for a few rows."""
    import json

    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Imputer, OneHotEncoder, StringIndexer, VectorAssembler
    from pyspark.ml.regression import RandomForestRegressor

    stages = [
        Imputer(inputCols=["x"], outputCols=["x_full"]),
        StringIndexer(inputCol="c", outputCol="c_at", handleInvalid="keep"),
        OneHotEncoder(inputCols=["c_at"], outputCols=["c_hot"]),
        VectorAssembler(inputCols=["x_full", "y", "c_hot"], outputCol="features"),
        RandomForestRegressor(labelCol="target", numTrees=3, maxDepth=3, seed=5),
    ]
    model = Pipeline(stages=stages).fit(df)
    home = HOME / f"saved-spark-{'.'.join(df.sparkSession.version.split('.')[:2])}"
    model.write().overwrite().save(str(home / "model"))
    for crc in home.rglob("*.crc"):
        crc.unlink()
    answers = model.transform(df).select("x", "y", "c", "prediction").limit(20).collect()
    (home / "answers.json").write_text(json.dumps([row.asDict() for row in answers], indent=1), "utf-8")


if __name__ == "__main__":
    main_saved() if sys.argv[1:] == ["saved"] else main()
