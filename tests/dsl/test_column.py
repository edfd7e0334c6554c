"""The column compiler: sources of every type, literals, and plans equal to those written by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

import dsl
from dsl import Binding, compile_columns, compile_row, nFill, nVal, parse
from dsl.compilers.bind import bind
from dsl.dtypes import TS
from dsl.testing import same

pytestmark = pytest.mark.spark
param = pytest.param

SCHEMA = (
    "`a:b.c` double, tiny tinyint, small smallint, i int, l bigint, f float, x double, dec decimal(38,18), s string, "
    "b boolean, d date, ntz timestamp_ntz, v array<double>, vf array<float>, vi array<int>, vd array<decimal(5,2)>, "
    "a array<string>"
)
TYPES = dict(column.rsplit(" ", 1) for column in SCHEMA.replace("`", "").split(", "))
ROWS = [
    (
        *(0.5, 1, 2, 3, 2**53 + 1, 0.1, -0.0, Decimal("0.1"), "ß", True, date(2024, 3, 10)),
        *(datetime(2024, 3, 10, 2, 30, 0, 123456), [1.0], [0.1], [1, 2], [Decimal("0.10")], ["ß", ""]),
    ),
    (
        *(math.nan, -128, -(2**15), -(2**31), -(2**63), math.inf, 5e-324, Decimal(10) ** 19, "", False, date(1, 1, 1)),
        *(datetime(1, 1, 1), [], [], [], [], []),
    ),
    (
        *(1e308, 127, 0, 0, 2**63 - 1, math.nan, math.nan, Decimal("-1e-18"), "\x00", True, date(9999, 12, 31)),
        *(datetime(9999, 12, 31, 23, 59, 59, 999999), [1.0, None], [None], [1, None], [None], ["a", None, "a"]),
    ),
    (None,) * 17,
]
READS = {
    **dict.fromkeys(("a:b.c", "tiny", "small", "i", "l", "f", "x", "dec"), "nVal"),
    **{f"{column} as integer": "iVal" for column in ("tiny", "small", "i", "l")},
    "s": "sVal",
    "b": "bVal",
    "d": "tVal",
    "ntz": "tVal",
    **dict.fromkeys(("v", "vf", "vi", "vd"), "vVal"),
    "a": "aVal",
}


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(ROWS, SCHEMA).repartition(2)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request, spark):
    """Another time zone of the session."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield request.param
    spark.conf.set("spark.sql.session.timeZone", before)


def collected(frame, columns, times=()):
    """Collect columns, timestamps as microseconds, independent of any zone."""
    from pyspark.sql import functions as F

    chosen = [(F.unix_micros(column) if name in times else column).alias(name) for name, column in columns.items()]
    return [row.asDict() for row in frame.select(*chosen).collect()]


def micros(value):
    return None if value is None else (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def test_sources_are_read_alike(frame, zone):
    from pyspark.sql import functions as F

    exprs, bindings = {}, {}
    for number, (output, reader) in enumerate(READS.items()):
        column = output.removesuffix(" as integer")
        exprs[output] = parse(f"{reader}('basis:c{number}')")
        bindings[f"basis:c{number}"] = Binding(column, TYPES[column])
    bound = bind(exprs, bindings)
    times = {output for output, node in exprs.items() if node.dtype is TS}
    by_column = collected(frame, compile_columns(bound, bindings, F), times)
    score = compile_row(exprs, bindings)
    by_row = [score(dict(zip(TYPES, row, strict=True))) for row in ROWS]
    for row in by_row:
        row.update({output: micros(row[output]) for output in times})
    assert sorted(map(repr, by_column)) == sorted(map(repr, by_row))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        param("1", 1, id="integer"),
        param("-9223372036854775808", -(2**63), id="least integer"),
        param("-0.0", -0.0, id="minus zero"),
        param("nan", math.nan, id="nan"),
        param("'a\\0ß'", "a\0ß", id="text"),
        param("true", True, id="boolean"),
        param("[1, nan]", [1.0, math.nan], id="vector"),
        param("[]", [], id="empty vector"),
        param("if(false, 1, null)", None, id="null integer"),
        param("if(false, 'a', null)", None, id="null text"),
        param("if(true, null, [1])", None, id="null vector"),
        param("1 + 0.5", 1.5, id="widened literal"),
        param("9223372036854775807 + 1", None, id="overflow"),
        param("1 / 0", None, id="division by zero"),
        param("nan == nan and nan > inf", True, id="nan sorts largest"),
        param("null and false", False, id="three-valued"),
        param("if(null, 1, 2)", 2, id="null condition"),
    ],
)
def test_constant_expression(spark, text, value):
    from pyspark.sql import functions as F

    node = parse(text)
    frame = spark.range(1).repartition(1).select(compile_columns(bind({"y": node}, {}), {}, F)["y"].alias("y"))
    assert frame.schema["y"].dataType.simpleString() == node.dtype.spark
    assert same(frame.first()["y"], value)
    assert same(compile_row(node)({}), value)


def test_time_literal_ignores_the_zone(spark, zone):
    from pyspark.sql import functions as F

    node = parse("timestamp '2024-03-10 02:30:00.000001'")
    (row,) = collected(spark.range(1), compile_columns({"t": node}, {}, F), {"t"})
    assert row["t"] == micros(node.value)


def test_null_constant_under_propagated_nulls(spark):
    from pyspark.sql import functions as F

    node = parse("clip(nVal('basis:x'), mean('basis:x'), 1)")
    bindings = {"basis:x": Binding("id", "bigint")}
    bound = bind({"y": node}, bindings, {"mean(nVal('basis:x'))": None})
    frame = spark.range(1).select(compile_columns(bound, bindings, F)["y"].alias("y"))
    assert frame.schema["y"].dataType.simpleString() == "double"
    assert frame.first()["y"] is None


def test_plan_is_the_one_written_by_hand(spark):
    from pyspark.sql import functions as F

    frame = spark.createDataFrame([(1.0, 2)], "x double, i int").repartition(1)
    exprs = {
        "a": nFill(nVal("basis:x"), -1) * 2 + dsl.iVal("basis:i"),
        "b": dsl.if_(nVal("basis:x") > 3, 1.0, nFill(nVal("basis:x"), -1)),
    }
    bindings = {"basis:x": Binding("x", "double"), "basis:i": Binding("i", "int")}
    columns = compile_columns(bind(exprs, bindings), bindings, F)
    filled = F.coalesce(F.nanvl("x", F.lit(None)), F.lit(-1.0))
    integer = F.col("i").cast("bigint").cast("double")
    by_hand = {
        "a": F.try_add(F.try_multiply(filled, F.lit(2.0)), integer),
        "b": F.when(F.col("x") > 3.0, 1.0).otherwise(filled),
    }
    assert frame.withColumns(columns).sameSemantics(frame.withColumns(by_hand))


def test_shared_parts_are_one_column_object(spark):
    from pyspark.sql import functions as F

    node = nVal("basis:x") + 1
    columns = compile_columns({"a": node, "b": node}, {"basis:x": Binding("id", "double")}, F)
    assert columns["a"] is columns["b"]


def test_deepest_expression_compiles(spark):
    from pyspark.sql import functions as F

    node = nVal("basis:x")
    for _ in range(99):
        node = node + 1
    bindings = {"basis:x": Binding("id", "bigint")}
    assert spark.range(1).select(compile_columns({"y": node}, bindings, F)["y"]).first()[0] == 99.0
