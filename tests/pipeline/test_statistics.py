"""Statistics of training data: each kind of column, in one pass, as JSON."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import statistics
from decimal import Decimal

import pytest
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import functions as F

from dsl.json_values import decode
from palette.statistics.profile import QUANTILES, Statistic, take_statistics

pytestmark = pytest.mark.spark

DAY = dt.datetime(2026, 3, 1, 12, 30)
SCHEMA = (
    "`d.o` double, f float, i int, b boolean, s string, long string, at timestamp, n timestamp_ntz, day date, "
    "m decimal(10,2), nothing double, none string, a array<double>, `k``e` string"
)
NAMES = [
    *("d.o", "f", "i", "b", "s", "long", "at", "n", "day"),
    *("m", "nothing", "none", "a", "k`e"),
]
NASTY = [None, math.nan, math.inf, -math.inf]


def row(number):
    value = NASTY[number] if number < len(NASTY) else float(number)
    return (
        value, None if number % 10 == 0 else number / 2, number % 7, number % 3 == 0, f"s{number % 150}",
        "x" * 300 + str(number), DAY + dt.timedelta(hours=number), DAY, DAY.date(), Decimal(number) / 4, None, None,
        [1.0], f"user {number}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame([row(number) for number in range(300)], SCHEMA).repartition(3)


@pytest.fixture(scope="module")
def taken(frame):
    wanted = [Statistic(name, name, "input") for name in NAMES[:-1]]
    wanted += [Statistic("key", "k`e", "key"), Statistic("named", "f", "feature", "restaurant:kitchen:prep:r_id")]
    found, deviations = take_statistics(frame, wanted)
    assert deviations is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_numbers(taken):
    found = taken["columns"]["d.o"]
    finite = [float(number) for number in range(4, 300)]
    assert taken["rows"] == 300
    assert (found["count"], found["null_rate"], found["nan_rate"], found["infinite_rate"]) == (
        *(299, 1 / 300, 1 / 300),
        2 / 300,
    )
    assert found["mean"] == pytest.approx(statistics.fmean(finite))
    assert found["deviation"] == pytest.approx(statistics.stdev(finite))
    assert (found["min"], found["max"]) == ({"float": "-inf"}, {"float": "inf"})
    assert taken["quantiles"] == list(QUANTILES)
    quantiles = decode(found["quantiles"])
    assert (quantiles[0], quantiles[-1]) == (-math.inf, math.inf)
    known = sorted([*finite, -math.inf, math.inf])
    for rank, value in list(zip(QUANTILES, quantiles, strict=True))[1:-1]:
        assert sum(one <= value for one in known) / len(known) == pytest.approx(rank, abs=0.02)
    assert "categories" not in found


def test_the_sketch_answers_what_was_not_asked(spark, taken):
    sketch = base64.b64decode(taken["columns"]["f"]["sketch"])
    frame = spark.createDataFrame([(bytearray(sketch),)], "sketch binary")
    found = frame.select(F.kll_sketch_get_quantile_double("sketch", F.lit(0.6)), F.kll_sketch_get_n_double("sketch"))
    quantile, count = found.first()
    assert quantile == pytest.approx(0.6 * 150, abs=3)
    assert count == 270


def test_categories(taken):
    columns = taken["columns"]
    assert columns["i"]["categories"] == [[n, 43 if n < 6 else 42] for n in range(7)]
    assert columns["i"]["distinct"] == 7
    assert columns["i"]["mean"] == pytest.approx(statistics.fmean(n % 7 for n in range(300)))
    assert columns["b"]["categories"] == [[False, 200], [True, 100]]
    assert len(columns["s"]["categories"]) == 100
    assert {count for _, count in columns["s"]["categories"]} == {2}
    assert columns["s"]["distinct"] == pytest.approx(150, rel=0.1)
    assert columns["long"]["categories"] == [["x" * 200, 300]]


def test_times_and_the_rest(taken):
    columns = taken["columns"]
    last = DAY + dt.timedelta(hours=299)
    assert (columns["at"]["min"], columns["at"]["max"]) == (DAY.isoformat(), last.isoformat())
    assert columns["n"]["min"] == "2026-03-01 12:30:00"
    assert columns["day"]["max"] == "2026-03-01"
    assert columns["m"]["max"] == 299 / 4
    assert columns["a"] == {"role": "input", "type": "array<double>", "count": 300, "null_rate": 0.0}
    nothing, none = columns["nothing"], columns["none"]
    assert (nothing["count"], nothing["null_rate"], nothing["mean"], nothing["quantiles"]) == (0, 1.0, None, None)
    assert (none["count"], none["categories"], none["distinct"]) == (0, [], 0)


def test_of_keys_no_values_are_kept(taken):
    key = taken["columns"]["key"]
    assert set(key) == {"role", "type", "count", "null_rate", "distinct"}
    assert key["distinct"] == pytest.approx(300, rel=0.1)
    assert taken["columns"]["named"]["feature"] == "restaurant:kitchen:prep:r_id"
    assert "user" not in json.dumps(taken)


def test_no_rows(frame):
    found, _ = take_statistics(frame.limit(0), [Statistic("d", "d.o", "input"), Statistic("s", "s", "input")])
    assert (found["rows"], found["columns"]["d"]["count"], found["columns"]["d"]["null_rate"]) == (0, 0, None)
    assert found["columns"]["d"]["quantiles"] is None
    assert found["columns"]["s"]["categories"] == []


def test_deviations_of_a_vector(frame):
    vectors = VectorAssembler(inputCols=["i", "m"], outputCol="v").transform(frame)
    _, deviations = take_statistics(vectors, [], "v", 2)
    expected = [statistics.stdev(n % 7 for n in range(300)), statistics.stdev(n / 4 for n in range(300))]
    assert deviations == pytest.approx(expected)
