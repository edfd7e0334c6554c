"""The whole way on Spark Connect, which has no JVM in this process and no SparkContext.

A process is either classic or Connect, so everything runs in one other process, whose answers are compared here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.jvm import connecting

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCRIPT = """
import json, sys, tempfile
from pathlib import Path

import palette
from dsl import DSLEstimator, iVal, mean, nFill, nVal, regionId, sFill, sVal
from palette import FeatureStore, MLPipeline, MLPipelineModel, PaletteTransformer
from palette.serving.stages import local_form
from palette.serving.stages.vectors import incoming_vector
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.clustering import BisectingKMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GBTRegressor, LinearRegression, RandomForestRegressor
from pyspark.sql.utils import is_remote
from tests.eats import NOW, differences, orders, rows_of, scored, write

home = Path(sys.argv[1])
answers = {}


def tell(name, value):
    answers[name] = value
    print("ANSWERS " + json.dumps(answers), flush=True)


def told(frame):
    return {str(key): {name: repr(value) for name, value in row.items()} for key, row in rows_of(frame).items()}


spark = palette.spark_session(remote="local[2]", **{"spark.sql.shuffle.partitions": 2})
tell("remote", is_remote())
store = FeatureStore(home / "store")
write(spark, store)
basis = orders(spark)
names = {"prep": "restaurant:kitchen:prep:r_id", "ride": "route:trips:ride:origin,dest"}
for hint in ("broadcast", "partitioned", "shuffle"):
    tell(hint, told(store.training_set(basis, names, timestamp="at", hint=hint, status=True)))

prep = nVal(names["prep"])
first = DSLEstimator(lambdas={
    "prep": nFill(prep, mean(prep)),
    "area": sFill(sVal("restaurant:kitchen:zone:r_id"), "z0"),
    "place": regionId(nVal("basis:size") + 40, nVal("basis:minutes") - 100),
})
second = DSLEstimator(lambdas={"busy": nFill(nVal("region:traffic:busy:area"), 0), "n": iVal("basis:id")})
assembler = VectorAssembler(inputCols=["prep", "busy", "size"], outputCol="features")
regression = LinearRegression(labelCol="minutes", maxIter=3)
pipeline = MLPipeline(first, second, assembler, regression, store=store, timestampCol="at")
model = pipeline.fit(basis)
tell("pipeline", told(model.transform(basis)))
tell("schema", [f"{field.name} {field.dataType.simpleString()}" for field in model.transformSchema(basis.schema)])

path = str(home / "model")
model.save(path)
model.write().overwrite().save(path)
tell("loaded", told(MLPipelineModel.load(path).transform(basis)))
pipeline.write().overwrite().save(str(home / "pipeline"))
pipeline.write().overwrite().save(str(home / "pipeline"))
tell("refitted", told(MLPipeline.load(str(home / "pipeline")).fit(basis).transform(basis)))

look_up = PaletteTransformer(store=store, features=names, timestampCol="at")
look_up.write().overwrite().save(str(home / "look_up"))
look_up.write().overwrite().save(str(home / "look_up"))
dsl = DSLEstimator(lambdas={"filled": nFill(prep, mean(prep))})
plain = Pipeline(stages=[PaletteTransformer.load(str(home / "look_up")), dsl]).fit(basis)
plain.write().overwrite().save(str(home / "plain"))
tell("plain", told(PipelineModel.load(str(home / "plain")).transform(basis)))

snapshot = store.snapshot(at=NOW)
at_now = orders(spark, rows=8, at=NOW)
transformed = rows_of(model.transform(at_now))
found = scored(model, [row.asDict() for row in at_now.collect()], store=snapshot, now=NOW)
expected = {key: {name: row[name] for name in found[key]} for key, row in transformed.items()}
tell("scoring", differences(expected, found))
features = model.transform(basis).select("id", "features", "minutes")
differ = []
for estimator in (
    GBTRegressor(labelCol="minutes", maxIter=3, maxDepth=3),
    RandomForestRegressor(labelCol="minutes", numTrees=3, maxDepth=3),
    BisectingKMeans(k=3),
):
    fitted = estimator.fit(features)
    local, output = local_form(fitted), fitted.getPredictionCol()
    for row in fitted.transform(features).collect():
        mine = local.compute(incoming_vector(row["features"], "features"))[0]
        if abs(mine - row[output]) > 1e-12 * abs(mine):
            differ.append([type(fitted).__name__, mine, row[output]])
