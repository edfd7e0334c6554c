"""DSLEstimator and DSLModel: the Spark ML interface, statistics, saving, and scoring of rows equal to columns."""

from __future__ import annotations

import math
import threading

import pytest

from dsl import (
    Binding,
    DslError,
    DSLEstimator,
    DSLModel,
    DslTypeError,
    UnknownFunctionError,
    UnknownReferenceError,
    nFill,
    nVal,
)
from dsl.compilers.bind import MAX_ENTRIES
from dsl.testing import same

pytestmark = pytest.mark.spark
param = pytest.param

ROWS = [
    (1, 2.0, "a", 0.0, 4.0),
    (2, None, "b", 1.0, None),
    (3, math.nan, None, None, math.nan),
    (4, 4.0, "a", 1.0, 8.0),
]
NULLS = dict.fromkeys(["x", "prep", "i", "s"])
LAMBDAS = {
    "filled": "nFill('basis:x', mean('basis:x'))",
    "declared": "nFill('r:g:prep:k')",
    "scaled": "zScore(iVal('basis:i'))",
    "target": "targetMean(sVal('basis:s'), 'basis:label', 1.0)",
    "city": "sFill(sVal('basis:s'), '?')",
    "hot": "oneHot(sVal('basis:s'))",
    "i": "iVal('basis:i') + 1",
}


@pytest.fixture(scope="module")
def frame(spark):
    from pyspark.sql import functions as F

    frame = spark.createDataFrame(ROWS, "i int, x double, s string, label double, prep double").repartition(2)
    metadata = {"feature": {"ref": "r:g:prep:k", "type": "double", "default": 15.0, "version": 3}}
    return frame.withColumn("prep", F.col("prep").alias("prep", metadata=metadata))


@pytest.fixture(scope="module")
def model(frame):
    with pytest.warns(UserWarning, match="label"):
        return DSLEstimator(lambdas=LAMBDAS).fit(frame)


def without_label(frame):
    return frame.drop("label")


def test_row_equals_column(frame, model):
    for row in model.transform(without_label(frame)).collect():
        before = dict(zip(["i", "x", "s", "label", "prep"], ROWS[row["i"] - 2], strict=True))
        scored = model.score_instance(before)
        assert list(scored) == list(LAMBDAS)
        for output, value in scored.items():
            assert same(value, row[output]), output
        assert model.scoreInstance(before).keys() == scored.keys()


def test_statistics_are_frozen(frame, model):
    assert model.getStatistics()["mean(nVal('basis:x'))"] == 3.0
    assert set(model.getBindings()) == {"basis:x", "r:g:prep:k", "basis:i", "basis:s"}
    assert model.getBindings()["r:g:prep:k"] == Binding("prep", "double", 15.0)
    few = model.transform(frame.where("i = 2")).first()
    assert few["filled"] == 3.0
    assert few["declared"] == 15.0


def test_a_row_without_a_column_is_refused_as_a_frame_is(model):
    for column in NULLS:
        row = {name: value for name, value in NULLS.items() if name != column} | {column.upper(): 1}
        with pytest.raises(UnknownReferenceError, match=rf"lacks column '{column}' \(did you mean '{column.upper()}'"):
            model.score_instance(row)


def test_nulls_of_a_row(model):
    assert model.score_instance(NULLS) == {
        "filled": 3.0,
        "declared": 15.0,
        "scaled": None,
        "target": pytest.approx(2 / 3),
        "city": "?",
        "hot": [0.0, 0.0],
        "i": None,
    }


def test_row_with_a_wrong_type_names_the_column(model):
    with pytest.raises(DslTypeError, match="basis:x: expected number"):
        model.score_instance(NULLS | {"x": "three"})


def test_schema_agrees(frame, model):
    expected = [(field.name, field.dataType) for field in model.transform(frame).schema]
    assert [(field.name, field.dataType) for field in model.transformSchema(frame.schema)] == expected
    estimator = DSLEstimator(lambdas=LAMBDAS)
    assert [(field.name, field.dataType) for field in estimator.transformSchema(frame.schema)] == expected


def test_all_statistics_take_one_job(spark, frame):
    spark.sparkContext.setJobGroup("fit", "statistics")
    lambdas = {name: text for name, text in LAMBDAS.items() if "target" not in name}
    DSLEstimator(lambdas=lambdas).fit(frame)
    group = spark.sparkContext.statusTracker().getJobIdsForGroup("fit")
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    # Adaptive execution runs each stage of the one query as a job.
    assert 1 <= len(group) <= 3


def test_fit_without_statistics_runs_nothing(spark, frame):
    spark.sparkContext.setJobGroup("idle", "nothing")
    fitted = DSLEstimator(lambdas={"y": nFill(nVal("basis:x"), 0)}).fit(frame)
    fitted.transform(frame)
    jobs = spark.sparkContext.statusTracker().getJobIdsForGroup("idle")
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    assert len(jobs) == 0


