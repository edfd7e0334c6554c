"""Spark's tuning over MLPipeline and inside it, and pipelines inside pipelines."""

from __future__ import annotations

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import (
    CrossValidator,
    CrossValidatorModel,
    ParamGridBuilder,
    TrainValidationSplit,
    TrainValidationSplitModel,
)

from dsl import DSLEstimator, nFill, nVal
from palette import MLPipeline, MLPipelineModel, PaletteTransformer
from palette.errors import PlanError
from palette.serving import LocalPipeline
from tests.eats import NOW, differences, orders, rows_of, scored

pytestmark = pytest.mark.spark
NESTED = ("pipeline", "own pipeline", "own model", "algorithm tuned")

PREP = "restaurant:kitchen:prep:r_id"


def test_params_of_inner_stages_are_tuned(spark, eats, tmp_path):
    dsl = DSLEstimator(lambdas={"prep": nFill(nVal(PREP))})
    assembler = VectorAssembler(inputCols=["prep", "size"], outputCol="features")
    regression = LinearRegression(labelCol="minutes", maxIter=2)
    pipeline = MLPipeline(dsl, assembler, regression, store=eats.store, timestampCol="at")
    without = {"prep": nFill(nVal(PREP), 1000) * 0}
    grid = (
        ParamGridBuilder().addGrid(regression.regParam, [0.0, 100.0]).addGrid(dsl.lambdas, [dsl.getLambdas(), without])
    )
    tuned = CrossValidator(
        estimator=pipeline, estimatorParamMaps=grid.build(), evaluator=RegressionEvaluator(labelCol="minutes"),
        numFolds=2, seed=3, collectSubModels=True,
    ).fit(eats.orders)  # fmt: skip
    assert len(set(tuned.avgMetrics)) > 2, "every Param makes a difference"
    best = tuned.bestModel
    assert isinstance(best, MLPipelineModel)
    fitted = {model.stages[-1].getRegParam() for model in tuned.subModels[0]}
    assert fitted == {0.0, 100.0}
    assert {str(model.stages[1].nodes()["prep"]) for model in tuned.subModels[0]} == {
        "nFill(nVal('restaurant:kitchen:prep:r_id'))",
        "nFill(nVal('restaurant:kitchen:prep:r_id'), 1000.0) * 0.0",
    }
    basis = orders(spark, rows=8, at=NOW)
    found = scored(best, [row.asDict() for row in basis.collect()], store=eats.store.snapshot(at=NOW), now=NOW)
    added = ["prep", "features", "prediction"]
    assert not differences(
        rows_of(best.transform(basis).select("id", *added)), {k: {"id": k, **v} for k, v in found.items()}
    )
    best.save(str(tmp_path / "best"))
    again = MLPipelineModel.load(str(tmp_path / "best"))
    assert not differences(rows_of(best.transform(basis)), rows_of(again.transform(basis)))
    tuned.save(str(tmp_path / "tuned"))
    loaded = CrossValidatorModel.load(str(tmp_path / "tuned"))
    assert not differences(rows_of(tuned.transform(basis)), rows_of(loaded.transform(basis)))
    assert loaded.avgMetrics == tuned.avgMetrics
    maps = [{(p.parent, p.name): value for p, value in one.items()} for one in loaded.getEstimatorParamMaps()]
    assert maps == [{(p.parent, p.name): value for p, value in one.items()} for one in tuned.getEstimatorParamMaps()]
    assert {name for name in eats.store.catalog.pins.all() if str(tmp_path) in name} > {
        f"model:{tmp_path}/tuned/bestModel"
    }
    for name in [name for name in eats.store.catalog.pins.all() if str(tmp_path) in name]:
        eats.store.release(name)


def tuner(kind, estimator, regression):
    grid = ParamGridBuilder().addGrid(regression.regParam, [0.1, 50.0]).build()
    options = {"numFolds": 2} if kind is CrossValidator else {"trainRatio": 0.6}
    return kind(
        estimator=estimator, estimatorParamMaps=grid, evaluator=RegressionEvaluator(labelCol="minutes"), seed=3,
        **options,
    )  # fmt: skip


def nested(eats, kind):
    """The same stages, inside others in several ways."""
    options = {"store": eats.store, "timestampCol": "at"}
    dsl = DSLEstimator(lambdas={"prep": nFill(nVal(PREP)), "size": nVal("basis:size") + 1})
    index = StringIndexer(inputCol="origin", outputCol="index"), IndexToString(inputCol="index", outputCol="again")
    assembler = VectorAssembler(inputCols=["prep", "size", "index"], outputCol="features")
    regression = LinearRegression(labelCol="minutes", maxIter=2)
    stages = {
        "pipeline": lambda: [Pipeline(stages=[dsl, *index, Pipeline(stages=[assembler])]), regression],
        "own pipeline": lambda: [MLPipeline(dsl, *index, assembler, **options), regression],
        "own model": lambda: [MLPipeline(dsl, *index, assembler, **options).fit(eats.orders), regression],
        "algorithm tuned": lambda: [dsl, *index, assembler, tuner(CrossValidator, regression, regression)],
        "all tuned": lambda: [
            tuner(TrainValidationSplit, Pipeline(stages=[dsl, *index, assembler, regression]), regression)
        ],
    }[kind]
    return MLPipeline(*stages(), **options)


