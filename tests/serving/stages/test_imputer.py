"""Imputer beside Spark's."""

from __future__ import annotations

import math

import pytest
from pyspark.ml.feature import Imputer

from palette.errors import DataError
from palette.serving.compile import compile_plan
from palette.serving.plan import Plan
from palette.serving.stages import local_form
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
ROWS = [(2.5, -1.0), (None, 4.0), (NAN, 4.0), (2.25, 1.5), (INF, None), (-0.0, NAN), (2.5, 0.0)]


@pytest.mark.parametrize(("strategy", "missing"), [("mean", NAN), ("median", -1.0), ("mode", 0.0)])
def test_equals_sparks(spark, strategy, missing):
    df = spark.createDataFrame(ROWS, "a double, b double")
    fitted = df.filter("a is null or a < 1e9")
    stage = Imputer(inputCols=["a", "b"], outputCols=["c", "d"], strategy=strategy, missingValue=missing).fit(fitted)
    assert_same_stage(stage, df)


def test_one_column_equals_sparks(spark):
    df = spark.createDataFrame([(1.5,), (None,), (2.0,)], "a double")
    assert_same_stage(Imputer(inputCol="a", outputCol="b").fit(df), df)


@pytest.mark.parametrize("missing", [NAN, 3.0, 0.1])
def test_types_of_columns_are_kept(spark, missing):
    rows = [(0.1, 3, 7, 2**53 + 1), (None, None, None, None), (2.7, 2, -8, 2**63 - 1), (NAN, 3, 0, -3)]
    df = spark.createDataFrame(rows, "a float, b int, c smallint, d bigint")
    stage = Imputer(inputCols=["a", "b", "c", "d"], outputCols=["w", "x", "y", "z"], missingValue=missing).fit(df)
    # Without types, a surrogate is the double that was fitted.
    assert_same_stage(stage, df, untyped=False)


def test_decimals_are_refused(spark):
    df = spark.createDataFrame([(1.5,), (None,)], "a double").selectExpr("cast(a as decimal(4, 2)) a")
    form = local_form(Imputer(inputCol="a", outputCol="b").fit(df))
    with pytest.raises(DataError, match="cast it to double"):
        compile_plan(Plan((form,), ("b",), {"a": "decimal(4,2)"}), lambda group: None)