def test_statistics_of_nothing_are_null(frame):
    with pytest.warns(UserWarning, match="label"):
        fitted = DSLEstimator(lambdas=LAMBDAS).fit(frame.limit(0))
    assert set(fitted.getStatistics().values()) == {None}
    assert fitted.score_instance(NULLS | {"s": "a", "i": 1})["filled"] is None


def test_statistics_by_group_keep_to_their_own_rows(frame):
    with pytest.warns(UserWarning, match="label"):
        fitted = DSLEstimator(
            lambdas={
                "a": "targetMean(sVal('basis:s'), 'basis:label', 0)",
                "b": "targetMean(toText(iVal('basis:i')), 'basis:label', 0)",
                "n": "count('basis:x') + 0",
            }
        ).fit(frame)
    a, b = (value for value in fitted.getStatistics().values() if isinstance(value, dict))
    assert a == {"a": 0.5, "b": 1.0}
    assert b == {"1": 0.0, "2": 1.0, "4": 1.0}
    assert fitted.score_instance(NULLS)["n"] == 2


@pytest.mark.parametrize(
    ("lambdas", "error", "says"),
    [
        param({"x": "nVal('basis:i')"}, DslError, "'x' exists already.*basis:x", id="existing output"),
        param({"X": "nVal('basis:i')"}, DslError, "'X' exists already", id="existing but for case"),
        param({"y": "nVal('basis:nope')"}, UnknownReferenceError, "'nope' is missing", id="missing column"),
        param({"y": "nVal('basis:Label')"}, UnknownReferenceError, "mean 'label'", id="other case"),
        param({"y": "nVal('r:g:pre:k')"}, UnknownReferenceError, "mean 'r:g:prep:k'", id="missing feature"),
        param({"y": "nVal('basis:s')"}, DslTypeError, "is string.*sVal", id="type"),
        param({"y": "mean(nVal('basis:s'))"}, DslTypeError, "is string", id="type in a statistic"),
        param({"y": "nFill('basis:x')"}, DslTypeError, "no declared default", id="no default"),
        param({"y": "mean(mean('basis:x'))"}, DslError, "earlier stage", id="nested statistics"),
    ],
)
def test_fit_refuses(frame, lambdas, error, says):
    with pytest.raises(error, match=says):
        DSLEstimator(lambdas=lambdas).fit(frame)
    with pytest.raises(error, match=says):
        DSLEstimator(lambdas=lambdas).transformSchema(frame.schema)


@pytest.mark.parametrize(
    ("lambdas", "error", "says"),
    [
        param({"y": "nFil(1)"}, UnknownFunctionError, r"lambdas\['y'\]: unknown function 'nFil'.*\n.*\n\^", id="text"),
        param({"y": 3}, DslTypeError, "expected an expression, found 3", id="number"),
        param({1: "1"}, DslTypeError, "dict of output column", id="output"),
        param(["1"], DslTypeError, "dict of output column", id="list"),
        param({"y": "null"}, DslTypeError, "of type null", id="bare null"),
        param({"y": "['a']"}, DslTypeError, "of type strings", id="list of texts"),
        param({"y": "1", "Y": "2"}, DslTypeError, "differ by case", id="case"),
    ],
)
def test_construction_refuses(lambdas, error, says):
    with pytest.raises(error, match=says):
        DSLEstimator(lambdas=lambdas)


def test_output_replaces_the_column_that_it_reads(frame):
    fitted = DSLEstimator(lambdas={"x": "nFill(nVal('basis:x'), 0)", "y": "nVal('basis:x')"}).fit(frame)
    out = fitted.transform(frame)
    assert out.columns == [*frame.columns, "y"]
    row = out.where("i = 2").first()
    assert (row["x"], row["y"]) == (0.0, None)  # all outputs see the old column


def test_transform_refuses_a_missing_column(frame, model):
    with pytest.raises(UnknownReferenceError, match="'prep', which 'r:g:prep:k' was fitted on"):
        model.transform(frame.drop("prep"))
    with pytest.raises(DslTypeError, match="is string"):
        model.transform(frame.withColumn("x", frame["s"]))


def test_transform_takes_other_widths_and_needs_no_metadata(frame, model):
    narrowed = without_label(frame).selectExpr(
        "cast(i as smallint) i", "cast(x as float) x", "s", "cast(prep as int) prep"
    )
    row = model.transform(narrowed).where("i = 2").first()
    assert row["declared"] == 4.0
    assert isinstance(row["filled"], float)


def test_no_outputs_change_nothing(frame):
    fitted = DSLEstimator(lambdas={}).fit(frame)
    assert fitted.transform(frame).columns == frame.columns
    assert fitted.score_instance({}) == {}


