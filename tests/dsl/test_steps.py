"""Deep expressions are computed in steps, and the plan stays as small as it can be."""

from __future__ import annotations

import time

import pytest

import dsl
from dsl import DSLEstimator, nVal, parse
from dsl.dtypes import NUM
from dsl.testing import same

X = nVal("basis:x")
DEEP = 40


def nested(build, times):
    node = X
    for _ in range(times):
        node = build(node)
    return node


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame([(-1.5,), (None,), (float("nan"),), (7.25,)], "x double").repartition(2)


@pytest.mark.spark
def test_deep_expressions_are_quick_and_right(frame):
    lambdas = {
        "clip": nested(lambda node: dsl.clip(node, -1, 5) + 0.5, DEEP // 2),
        "abs": nested(lambda node: dsl.abs(node - 1), DEEP // 2),
        "if": nested(lambda node: dsl.if_(node > 1, node * 0.5, dsl.nFill(node, 3)), 6),
        "vector": dsl.dot(dsl.vector(nested(dsl.sqrt, 10), 1), dsl.vector(nested(dsl.abs, 10), 2)),
    }
    start = time.monotonic()
    fitted = DSLEstimator(lambdas={**lambdas, "centred": f"nVal('basis:x') - mean({lambdas['abs']})"}).fit(frame)
    rows = fitted.transform(frame).collect()
    assert time.monotonic() - start < 60
    assert list(rows[0].asDict()) == ["x", *lambdas, "centred"]
    for row in rows:
        scored = fitted.score_instance({"x": row["x"]})
        for output, value in scored.items():
            assert same(value, row[output]), output


@pytest.mark.spark
def test_steps_that_gain_nothing_vanish(frame):
    from pyspark.sql import functions as F

    fitted = DSLEstimator(lambdas={"y": nested(lambda node: node + 1, 12)}).fit(frame)
    by_hand = F.col("x")
    for _ in range(12):
        by_hand = F.try_add(by_hand, F.lit(1.0))
    plans = [
        out._jdf.queryExecution().optimizedPlan().canonicalized().toString().replace("none", "")
        for out in (fitted.transform(frame), frame.withColumn("y", by_hand))
    ]
    assert plans[0] == plans[1]


@pytest.mark.spark
def test_shallow_expressions_take_one_step(frame):
    from pyspark.sql import functions as F

    from dsl.compilers.deep_expressions import split_deep_expressions

    exprs = {"a": parse("nFill('basis:x', 1) * 2 + 1"), "b": parse("abs('basis:x')")}
    split = split_deep_expressions(frame, exprs, {"basis:x": dsl.Binding("x", "double")}, F)
    assert split.frame is frame
    assert split.exprs == exprs
    assert split.part_columns == []
    assert exprs["a"].dtype is NUM
