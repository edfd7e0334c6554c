"""ALS beside Spark's: known and unknown pairs, in both strategies, keys of every numeric type."""

from __future__ import annotations

import math
import random

import pytest
from pyspark.ml.recommendation import ALS

from palette.serving.testing import assert_same_stage

PAIRS = [(user, item) for user in (-3, 0, 1, 5, 99) for item in (0, 2, 7, -1, 99)]


@pytest.fixture(scope="module")
def model(spark):
    rng = random.Random(3)
    rows = [(rng.randrange(-5, 15), rng.randrange(20), rng.uniform(-5, 5)) for _ in range(150)]
    df = spark.createDataFrame(rows, "user int, item int, rating double")
    return ALS(userCol="user", itemCol="item", ratingCol="rating", rank=7, maxIter=2, seed=1).fit(df)


@pytest.mark.parametrize("strategy", ["nan", "drop"])
def test_equals_sparks(spark, model, strategy):
    df = spark.createDataFrame(PAIRS, "user int, item int")
    assert_same_stage(model.copy().setColdStartStrategy(strategy), df)


def test_keys_that_are_no_integers_of_32_bits(spark, model):
    rows = [(1.0, 2), (-0.0, 2), (1.5, 2), (math.nan, 2), (3e9, 2), (1.0, 1 << 40), (1.0, None)]
    assert_same_stage(model, spark.createDataFrame(rows, "user double, item bigint"), saved=False)