def test_too_many_groups_are_refused(spark):
    frame = spark.range(MAX_ENTRIES + 2).selectExpr("string(id) s", "1.0d label")
    with pytest.raises(DslError, match="10000 are stored; use hashBucket"):
        DSLEstimator(lambdas={"y": "targetMean(sVal('basis:s'), 'basis:label')"}).fit(frame)


def test_model_params_are_checked():
    with pytest.raises(TypeError, match="expected a dict, found 3"):
        DSLModel(bindings=3)


def test_fit_bound_ignores_metadata(frame):
    fitted = DSLEstimator(lambdas={"y": "nFill('other:g:x:k')"}).fit_bound(
        frame, {"other:g:x:k": Binding("x", "double", 9.0)}
    )
    assert fitted.score_instance({"x": None}) == {"y": 9.0}


def test_params_follow_spark_ml(frame, model):
    estimator = DSLEstimator(lambdas={"y": nFill(nVal("basis:x"), 1)})
    assert estimator.getLambdas() == {"y": "nFill(nVal('basis:x'), 1.0)"}
    assert estimator.setParams(lambdas=None).getLambdas() == {"y": "nFill(nVal('basis:x'), 1.0)"}
    assert DSLEstimator().isDefined("lambdas") is False
    with pytest.raises(TypeError, match="keyword"):
        DSLEstimator({"y": "1"})
    assert model.uid.startswith("DSLEstimator")
    changed = estimator.copy({estimator.lambdas: {"z": "1"}})
    assert changed.getLambdas() == {"z": "1"}
    assert estimator.getLambdas() != changed.getLambdas()
    assert changed.uid == estimator.uid


def test_copy_of_a_model_is_independent(frame):
    fitted = DSLEstimator(lambdas={"y": "nFill('basis:x', 1)"}).fit(frame)
    assert fitted.score_instance({"x": None}) == {"y": 1.0}
    changed = fitted.copy({fitted.lambdas: {"y": "nFill('basis:x', 2)"}})
    assert changed.score_instance({"x": None}) == {"y": 2.0}
    assert fitted.score_instance({"x": None}) == {"y": 1.0}


def test_every_way_to_change_a_param_reaches_the_scorer(frame):
    fitted = DSLEstimator(lambdas={"y": "nFill('basis:x', 1)"}).fit(frame)
    assert fitted.score_instance({"x": None}) == {"y": 1.0}
    fitted.set(fitted.lambdas, {"y": "nFill('basis:x', 2)"})
    assert fitted.score_instance({"x": None}) == {"y": 2.0}
    fitted.clear(fitted.lambdas)
    with pytest.raises(KeyError):
        fitted.score_instance({})


def test_a_saved_stage_of_an_unknown_class_is_refused_and_not_imported(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    DSLEstimator(lambdas={"y": "1"}).save(str(tmp_path / "stage"))
    file = next((tmp_path / "stage" / "metadata").glob("part-*"))
    file.write_text(file.read_text().replace("dsl.estimator.DSLEstimator", "stranger.Stage"))
    (file.parent / f".{file.name}.crc").unlink()
    with pytest.raises(DslError, match=r"class 'stranger\.Stage' .*import its module first"):
        DSLEstimator.load(str(tmp_path / "stage"))


def test_param_maps_reach_the_estimator(frame):
    estimator = DSLEstimator(lambdas={"y": "1"})
    fitted = estimator.fit(frame, {estimator.lambdas: {"y": "2"}})
    assert fitted.score_instance({}) == {"y": 2}


def test_threads_may_score_and_transform(frame, model):
    results = []

    def work():
        results.append((model.score_instance(NULLS | {"i": 1})["i"], model.transform(frame).columns[-1]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(2, "hot")] * 4


def test_saved_alone_and_in_a_pipeline(frame, model, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    model.save(str(tmp_path / "model"))
    with pytest.raises(Exception, match="exists"):
        model.save(str(tmp_path / "model"))
    model.write().overwrite().save(str(tmp_path / "model"))
    loaded = DSLModel.load(str(tmp_path / "model"))
    assert loaded.uid == model.uid
    assert loaded.getBindings() == model.getBindings()
    assert loaded.score_instance(NULLS | {"i": 3}) == model.score_instance(NULLS | {"i": 3})
    pipeline = Pipeline(stages=[DSLEstimator(lambdas={"y": "nFill('basis:x', mean('basis:x'))"})])
    pipeline.save(str(tmp_path / "pipeline"))
    fitted = Pipeline.load(str(tmp_path / "pipeline")).fit(frame)
    fitted.save(str(tmp_path / "fitted"))
    again = PipelineModel.load(str(tmp_path / "fitted"))
    assert again.transform(frame).where("i = 2").first()["y"] == 3.0
