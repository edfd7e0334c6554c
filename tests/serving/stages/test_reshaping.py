"""Vectors made of vectors, beside Spark's."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.feature import (
    DCT,
    PCA,
    Interaction,
    OneHotEncoder,
    PolynomialExpansion,
    StringIndexer,
    VectorAssembler,
    VectorSizeHint,
)
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("v", VectorUDT())])
COLUMNS = {"inputCol": "v", "outputCol": "w"}


def vectors(spark, *rows):
    made = [row if row is None or hasattr(row, "toArray") else Vectors.dense(row) for row in rows]
    return spark.createDataFrame([(row,) for row in made], SCHEMA)


def draws(size, count, seed=5):
    source = random.Random(seed)
    return [[source.gauss(0, 3) for _ in range(size)] for _ in range(count)]


def assert_near(stage, df):
    """Prove that vectors differ by no more than the order of a sum explains, whatever the processor's is.

    A sum of n products errs by at most n units of rounding of its summed sizes, here on both sides, in each element.
    """
    form = local_form(stage)
    for row in stage.transform(df).collect():
        (found,) = form.compute(row["v"].toArray().tolist())
        bound = 2 * len(row["v"]) * 2.0**-53 * math.sqrt(len(row["w"])) * row["v"].norm(2)
        assert math.dist(found, row["w"].toArray()) <= bound, row


def test_pca_of_few_elements_equals_sparks(spark):
    nasty = [[NAN, 0.0, 1.0], [INF, 1.0, 1.0], [0.0, -0.0, 0.0], Vectors.sparse(3, [1], [2.5]), [1.0], None]
    df = vectors(spark, *draws(3, 30), *nasty)
    fitted = PCA(**COLUMNS, k=2).fit(vectors(spark, *draws(3, 30)))
    assert_same_stage(fitted, df)


def test_pca_of_more_elements_equals_sparks_but_for_rounding(spark):
    df = vectors(spark, *draws(40, 60))
    assert_near(PCA(**COLUMNS, k=5).fit(df), df)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_polynomial_expansion_equals_sparks(spark, degree):
    nasty = [
        [0.0, INF, 1.0],
        [NAN, 0.0, 2.0],
        [1e200, 1e200, -0.0],
        [5e-324, 0.5, 2.0],
        [],
        [3.5],
        Vectors.sparse(4, [1, 3], [2.5, -1.5]),
        Vectors.sparse(3, [], []),
        None,
    ]
    assert_same_stage(PolynomialExpansion(**COLUMNS, degree=degree), vectors(spark, *draws(4, 20), *nasty))


def test_interaction_equals_sparks(spark):
    rows = [("a", "x", 2.5, 3), ("b", "y", -1.5, 0), ("c", "x", NAN, 2), ("a", "y", INF, 1)]
    df = spark.createDataFrame(rows, "s string, t string, d double, n int")
    df = StringIndexer(inputCols=["s", "t"], outputCols=["i", "j"]).fit(df).transform(df)
    df = OneHotEncoder(inputCol="i", outputCol="o").fit(df).transform(df)
    df = VectorAssembler(inputCols=["i", "d", "o"], outputCol="v", handleInvalid="keep").transform(df)
    for columns in (["i", "d"], ["d", "j", "n"], ["j", "o", "n"], ["o"]):
        stage = Interaction(inputCols=columns, outputCol="w")
        assert_same_stage(stage, df.select(*columns), saved=False)
    # What is left out of a sparse vector is no category to Spark.
    dense = spark.createDataFrame(
        [(Vectors.dense([1.0, 2.5, 1.0, 1.0]), 3.0), (Vectors.dense([2.0, -1.0, 7.0, 1.0]), 1.0)],
        T.StructType([df.schema["v"], T.StructField("d", T.DoubleType())]),
    )
    assert_same_stage(Interaction(inputCols=["v", "d"], outputCol="w"), dense, saved=False)


def test_interaction_refuses_what_sparks_does(spark):
    field = spark.createDataFrame([("a",), ("b",), ("c",)], "s string")
    field = StringIndexer(inputCol="s", outputCol="i").fit(field).transform(field).schema["i"]
    field.nullable = True
    schema = T.StructType([field, T.StructField("d", T.DoubleType())])
    rows = [(0.0, 2.0), (3.0, 1.0), (0.5, 1.0), (-1.0, 1.0), (2.0, None), (None, 1.0)]
    assert_same_stage(
        Interaction(inputCols=["i", "d"], outputCol="w"), spark.createDataFrame(rows, schema), saved=False
    )


def test_interaction_without_metadata_is_refused(spark):
    with pytest.raises(DataError, match="which of x, v are categories"):
        local_form(Interaction(inputCols=["x", "v"], outputCol="w"))
    with pytest.raises(DataError, match="column 'v' has no metadata about"):
        local_form(Interaction(inputCols=["v"], outputCol="w"), SCHEMA)


@pytest.mark.parametrize("handle_invalid", ["error", "skip", "optimistic"])
def test_vector_size_hint_equals_sparks(spark, handle_invalid):
    df = vectors(spark, [1.0, NAN], Vectors.sparse(2, [0], [INF]), [1.0], [], None)
    assert_same_stage(VectorSizeHint(inputCol="v", size=2, handleInvalid=handle_invalid), df)


@pytest.mark.parametrize("inverse", [False, True])
def test_dct_equals_sparks_but_for_rounding(spark, inverse):
    stage = DCT(**COLUMNS, inverse=inverse)
    few = vectors(spark, [3.5], Vectors.sparse(4, [1], [2.5]), [0.0, -0.0], [NAN, 1.0], [INF], [], None)
    assert_same_stage(stage, few, ulps=4)
    assert_near(stage, vectors(spark, *[row for size in (2, 3, 4, 7, 8, 16, 30) for row in draws(size, 5, seed=size)]))
