"""HashingTF and FeatureHasher beside Spark's."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from pyspark.ml.feature import FeatureHasher, HashingTF

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
WORDS = [["a", "b", "a"], [], [None, "a"], ["", "é", "日本", "😀", "abcde", "abcdefgh"], None, ["x" * 100, "ab", "abc"]]
FIELDS = "x double, f float, n int, l bigint, b boolean, s string"
ROWS = [
    (1.5, 0.1, 2, 2**40, True, "a"),
    (-0.0, 1e10, 0, 0, False, ""),
    (NAN, -0.0, -1, -(2**63), None, "é=x"),
    (INF, NAN, None, 1, True, None),
    (None, None, None, None, None, None),
    (1e7, 3.4e38, 1, 1, True, "😀"),
    (1.25e-5, 1e-45, 1, 1, True, "b"),
    (123456.789, 16777216.0, 1, 1, False, "c"),
    (5e-324, 0.001, 1, 1, False, "c"),
    (9999999.0, 1.1754944e-37, 1, 1, False, "c"),
    (1e300, 123.456, 1, 1, False, "c"),
]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("size", [7, 1 << 11])
def test_hashing_tf(spark, size, binary):
    df = spark.createDataFrame([(words,) for words in WORDS], "w array<string>")
    assert_same_stage(HashingTF(inputCol="w", outputCol="out", numFeatures=size, binary=binary), df)


def test_hashing_tf_of_numbers_is_refused(spark):
    form = local_form(HashingTF(inputCol="w", outputCol="out"))
    with pytest.raises(DataError, match="array<string>"):
        form.compute([1, 2])


@pytest.mark.parametrize("size", [5, 1 << 11])
def test_feature_hasher(spark, size):
    df = spark.createDataFrame(ROWS, FIELDS)
    columns = ["x", "f", "n", "l", "b", "s"]
    assert_same_stage(FeatureHasher(inputCols=columns, outputCol="out", numFeatures=size), df)
    categories = ["x", "n", "l", "b", "s"]
    assert_same_stage(
        FeatureHasher(inputCols=columns, outputCol="out", numFeatures=size, categoricalCols=categories), df
    )


def test_feature_hasher_writes_floats_with_their_own_digits(spark):
    df = spark.createDataFrame(ROWS, FIELDS).select("f")
    stage = FeatureHasher(inputCols=["f"], outputCol="out", categoricalCols=["f"], numFeatures=2000)
    assert_same_stage(stage, df, untyped=False)


def test_feature_hasher_refuses_what_spark_refuses(spark):
    form = local_form(FeatureHasher(inputCols=["x"], outputCol="out"))
    assert form.compute(Decimal("1.50")) == form.compute(1.5)
    with pytest.raises(DataError, match="cast the column"):
        form.compute([1.0])
