"""HashingTF and FeatureHasher beside Spark's."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal

import pytest
from pyspark.ml.feature import FeatureHasher, HashingTF

from palette import MLPipeline
from palette.errors import DataError
from palette.pipeline.deploy.scoring_plan import local_plan
from palette.serving import LocalPipeline
from palette.serving.runtime import runtime_of
from palette.serving.stages import local_form
from palette.serving.stages.java.floats import java_string
from palette.serving.testing import assert_same_stage

NAN, INF = math.nan, math.inf
WORDS = [["a", "b", "a"], [], [None, "a"], ["", "é", "日本", "😀", "abcde", "abcdefgh"], None, ["x" * 100, "ab", "abc"]]
FIELDS = "x double, f float, n int, l bigint, b boolean, s string"
ROWS = [
    (1.5, 0.1, 2, 2**40, True, "a"),
    (-0.0, 1e10, 0, 0, False, ""),
    (NAN, -0.0, -1, -(2**63), None, "é=x"),
    (INF, NAN, None, 1, True, None),
    (None, None, None, None, None, None),
    (1e7, 3.4e38, 1, 1, True, "😀"),
    (1.25e-5, 1e-45, 1, 1, True, "b"),
    (123456.789, 16777216.0, 1, 1, False, "c"),
    (5e-324, 0.001, 1, 1, False, "c"),
    (9999999.0, 1.1754944e-37, 1, 1, False, "c"),
    (1e300, 123.456, 1, 1, False, "c"),
]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("size", [7, 1 << 11])
def test_hashing_tf(spark, size, binary):
    df = spark.createDataFrame([(words,) for words in WORDS], "w array<string>")
    assert_same_stage(HashingTF(inputCol="w", outputCol="out", numFeatures=size, binary=binary), df)


def test_hashing_tf_of_numbers_is_refused(spark):
    form = local_form(HashingTF(inputCol="w", outputCol="out"))
    with pytest.raises(DataError, match="array<string>"):
        form.compute([1, 2])


@pytest.mark.parametrize("size", [5, 1 << 11])
def test_feature_hasher(spark, size):
    df = spark.createDataFrame(ROWS, FIELDS)
    columns = ["x", "f", "n", "l", "b", "s"]
    assert_same_stage(FeatureHasher(inputCols=columns, outputCol="out", numFeatures=size), df)
    categories = ["x", "n", "l", "b", "s"]
    assert_same_stage(
        FeatureHasher(inputCols=columns, outputCol="out", numFeatures=size, categoricalCols=categories), df
    )


def test_feature_hasher_writes_floats_with_their_own_digits(spark):
    df = spark.createDataFrame(ROWS, FIELDS).select("f")
    stage = FeatureHasher(inputCols=["f"], outputCol="out", categoricalCols=["f"], numFeatures=2000)
    assert_same_stage(stage, df, untyped=False)


def drawn_numbers(count):
    """Numbers of all sizes, many of which Java writes with more digits than they need."""
    rng = random.Random(11)
    doubles = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(count)]
    doubles += [rng.randrange(10_000) * 10.0 ** rng.randint(-320, 300) for _ in range(count)]
    doubles += [math.ldexp(rng.randrange(1, 4096), rng.randint(-1070, 1000)) for _ in range(count)]
    doubles += [rng.gauss(0, 1) * 10.0 ** rng.randint(-6, 18) for _ in range(count)]
    floats = [struct.unpack("<f", rng.randbytes(4))[0] for _ in range(3 * count)]
    return list(zip(doubles, [*floats, *(float(rng.randrange(2**31)) for _ in range(count))], strict=True))


def test_numbers_are_written_as_java_does(spark):
    """What the running Java writes, old or new, and that both ways are told apart."""
    java = int(runtime_of(spark)["java"].partition(".")[0])
    df = spark.createDataFrame(drawn_numbers(600), "x double, f float").selectExpr("*", "string(x) xt", "string(f) ft")
    differ = 0
    for row in df.collect():
        assert java_string(row["x"], java=java) == row["xt"], row
        assert java_string(row["f"], single=True, java=java) == row["ft"], row
        differ += java_string(row["x"], java=17) != java_string(row["x"], java=21)
    assert differ > 20


@pytest.mark.proof
def test_feature_hasher_writes_numbers_as_the_java_of_its_fit(spark, tmp_path):
    stage = FeatureHasher(inputCols=["x", "f"], outputCol="out", categoricalCols=["x", "f"], numFeatures=1 << 16)
    df = spark.createDataFrame(drawn_numbers(40), "x double, f float")
    assert_same_stage(stage, df, untyped=False)
    model = MLPipeline(stage).fit(df)
    assert local_plan(model, None).steps[0].java == int(runtime_of(spark)["java"].partition(".")[0])
    # A saved pipeline does not say it: an error where it matters, unless it is told.
    stage.save(str(tmp_path / "stage"))
    row = {"x": 2e23, "f": 1.0}
    with pytest.raises(DataError, match=r"writes as 1\.9999999999999998E23 or 2\.0E23"):
        LocalPipeline.load(tmp_path / "stage").score_instance(row)
    found = [LocalPipeline.load(tmp_path / "stage", java=java).score_instance(row)["out"] for java in (8, 17, 21)]
    assert found[0] == found[1] != found[2]
    assert LocalPipeline.load(tmp_path / "stage").score_instance({"x": 0.1, "f": 1.0})


def test_feature_hasher_refuses_what_spark_refuses(spark):
    form = local_form(FeatureHasher(inputCols=["x"], outputCol="out"))
    assert form.compute(Decimal("1.50")) == form.compute(1.5)
    with pytest.raises(DataError, match="cast the column"):
        form.compute([1.0])
