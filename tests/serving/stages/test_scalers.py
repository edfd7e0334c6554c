"""Scalers beside Spark's."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.feature import (
    ElementwiseProduct,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T

from palette.errors import DataError
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
SCHEMA = T.StructType([T.StructField("v", VectorUDT())])
COLUMNS = {"inputCol": "v", "outputCol": "w"}


@pytest.fixture(scope="module")
def training(spark):
    """Four elements, the last of them constant."""
    source = random.Random(7)
    rows = [[source.gauss(0, 1), source.lognormvariate(0, 3), -source.random() * 1e6, 2.5] for _ in range(60)]
    return spark.createDataFrame([(Vectors.dense(row),) for row in rows], SCHEMA)


@pytest.fixture(scope="module")
def nasty(spark, training):
    rows = [
        Vectors.dense([0.0, -0.0, 1e308, 2.5]),
        Vectors.dense([NAN, 1.0, INF, NAN]),
        Vectors.dense([5e-324, -INF, 1e-300, 7.0]),
        Vectors.sparse(4, [1, 3], [3.5, -1.0]),
        Vectors.sparse(4, [], []),
        None,
    ]
    return training.limit(20).union(spark.createDataFrame([(row,) for row in rows], SCHEMA))


@pytest.mark.parametrize(("mean", "std"), [(True, True), (True, False), (False, True), (False, False)])
def test_standard_scaler_equals_sparks(training, nasty, mean, std):
    assert_same_stage(StandardScaler(**COLUMNS, withMean=mean, withStd=std).fit(training), nasty)


@pytest.mark.parametrize(("centering", "scaling"), [(True, True), (True, False), (False, True)])
def test_robust_scaler_equals_sparks(training, nasty, centering, scaling):
    stage = RobustScaler(**COLUMNS, withCentering=centering, withScaling=scaling, lower=0.1, upper=0.8).fit(training)
    assert_same_stage(stage, nasty)


def test_max_abs_scaler_equals_sparks(spark, training, nasty):
    assert_same_stage(MaxAbsScaler(**COLUMNS).fit(training), nasty)
    zeros = spark.createDataFrame([(Vectors.dense([0.0, -0.0, 1.0, 0.0]),)], SCHEMA)
    assert_same_stage(MaxAbsScaler(**COLUMNS).fit(zeros), nasty)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.5, 0.7)])
def test_min_max_scaler_equals_sparks(training, nasty, low, high):
    assert_same_stage(MinMaxScaler(**COLUMNS, min=low, max=high).fit(training), nasty)


def test_min_max_scaler_without_constants_equals_sparks(spark, nasty):
    rows = [[0.1, -3.0, 1e-9, 7.0], [0.3, 1e9, 2e-9, -7.0], [0.7, 2.0, 1.7e-9, 0.1]]
    fitted = spark.createDataFrame([(Vectors.dense(row),) for row in rows], SCHEMA)
    assert_same_stage(MinMaxScaler(**COLUMNS, min=-0.3).fit(fitted), nasty)
    assert_same_stage(MinMaxScaler(**COLUMNS).fit(fitted), nasty)
    # An infinite range makes an element constant.
    infinite = fitted.union(spark.createDataFrame([(Vectors.dense([INF, 1.0, 1.0, 1.0]),)], SCHEMA))
    assert_same_stage(MinMaxScaler(**COLUMNS).fit(infinite), nasty)


@pytest.mark.parametrize(
    ("p", "ulps"), [pytest.param(1.0, 0), pytest.param(2.0, 0), pytest.param(INF, 0), pytest.param(3.5, 4)]
)
def test_normalizer_equals_sparks(spark, nasty, p, ulps):
    more = [Vectors.dense([]), Vectors.dense([3e200, -4e200]), Vectors.dense([1.0, NAN, 0.5]), Vectors.dense([5e-324])]
    df = nasty.union(spark.createDataFrame([(row,) for row in more], SCHEMA))
    assert_same_stage(Normalizer(**COLUMNS, p=p), df, ulps=ulps)


def test_elementwise_product_equals_sparks(nasty):
    for weights in (Vectors.dense([0.1, -2.0, 1e10, 0.0]), Vectors.sparse(4, [1], [0.3])):
        assert_same_stage(ElementwiseProduct(**COLUMNS, scalingVec=weights), nasty)


def test_a_vector_of_another_size_is_refused(training):
    form = local_form(StandardScaler(**COLUMNS).fit(training))
    with pytest.raises(DataError, match="StandardScalerModel: v has 2 elements, expected 4"):
        form.compute([1.0, 2.0])