tell("models", differ)
store.optimize("restaurant:kitchen")
store.vacuum("restaurant:kitchen")
tell("pins", sorted(store.catalog.pins.all()))
done = model.deploy("eta", training=basis)
taken = store.catalog.models.statistics("model:eta:1", "training")
roles = {name: one["role"] for name, one in taken["columns"].items()}
tell("deployed", {"features": dict(done.features), "rows": taken["rows"], "roles": roles})
tell("importances", store.models("eta")[0].details["deployment"]["importances"])
spark.stop()
"""


@pytest.fixture(scope="module")
def connect(tmp_path_factory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("connect")
    (home / "script.py").write_text(SCRIPT)
    root = Path(__file__).parent.parent
    command = [sys.executable, str(home / "script.py"), str(home)]
    done = subprocess.run(
        command,
        cwd=root,
        env=connecting(PYTHONPATH=str(root)),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    answers = done.stdout.rpartition("ANSWERS ")[2]
    assert done.returncode == 0, f"after {list(json.loads(answers or '{}'))}: {done.stderr[-4000:]}"
    return json.loads(answers)


@pytest.fixture(scope="module")
def expected(eats) -> dict[str, Any]:
    """What classic Spark answers."""
    from tests.eats import rows_of

    def told(frame):
        return {str(key): {name: repr(value) for name, value in row.items()} for key, row in rows_of(frame).items()}

    names = {"prep": "restaurant:kitchen:prep:r_id", "ride": "route:trips:ride:origin,dest"}
    return {"look_up": told(eats.store.training_set(eats.orders, names, timestamp="at", status=True))}


def test_the_session_is_remote(connect):
    assert connect["remote"] is True


@pytest.mark.parametrize("hint", ["broadcast", "partitioned", "shuffle"])
def test_both_join_plans_answer_as_classic_spark_does(connect, expected, hint):
    assert connect[hint] == expected["look_up"]


def test_pipelines_fit_transform_save_and_load(connect):
    assert connect["pipeline"] == connect["loaded"] == connect["refitted"]
    assert connect["schema"][-4:] == ["busy double", "n bigint", "features vector", "prediction double"]
    row = connect["pipeline"]["1"]
    assert len(row["place"]) == len("'882a100d2bfffff'")


def test_stages_work_in_a_plain_pipeline(connect):
    means = {row["filled"] for row in connect["plain"].values() if row["prep"] == "None"}
    assert len(means) == 1
    assert all(row["filled"] == row["prep"] for row in connect["plain"].values() if row["prep"] not in ("None", "nan"))


def test_score_instance_agrees_with_transform(connect):
    assert connect["scoring"] == []


def test_models_that_show_nothing_have_local_forms(connect):
    assert connect["models"] == []


def test_models_saved_through_connect_keep_their_versions(connect):
    assert len(connect["pins"]) == 1
    assert connect["pins"][0].startswith("model:/")
    assert connect["pins"][0].endswith("/model")


def test_deploying_takes_statistics_and_importances(connect):
    features = connect["deployed"]["features"]
    assert set(features) == {"restaurant:kitchen:prep", "restaurant:kitchen:zone", "region:traffic:busy"}
    assert features["restaurant:kitchen:zone"] is None, "it is only a join key"
    assert 0 < features["restaurant:kitchen:prep"] < 1
    assert connect["importances"] == "scaled coefficients"
    assert connect["deployed"]["rows"] == 20
    roles = connect["deployed"]["roles"]
    assert (roles["r_id"], roles["size"], roles["prediction"]) == ("key", "input", "prediction")
    assert roles["restaurant:kitchen:prep:r_id"] == "feature"
