"""Indexers and encoders beside Spark's."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import (
    IndexToString,
    OneHotEncoder,
    OneHotEncoderModel,
    StringIndexer,
    StringIndexerModel,
    VectorIndexer,
)
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
WORDS = ["b", "a", "b", "", "ß", "c", "c", "İ", "1", "1.0", "NaN"]
NUMBERS = [0.0, -0.0, 1.0, 1.5, 1.5, -2.25, 1e7, 9999999.0, 1e-3, 9.9e-4, 2e23, 5e-324, 2.0**-44, INF, -INF, 0.1]
WHOLE = [1, 0, -5, 7, 7, 2**31 - 1]


@pytest.fixture(scope="module")
def words(spark):
    rows = [(word, WORDS[0]) for word in WORDS]
    return spark.createDataFrame(rows, "s string, t string")


@pytest.mark.parametrize("handle_invalid", ["error", "skip", "keep"])
def test_string_indexer_equals_sparks(spark, words, handle_invalid):
    stage = StringIndexer(inputCols=["s", "t"], outputCols=["i", "j"], handleInvalid=handle_invalid).fit(words)
    rows = [("a", "b"), ("", "b"), ("x", "b"), ("ß", None), (None, "b"), ("NaN", "b"), ("İ", "b")]
    assert_same_stage(stage, spark.createDataFrame(rows, "s string, t string"))


@pytest.mark.parametrize("order", ["frequencyAsc", "alphabetAsc", "alphabetDesc"])
def test_string_indexer_of_one_column_equals_sparks(words, order):
    assert_same_stage(StringIndexer(inputCol="s", outputCol="i", stringOrderType=order).fit(words), words)


@pytest.mark.parametrize(
    ("dtype", "known", "unknown"),
    [
        ("double", NUMBERS, [None, NAN, 3.0, -1e-3, 0.10000000000000002]),
        ("float", [0.0, -0.0, 0.1, 1e7, 2e23, 16777216.0, 1e-3, 3.4e38, INF], [None, NAN, 3.0]),
        ("int", WHOLE, [None, 8]),
        ("bigint", [*WHOLE, 2**63 - 1, -(2**63)], [None, 2**53]),
        ("tinyint", [1, 0, -128], [None, 2]),
    ],
)
def test_string_indexer_of_numbers_equals_sparks(spark, dtype, known, unknown):
    df = spark.createDataFrame([(value,) for value in known], f"x {dtype}")
    # Dropped rows, so that one pass tells the known ones from the others.
    stage = StringIndexer(inputCol="x", outputCol="y", handleInvalid="skip").fit(df)
    assert_same_stage(stage, df.union(spark.createDataFrame([(value,) for value in unknown], f"x {dtype}")))


def test_string_indexer_of_labels_that_no_number_has_equals_sparks(spark):
    labels = ["1", "1.0", "1.50", "0.10", "+7", "-0.0", "1.0E3", "0.0001", "1.0E-4", "1.0E-3", "0.01", "10000000.0"]
    stage = StringIndexerModel.from_labels(labels, "x", "y", "keep")
    values = [1.0, 1.5, 0.1, 7.0, 0.0, -0.0, 1000.0, 1e-4, 1e-3, 0.01, 1e7, NAN, None]
    for dtype in ("double", "float"):
        assert_same_stage(stage, spark.createDataFrame([(value,) for value in values], f"x {dtype}"))
    assert_same_stage(stage, spark.createDataFrame([(1,), (7,), (0,)], "x int"))


def test_string_indexer_of_decimals_equals_sparks(spark):
    df = spark.createDataFrame([("1.50",), ("0.00",), ("-3.25",), ("1.05",)], "x string").select(
        F.col("x").cast("decimal(6,2)")
    )
    stage = StringIndexer(inputCol="x", outputCol="y", handleInvalid="skip").fit(df)
    assert_same_stage(stage, df.union(df.select(F.col("x") + 1).limit(2)), untyped=False)


def test_string_indexer_names_the_column_and_the_remedy(words):
    form = local_form(StringIndexer(inputCol="s", outputCol="i").fit(words))
    with pytest.raises(DataError, match=r"StringIndexerModel: s is 'zebra'.*handleInvalid"):
        form.compute("zebra")


def test_index_to_string_equals_sparks(spark, words):
    df = spark.createDataFrame([(value,) for value in (0.0, -0.9, 1.9, 2.0, -1.0, None, NAN, INF, -0.0)], "x double")
    stage = IndexToString(inputCol="x", outputCol="y", labels=["a", ""])
    assert_same_stage(stage, df)
    assert_same_stage(stage, spark.createDataFrame([(0,), (1,), (2,), (None,)], "x int"))
    indexed = StringIndexer(inputCol="s", outputCol="i").fit(words).transform(words)
    assert_same_stage(IndexToString(inputCol="i", outputCol="y"), indexed.select("i"), saved=False)


def test_index_to_string_without_labels_is_refused(spark):
    with pytest.raises(DataError, match="metadata of column 'x'"):
        local_form(IndexToString(inputCol="x", outputCol="y"))


@pytest.mark.parametrize("handle_invalid", ["error", "keep"])
@pytest.mark.parametrize("drop_last", [True, False])
def test_one_hot_encoder_equals_sparks(spark, handle_invalid, drop_last):
    df = spark.createDataFrame([(float(value), value % 2) for value in range(4)], "x double, n int")
    stage = OneHotEncoder(
        inputCols=["x", "n"], outputCols=["y", "m"], handleInvalid=handle_invalid, dropLast=drop_last
    ).fit(df)
    values = [0.0, -0.0, 1.9, 3.0, 3.9, 4.0, -0.5, NAN, INF, None]
    rows = [(value, 1) for value in values] + [(1.0, value) for value in (0, 2, None)]
    assert_same_stage(stage, spark.createDataFrame(rows, "x double, n int"))


def test_one_hot_encoder_of_one_column_equals_sparks(spark):
    df = spark.createDataFrame([(0.0,), (1.0,)], "x double")
    assert_same_stage(OneHotEncoder(inputCol="x", outputCol="y").fit(df), df)


def test_one_hot_encoder_of_many_places_stays_sparse(spark):
    df = spark.createDataFrame([(0.0,), (2999.0,), (1500.0,)], "x double")
    stage = OneHotEncoder(inputCol="x", outputCol="y").fit(df)
    assert_same_stage(stage, df)
    assert type(local_form(stage).compute(7.0)[0]).__name__ == "Sparse"


def test_one_hot_vectors_are_the_callers(spark):
    from palette.serving.compile import compile_plan
    from palette.serving.plan import Plan

    stage: OneHotEncoderModel = OneHotEncoder(inputCol="x", outputCol="y").fit(
        spark.createDataFrame([(0.0,), (1.0,)], "x double")
    )
    score = compile_plan(Plan((local_form(stage),), ("y",)), lambda group: None)
    score({"x": 0.0}, 0)["y"][0] = 7.0
    assert score({"x": 0.0}, 0) == {"y": [1.0]}


@pytest.mark.parametrize("handle_invalid", ["error", "skip", "keep"])
def test_vector_indexer_equals_sparks(spark, handle_invalid):
    schema = T.StructType([T.StructField("v", VectorUDT())])
    vectors = [[-1.0, 0.0, 1.5, 2.0], [0.0, 1.0, 2.5, 2.0], [3.0, 1.0, 3.5, -0.0], [3.0, 0.0, 4.5, 2.0]]
    df = spark.createDataFrame([(Vectors.dense(vector),) for vector in vectors], schema)
    stage = VectorIndexer(inputCol="v", outputCol="w", maxCategories=3, handleInvalid=handle_invalid).fit(df)
    rows = [
        Vectors.dense([-0.0, 1.0, 7.0, 2.0]),
        Vectors.sparse(4, [0, 3], [3.0, 2.0]),
        Vectors.sparse(4, [0], [-1.0]),
        Vectors.dense([9.0, 1.0, NAN, 2.0]),
        Vectors.dense([3.0, NAN, INF, 2.0]),
        Vectors.dense([3.0, 1.0]),
        None,
    ]
    assert_same_stage(stage, spark.createDataFrame([(row,) for row in rows], schema))