@pytest.mark.parametrize(
    "kind",
    ["all tuned", *(pytest.param(kind, marks=pytest.mark.proof) for kind in NESTED)],
)
def test_stages_inside_stages_are_planned_and_scored(spark, eats, tmp_path, kind):
    pipeline = nested(eats, kind)
    assert pipeline.explain().splitlines()[2] == "  lookup  r_id -> kitchen.prep"
    basis = orders(spark, rows=6, at=NOW)
    model = pipeline.fit(eats.orders)
    added = ["prep", "index", "again", "features", "prediction"]
    transformed = model.transform(basis)
    assert transformed.columns == [*basis.columns, *added]
    assert model.transformSchema(basis.schema).names == transformed.columns
    model.save_bundle(tmp_path / "bundle")
    model.save(str(tmp_path / "model"))
    again = MLPipelineModel.load(str(tmp_path / "model"))
    snapshot = eats.store.snapshot(at=NOW)
    expected = rows_of(transformed.select("id", "size", *added))
    assert not differences(rows_of(transformed), rows_of(again.transform(basis)))
    rows = [row.asDict() for row in basis.collect()]
    for scorer in (model, again, LocalPipeline.load(tmp_path / "bundle", store=snapshot)):
        options = {} if isinstance(scorer, LocalPipeline) else {"store": snapshot}
        found = scored(scorer, rows, now=NOW, **options)
        assert not differences(expected, {key: {"id": key, **row} for key, row in found.items()})
    eats.store.release(f"model:{tmp_path / 'model'}")


def test_the_schema_behind_a_tuner_is_known_before_fit(eats):
    assembler, regression = (
        VectorAssembler(inputCols=["size"], outputCol="features"),
        LinearRegression(labelCol="minutes"),
    )
    for stages in (
        [assembler, tuner(CrossValidator, regression, regression)],
        [tuner(TrainValidationSplit, Pipeline(stages=[assembler, regression]), regression)],
    ):
        schema = MLPipeline(*stages).transformSchema(eats.orders.schema)
        assert schema.names == [*eats.orders.columns, "features", "prediction"]


def test_tuning_by_one_split_is_saved(eats, tmp_path):
    pipeline = nested(eats, "pipeline")
    splitter = tuner(TrainValidationSplit, pipeline, pipeline.getStages()[-1])
    splitter.save(str(tmp_path / "splitter"))
    tuned = TrainValidationSplit.load(str(tmp_path / "splitter")).fit(eats.orders)
    tuned.save(str(tmp_path / "tuned"))
    loaded = TrainValidationSplitModel.load(str(tmp_path / "tuned"))
    assert loaded.validationMetrics == tuned.validationMetrics
    assert not differences(rows_of(tuned.transform(eats.orders)), rows_of(loaded.transform(eats.orders)))
    eats.store.release(f"model:{tmp_path / 'tuned/bestModel'}")


def test_pipelines_inside_that_have_times_or_stores_of_their_own_are_refused(eats, tmp_path):
    options = {"store": eats.store, "timestampCol": "at"}
    dsl = DSLEstimator(lambdas={"prep": nFill(nVal(PREP))})
    regression = LinearRegression()
    plain = MLPipeline(DSLEstimator(lambdas={"size": nVal("basis:size")}), timestampCol="other")
    MLPipeline(plain, dsl, **options)
    for inner in (
        MLPipeline(dsl, store=eats.store, timestampCol="other"),
        MLPipeline(PaletteTransformer(features={"p": PREP}), store=eats.store, timestampCol="other"),
    ):
        with pytest.raises(PlanError, match=rf"stage 2\.1 \({inner.uid}\) .* timestampCol='other'.* 'at': set both"):
            MLPipeline(plain, Pipeline(stages=[inner]), **options)
    with pytest.raises(PlanError, match=r"storeUri=.*None"):
        MLPipeline(MLPipeline(dsl, **options))
    with pytest.raises(PlanError, match=r"CrossValidator_\w+ tunes MLPipeline_\w+, .*tune the outer one"):
        MLPipeline(tuner(CrossValidator, MLPipeline(dsl, regression, **options), regression), **options)
    missing = DSLEstimator(lambdas={"x": nVal("region:traffic:busy:area")})
    area = DSLEstimator(lambdas={"area": "sVal('basis:region')"})
    with pytest.raises(PlanError, match=r"cycle: stage 1 \(CrossValidator_\w+\) needs .*'area' it derives itself"):
        MLPipeline(tuner(CrossValidator, Pipeline(stages=[area, missing, regression]), regression), **options)
