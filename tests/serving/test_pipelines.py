"""Plain pipelines that Spark ML saved, scored without it."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import subprocess
import sys
import time

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import Imputer, SQLTransformer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import Row

import dsl.stages.persistence
from dsl import DSLEstimator
from palette.errors import ArgumentError, DataError, UnknownTypeWarning
from palette.serving import LocalPipeline, spark_pipelines
from palette.serving.plan import DslStep, Plan
from palette.serving.spark_pipelines import saved_plan

ROWS = [(1.5, 2, "a"), (None, 3, "b"), (-0.5, None, None)]


@pytest.fixture(scope="module")
def df(spark):
    return spark.createDataFrame(ROWS, "x double, n int, s string")


@pytest.fixture(scope="module")
def saved(df, tmp_path_factory):
    """A pipeline in a pipeline, with expressions; twelve stages, so that their directories have two digits."""
    expressions = DSLEstimator(lambdas={"y": "nFill(nVal('basis:x'), -1) * 2", "m": "nFill(nVal('basis:n'), 0)"})
    inner = Pipeline(stages=[VectorAssembler(inputCols=["y", "m"], outputCol="v0")])
    rest = [VectorAssembler(inputCols=["m", f"v{place}"], outputCol=f"v{place + 1}") for place in range(10)]
    model = Pipeline(stages=[expressions, inner, *rest]).fit(df)
    path = str(tmp_path_factory.mktemp("saved") / "model")
    model.save(path)
    return path, model


def changed(path, **entries):
    (part,) = (path / "metadata").glob("part-*")
    part.write_text(json.dumps(json.loads(part.read_text()) | entries))
    for checksum in (path / "metadata").glob(".part-*"):
        checksum.unlink()


def plain(value):
    return value.toArray().tolist() if hasattr(value, "toArray") else value


def test_scores_as_spark_does(saved, df):
    path, model = saved
    local = LocalPipeline.load(path)
    assert local.plan.outputs == ("y", "m", *(f"v{place}" for place in range(11)))
    expected = [row.asDict() for row in model.transform(df).collect()]
    for row, wanted in zip(df.collect(), expected, strict=True):
        found = local.score_instance(row.asDict())
        assert found == {name: plain(wanted[name]) for name in found}


def test_rows_of_spark(saved, df):
    path, model = saved
    local = LocalPipeline.load(path)
    rows = df.select("x", "n").collect()
    assert local.score_instances(rows) == [local.score_instance(row.asDict()) for row in rows]
    assert local.score_instance(rows[0]) == local.score_instance({"x": 1.5, "n": 2})
    expressions = model.stages[0]
    answers = expressions.score_instances(rows)
    assert answers == [expressions.score_instance(row) for row in rows]
    assert expressions.score_instances(df.select("x", "n").toPandas()) == answers
    _, bad = expressions.score_instances([rows[0], {"x": "a", "n": 1}], errors="return")
    assert isinstance(bad, TypeError)
    for stage in (local, expressions):
        with pytest.raises((ValueError, TypeError), match=r"rows is a Spark DataFrame.*rows\.collect"):
            stage.score_instances(df)
    with pytest.raises(TypeError, match=r"dataset is a pandas DataFrame, expected .*spark\.createDataFrame"):
        expressions.transform(df.toPandas())


def test_a_time_of_a_row_of_spark_is_one_of_this_process(monkeypatch):
    step = DslStep({"t": "tVal('basis:t')"}, {"basis:t": {"column": "t", "type": "timestamp"}}, {})
    local = LocalPipeline(Plan((step,), ("t",)))
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert local.score_instance(Row(t=dt.datetime(2026, 1, 1, 5, 30))) == {"t": dt.datetime(2026, 1, 1)}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_becomes_a_bundle(saved, tmp_path):
    path, _ = saved
    local = LocalPipeline.load(path)
    local.save(tmp_path / "bundle")
    assert LocalPipeline.load(tmp_path / "bundle").plan == local.plan


def test_needs_no_spark(saved):
    path, _ = saved
    code = (
        "import sys; from palette.serving import LocalPipeline\n"
        f"print(LocalPipeline.load({path!r}).score_instance({{'x': 2.0, 'n': None}})['v0'])\n"
        "assert not [name for name in sys.modules if name.startswith(('pyspark', 'pandas'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[4.0, 0.0]"


def test_a_tuned_pipeline_is_its_best_model(spark, tmp_path):
    rows = [(float(x), float(y), 2.0 * x + y) for x in range(12) for y in range(4)]
    df = spark.createDataFrame(rows, "x double, z double, y double")
    model = LinearRegression(labelCol="y")
    pipeline = Pipeline(stages=[VectorAssembler(inputCols=["x", "z"], outputCol="features"), model])
    grid = ParamGridBuilder().addGrid(model.regParam, [0.0, 10.0]).build()
    wanted = {"estimator": pipeline, "estimatorParamMaps": grid, "evaluator": RegressionEvaluator(labelCol="y")}
    for name, tuning in (("cv", CrossValidator(numFolds=2, **wanted)), ("tvs", TrainValidationSplit(**wanted))):
        tuned = tuning.fit(df)
        tuned.save(str(tmp_path / name))
        local = LocalPipeline.load(tmp_path / name)
        assert local.plan.outputs == ("features", "prediction")
        for row in tuned.transform(df).collect():
            found = local.score_instance({"x": row["x"], "z": row["z"]})
            assert found["prediction"] == pytest.approx(row["prediction"], rel=1e-14)


@pytest.mark.parametrize("strategy", ["mean", "median", "mode"])
@pytest.mark.parametrize("dtype", ["tinyint", "smallint", "int", "bigint", "float", "double"])
def test_an_imputer_of_integers_fills_as_spark_does(spark, tmp_path, dtype, strategy):
    df = spark.createDataFrame([(None,), (1,), (2,), (2,), (5,), (-4,)], "n int").selectExpr(f"cast(n as {dtype}) x")
    stage = Imputer(inputCols=["x"], outputCols=["y"], strategy=strategy, missingValue=-4.0).fit(df)
    PipelineModel([stage]).save(str(tmp_path / "model"))
    local = LocalPipeline.load(tmp_path / "model", types=dict(df.dtypes))
    found = [local.score_instance(row.asDict())["y"] for row in df.collect()]
    expected = [row["y"] for row in stage.transform(df).collect()]
    assert list(map(repr, found)) == list(map(repr, expected))
    assert pickle.loads(pickle.dumps(local)).plan == local.plan
    local.save(tmp_path / "bundle")
    assert LocalPipeline.load(tmp_path / "bundle").score_instance({"x": None}) == {"y": expected[0]}


def test_a_mean_of_what_may_be_integers_is_doubtful(spark, tmp_path):
    df = spark.createDataFrame([(None, None), (1, 1.0), (2, 3.0), (2, 2.0), (5, 2.0)], "n int, x double")
    made = Imputer(inputCols=["n", "x"], outputCols=["n_full", "x_full"]).fit(df)
    made.save(str(tmp_path / "stage"))
    with pytest.warns(UnknownTypeWarning, match=r"fills column 'n' with 2\.5, or with 2 if it has integers") as warned:
        local = LocalPipeline.load(tmp_path / "stage")
    assert len(warned) == 1
    assert local.score_instance({"n": None, "x": None}) == {"n_full": 2.5, "x_full": 2.0}
    local.save(tmp_path / "bundle")
    with pytest.raises(ArgumentError, match="a bundle has its own"):
        LocalPipeline.load(tmp_path / "bundle", types={"n": "int"})


def test_stage_saved_alone(spark, tmp_path):
    VectorAssembler(inputCols=["x"], outputCol="v").save(str(tmp_path / "stage"))
    assert LocalPipeline.load(tmp_path / "stage").score_instance({"x": 1.0}) == {"v": [1.0]}


def test_stage_without_local_form_is_named(spark, tmp_path):
    PipelineModel([SQLTransformer(statement="SELECT * FROM __THIS__")]).save(str(tmp_path / "model"))
    with pytest.raises(DataError, match=r"SQLTransformer_\w+ .*has no local form"):
        LocalPipeline.load(tmp_path / "model")


@pytest.mark.parametrize("version", ["3.4.4", "4.3.0", "2.4.8", "next", ""])
def test_other_versions_of_spark_are_refused(spark, tmp_path, version):
    VectorAssembler(inputCols=["x"], outputCol="v").save(str(tmp_path / "stage"))
    changed(tmp_path / "stage", sparkVersion=version)
    with pytest.raises(DataError, match=r"Spark 3\.5 to 4\.2 can be read"):
        saved_plan(tmp_path / "stage")


def test_vendor_version_of_supported_spark_is_taken(spark, tmp_path):
    VectorAssembler(inputCols=["x"], outputCol="v").save(str(tmp_path / "stage"))
    changed(tmp_path / "stage", sparkVersion="3.5.1-amzn-0")
    assert saved_plan(tmp_path / "stage").outputs == ("v",)


def test_damaged_stage_is_refused(spark, tmp_path):
    VectorAssembler(inputCols=["x"], outputCol="v").save(str(tmp_path / "stage"))
    changed(tmp_path / "stage", paramMap={"outputCol": "v"})
    with pytest.raises(DataError, match="not what Spark writes: KeyError"):
        saved_plan(tmp_path / "stage")
    with pytest.raises(DataError, match="no saved Spark ML stage"):
        saved_plan(tmp_path / "nothing")


def test_form_of_expressions_is_the_same_as_the_languages():
    assert spark_pipelines.FORMAT == dsl.stages.persistence.FORMAT
