"""Statistics and macros, through the estimator: values, also of no data, and errors."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest

from dsl import REGISTRY, DSLEstimator
from dsl.dtypes import READERS, DType, Var
from dsl.errors import DslError, DslTypeError
from dsl.functions.categories import LeakageWarning
from dsl.json_values import decode
from dsl.registry import Macro, Statistic
from dsl.syntax.build import call, read
from dsl.syntax.nodes import Node
from dsl.testing import same

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::dsl.functions.categories.LeakageWarning")]

OF_TYPE = {dtype: reader for reader, dtype in READERS.items()}
OF_VALUE = {float: DType.NUMBER, int: DType.INTEGER, str: DType.STRING, bool: DType.BOOLEAN}
EVERYTHING = [*REGISTRY.statistics, *REGISTRY.macros]
EXAMPLES = [
    pytest.param(entry, args, expected, id=f"{entry.name}-{number}")
    for entry in EVERYTHING
    for number, (args, expected) in enumerate(entry.examples)
]


def example(entry: Statistic | Macro, args: tuple[Any, ...]) -> tuple[Node, dict[str, list[Any]], dict[str, DType]]:
    """Return the call of an example, and the columns that it reads."""
    arguments, columns, types = [], {}, {}
    for parameter, value in zip(entry.parameters(len(args)), args, strict=True):
        if parameter.constant:
            arguments.append(value)
            continue
        dtype = parameter.dtype
        if isinstance(dtype, Var):
            dtype = next((OF_VALUE[type(item)] for item in value if item is not None), dtype.fallback)
        columns[parameter.name], types[parameter.name] = value, dtype
        arguments.append(read(OF_TYPE[dtype], f"basis:{parameter.name}"))
    return call(entry.name, *arguments), columns, types


def frame_of(spark, columns: dict[str, list[Any]], types: dict[str, DType]):
    schema = ", ".join(f"{name} {types[name].spark}" for name in columns)
    return spark.createDataFrame(list(zip(*columns.values(), strict=True)), schema).repartition(2)


@pytest.mark.parametrize(("entry", "args", "expected"), EXAMPLES)
def test_example(entry, args, expected, spark):
    node, columns, types = example(entry, args)
    frame = frame_of(spark, columns, types)
    if isinstance(entry, Macro):
        model = DSLEstimator(lambdas={"out": node}).fit(frame)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        assert [model.score_instance(row)["out"] for row in rows] == expected
        transformed = [row.asDict() for row in model.transform(frame).collect()]
        assert sorted(map(repr, (row.pop("out") for row in transformed))) == sorted(map(repr, expected))
    else:
        output = call("lookup", "a", node) if node.dtype is DType.WEIGHTS else node
        model = DSLEstimator(lambdas={"out": output}).fit(frame)
        value = decode(model.getStatistics()[str(node)])
        assert same(value, expected) or value == expected, value


@pytest.mark.parametrize("entry", EVERYTHING, ids=lambda entry: entry.name)
def test_nothing_gives_null(entry, spark):
    node, columns, types = example(entry, entry.examples[0][0])
    output = call("lookup", "a", node) if node.dtype is DType.WEIGHTS else node
    nothing = {name: [None, math.nan] if types[name] is DType.NUMBER else [None] * 2 for name in columns}
    for data in (nothing, {name: [] for name in columns}):
        frame = frame_of(spark, data, types)
        model = DSLEstimator(lambdas={"out": output}).fit(frame)
        expected = 0 if entry.name == "count" else None
        assert model.score_instance(dict.fromkeys(columns))["out"] == expected
        assert {row["out"] for row in model.transform(frame).collect()} <= {expected}


def test_categories_above_the_limit_are_refused(spark):
    from pyspark.sql import functions as F

    many = spark.range(10_001).select(F.col("id").cast("string").alias("s"), F.lit(1.0).alias("y"))
    for expression in ("stringIndex(sVal('basis:s'))", "targetMean(sVal('basis:s'), nVal('basis:y'))"):
        with pytest.raises(DslError, match="at most 10000 are stored; use hashBucket"):
            DSLEstimator(lambdas={"out": expression}).fit(many)
    model = DSLEstimator(lambdas={"out": "stringIndex(sVal('basis:s'))"}).fit(many.limit(10_000))
    assert sorted(row.out for row in model.transform(many.limit(10_000)).collect()) == list(range(10_000))


def test_counts_of_many_categories_are_exact(spark):
    from pyspark.sql import functions as F

    frame = spark.range(60_000, numPartitions=4).select((F.col("id") % 9000).cast("string").alias("s"))
    model = DSLEstimator(lambdas={"out": "frequency(sVal('basis:s'))"}).fit(frame)
    shares = decode(next(iter(model.getStatistics().values())))
    assert len(shares) == 9000
    assert shares["0"] == 7 / 60_000
    assert shares["8999"] == 6 / 60_000


def test_target_mean_warns_of_leakage(spark):
    frame = spark.createDataFrame([("a", 1.0), ("b", 3.0)], "s string, y double")
    with pytest.warns(LeakageWarning, match="see their own"):
        model = DSLEstimator(lambdas={"out": "targetMean(sVal('basis:s'), nVal('basis:y'), 0)"}).fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [model.score_instance({"s": s})["out"] for s in ("a", "b", "c", None)] == [1.0, 3.0, 2.0, 2.0]
        assert "y" not in {binding.column for binding in model.getBindings().values()}


def test_all_statistics_of_a_stage_agree_with_numpy(spark):
    import numpy as np

    values = np.random.default_rng(5).normal(size=5001)
    frame = spark.createDataFrame([(float(value),) for value in values], "x double").repartition(3)
    names = {"mean": np.mean, "minimum": np.min, "maximum": np.max, "median": np.median}
    x = read("nVal", "basis:x")
    lambdas = {name: call(name, x) for name in names} | {"stddev": call("stddev", x), "q": call("quantile", x, 0.9)}
    fitted = DSLEstimator(lambdas=lambdas).fit(frame).score_instance({})
    assert (fitted["minimum"], fitted["maximum"]) == (values.min(), values.max())
    assert fitted["median"] == np.median(values)
    assert fitted["q"] == np.quantile(values, 0.9, method="inverted_cdf")
    assert fitted["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert fitted["stddev"] == pytest.approx(values.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantile(nVal('basis:x'), 1.5)", "between 0 and 1"),
        ("bucketize(nVal('basis:x'), 1)", "between 2 and 1000"),
        ("targetMean(sVal('basis:s'), nVal('basis:x'), -1)", "0 or more"),
        ("bucket(nVal('basis:x'), [2, 1])", "ascending"),
    ],
)
def test_bad_constant_is_refused_when_built(text, message):
    from dsl import parse

    with pytest.raises(DslTypeError, match=message):
        parse(text)
