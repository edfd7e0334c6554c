"""Selectors of features and slices of vectors, beside Spark's."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import (
    ChiSqSelector,
    UnivariateFeatureSelector,
    VarianceThresholdSelector,
    VectorAssembler,
    VectorSlicer,
)
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("v", VectorUDT()), T.StructField("y", T.DoubleType())])
COLUMNS = {"featuresCol": "v", "outputCol": "w"}


@pytest.fixture(scope="module")
def training(spark):
    """The second and the fourth element tell the label, the third is constant."""
    rows = [
        (Vectors.dense([float(n % 7), float(n % 2), 1.0, n % 2 * 2.0, n % 3 * 1.0]), n % 2 * 1.0) for n in range(42)
    ]
    return spark.createDataFrame(rows, SCHEMA)


@pytest.fixture(scope="module")
def nasty(spark):
    rows = [[0.0, -0.0, NAN, INF, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0], [1.0], []]
    more = [Vectors.sparse(5, [1, 4], [2.5, -1.0]), Vectors.sparse(5, [], []), None]
    return spark.createDataFrame([(row, 0.0) for row in [*map(Vectors.dense, rows), *more]], SCHEMA)


def test_chi_square_selector_equals_sparks(training, nasty):
    stage = ChiSqSelector(**COLUMNS, labelCol="y", numTopFeatures=2).fit(training)
    assert local_form(stage).places == [1, 3]
    assert_same_stage(stage, nasty)


def test_univariate_selector_equals_sparks(training, nasty):
    stage = UnivariateFeatureSelector(**COLUMNS, labelCol="y", selectionMode="numTopFeatures")
    stage.setFeatureType("continuous").setLabelType("categorical").setSelectionThreshold(3)
    assert_same_stage(stage.fit(training), nasty)


@pytest.mark.parametrize("threshold", [0.0, 1e9])
def test_variance_selector_equals_sparks(training, nasty, threshold):
    assert_same_stage(VarianceThresholdSelector(**COLUMNS, varianceThreshold=threshold).fit(training), nasty)


def test_vector_slicer_by_indices_equals_sparks(nasty):
    assert_same_stage(VectorSlicer(inputCol="v", outputCol="w", indices=[4, 0, 1]), nasty.filter("y is not null"))


def test_vector_slicer_by_names_equals_sparks(spark):
    df = spark.createDataFrame([(1.0, 2.0, 3.0), (4.0, NAN, 6.0)], "a double, b double, c double")
    df = VectorAssembler(inputCols=["a", "b", "c"], outputCol="v", handleInvalid="keep").transform(df).select("v")
    stage = VectorSlicer(inputCol="v", outputCol="w", indices=[1], names=["c", "a"])
    assert_same_stage(stage, df, saved=False)
    with pytest.raises(DataError, match=r"indices of c, a are .* select by indices"):
        local_form(stage)
    with pytest.raises(DataError, match="indices of zebra are"):
        local_form(VectorSlicer(inputCol="v", outputCol="w", names=["zebra"]), df.schema)
