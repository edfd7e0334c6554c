"""CountVectorizer, IDF and Word2Vec beside Spark's."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import IDF, CountVectorizer, CountVectorizerModel, Word2Vec
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.serving.testing import assert_same_stage

SCHEMA = T.StructType([T.StructField("v", VectorUDT())])
WORDS = [["a", "b", "a", "c"], [], [None, "a", "zzz"], ["", "é", "é", "😀"], ["b"] * 5 + ["a"], ["c", "b", "a", None]]


@pytest.fixture(scope="module")
def lists(spark):
    return spark.createDataFrame([(words,) for words in WORDS], "w array<string>")


@pytest.mark.parametrize("params", [{}, {"minTF": 2.0}, {"minTF": 0.3}, {"binary": True, "minTF": 2.0}, {"minDF": 2.0}])
def test_count_vectorizer(spark, lists, params):
    model = CountVectorizer(inputCol="w", outputCol="out", **params).fit(lists.filter("not exists(w, x -> x is null)"))
    assert_same_stage(model, lists.union(spark.createDataFrame([(None,)], "w array<string>")))


def test_count_vectorizer_of_many_words(lists):
    vocabulary = [f"w{at}" for at in range(2000)] + ["a", "b"]
    assert_same_stage(CountVectorizerModel.from_vocabulary(vocabulary, inputCol="w", outputCol="out"), lists)


@pytest.mark.parametrize("least", [0, 2])
def test_idf(spark, least):
    vectors = [
        Vectors.dense(1.0, 0.0, 3.0, -1.0),
        Vectors.sparse(4, [0, 2], [2.0, 0.5]),
        Vectors.dense(0.0, 0.0, 1.0, 5.0),
    ]
    model = IDF(inputCol="v", outputCol="out", minDocFreq=least).fit(
        spark.createDataFrame([(v,) for v in vectors], ["v"])
    )
    nasty = [
        Vectors.dense(math.nan, math.inf, -0.0, 1e308),
        Vectors.sparse(4, [], []),
        Vectors.dense(1.0, 2.0),
        Vectors.dense(1.0, 2.0, 3.0, 4.0, 5.0),
        None,
    ]
    assert_same_stage(model, spark.createDataFrame([(v,) for v in vectors + nasty], SCHEMA))


def test_idf_of_wide_vectors(spark):
    wide = [Vectors.sparse(5000, [7, 4999], [1.0, 2.0]), Vectors.sparse(5000, [7], [3.0])]
    df = spark.createDataFrame([(v,) for v in wide], ["v"])
    assert_same_stage(IDF(inputCol="v", outputCol="out").fit(df), df)


def test_word2vec(spark, lists):
    known = lists.filter("not exists(w, x -> x is null)")
    model = Word2Vec(inputCol="w", outputCol="out", vectorSize=5, minCount=1, seed=1).fit(known)
    assert_same_stage(model, lists.union(spark.createDataFrame([(None,)], "w array<string>")))
