"""CrossValidator and ParamGridBuilder over MLPipeline."""

from __future__ import annotations

import pytest
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

from dsl import DSLEstimator, nFill, nVal
from palette import MLPipeline, MLPipelineModel
from tests.eats import NOW, differences, orders, rows_of, scored

pytestmark = pytest.mark.spark

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
    eats.store.release(f"model:{tmp_path / 'best'}")
