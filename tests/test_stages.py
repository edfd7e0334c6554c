"""Every public stage keeps the conventions of Spark ML and of this project."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Estimator, Pipeline, PipelineModel, Transformer
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression

from dsl import DSLEstimator, bVal, if_, mean, nFill, nVal, quantile, sFill, sVal, zScore
from palette import MLPipeline, PaletteTransformer
from tests import stage_checks
from tests.eats import NOW, differences, rows_of
from tests.jvm import QUICK
from tests.stage_checks import Subject

pytestmark = [pytest.mark.spark, pytest.mark.slow]

KITCHEN = "restaurant:kitchen"
LOOKED_UP = {
    "prep": f"{KITCHEN}:prep:r_id",
    "n_meal": f"{KITCHEN}:n_meal:r_id",
    "chef": f"{KITCHEN}:chef:r_id",
    "open": f"{KITCHEN}:open:r_id",
    "taste": "restaurant:menu:taste:r_id",
    "ride": "route:trips:ride:origin,dest",
}


def expressions() -> dict[str, Any]:
    prep = nVal(LOOKED_UP["prep"])
    return {
        "prep_filled": nFill(prep, mean(prep)),
        "meals": nFill(nVal(LOOKED_UP["n_meal"])),
        "spread": nFill(zScore(nVal("basis:size")), 0),
        "cook": sFill(sVal(LOOKED_UP["chef"]), "?"),
        "is_open": if_(bVal(LOOKED_UP["open"]), 1.0, nVal(LOOKED_UP["ride"])),
        "taste": "vVal('restaurant:menu:taste:r_id')",
    }


def pipeline(store: Any) -> MLPipeline:
    first = DSLEstimator(
        lambdas={
            "area": sFill(sVal(f"{KITCHEN}:zone:r_id"), "z0"),
            "prep": nFill(nVal(LOOKED_UP["prep"]), quantile(nVal(LOOKED_UP["prep"]), 0.5)),
        }
    )
    second = DSLEstimator(
        lambdas={"busy": nFill(nVal("region:traffic:busy:area"), 0), "ride": nFill(nVal(LOOKED_UP["ride"]))}
    )
    assembler = VectorAssembler(inputCols=["prep", "busy", "ride", "size"], outputCol="vector")
    regression = LinearRegression(featuresCol="vector", labelCol="minutes", maxIter=3, regParam=0.1)
    return MLPipeline(first, second, assembler, regression, store=store, timestampCol="at")


@pytest.fixture(scope="session")
def subjects(eats) -> dict[str, Subject]:
    """A configured stage of every public class."""
    store, snapshot, basis = eats.store, eats.store.snapshot(at=NOW), eats.orders.persist()

    def look_up(orders):
        names = {f"f_{column}": name for column, name in LOOKED_UP.items()}
        return store.training_set(orders, names, timestamp="at")

    def transformer():
        return PaletteTransformer(store=store, features=LOOKED_UP, timestampCol="at")

    def estimator():
        return DSLEstimator(lambdas=expressions())

    features = look_up(basis).persist()

    def model():
        return pipeline(store).fit(basis)

    asked = {"r_id": "r_id", "at": "at", "dest": "dest"}
    columns = {"size": "size", **{f"f_{column}": f"f_{column}" for column in LOOKED_UP}}
    subject = {
        "PaletteTransformer": (transformer, basis, asked, ("prep", "ride"), None),
        "DSLEstimator": (estimator, features, {"size": "size", "f_prep": LOOKED_UP["prep"]}, ("taste",), look_up),
        "DSLModel": (lambda: estimator().fit(features), features, columns, ("prep_filled",), look_up),
        "MLPipeline": (lambda: pipeline(store), basis, asked, ("area", "vector", "prediction"), None),
        "MLPipelineModel": (model, basis, asked, ("vector", "busy"), None),
    }
    return {
        name: Subject(make(), frame, inputs, outputs, at or (lambda orders: orders), snapshot)
        for name, (make, frame, inputs, outputs, at) in subject.items()
    }


def public_stages() -> list[str]:
    """Find the public classes that are stages."""
    found = []
    for package in ("palette", "dsl"):
        module = importlib.import_module(package)
        values = {name: getattr(module, name) for name in module.__all__}
        classes = {name: value for name, value in values.items() if isinstance(value, type)}
        found += [name for name, value in classes.items() if issubclass(value, (Estimator, Transformer))]
    return sorted(found)


STAGES = pytest.mark.parametrize("name", public_stages())


@pytest.mark.parametrize("check", stage_checks.ALL, ids=lambda check: check.__name__.removeprefix("check_"))
@STAGES
def test_stage(name, check, subjects):
    check(subjects[name])


SECOND = """
import json, sys
import palette
from pyspark.ml.util import DefaultParamsReader
from pyspark.ml import Estimator
from tests.eats import rows_of

spark = palette.spark_session(master="local[2]", **{"spark.sql.shuffle.partitions": 1, "spark.log.level": "ERROR"})
home, names = sys.argv[1], sys.argv[2:]
answers = {}
for name in names:
    basis = spark.read.parquet(f"{home}/{name}.basis")
    for way in ("alone", "inside"):
        stage = DefaultParamsReader.loadParamsInstance(f"{home}/{name}.{way}", spark)
        fitted = stage.fit(basis) if isinstance(stage, Estimator) else stage
        rows = rows_of(fitted.transform(basis))
        told = {key: {column: repr(value) for column, value in row.items()} for key, row in rows.items()}
        answers[f"{name} {way}"] = {"uid": stage.uid, "type": type(stage).__name__, "rows": told}
print("ANSWERS " + json.dumps(answers))
"""


@pytest.fixture(scope="session")
def second_process(subjects, tmp_path_factory) -> dict[str, Any]:
    """Save every stage, alone and inside Spark's own pipeline, and run it in another process."""
    home = tmp_path_factory.mktemp("saved")
    for name, subject in subjects.items():
        subject.basis.write.parquet(str(home / f"{name}.basis"))
        whole = Pipeline(stages=[subject.stage]) if subject.is_estimator else PipelineModel([subject.stage])
        for way, stage in (("alone", subject.stage), ("inside", whole)):
            stage.write().overwrite().save(str(home / f"{name}.{way}"))
    done = subprocess.run(
        [sys.executable, "-c", SECOND, str(home), *subjects],
        cwd=Path(__file__).parent.parent,
        env=os.environ | QUICK,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("ANSWERS ")[1])


@pytest.mark.parametrize("way", ["alone", "inside"])
@STAGES
def test_round_trip_in_a_second_process(name, way, subjects, second_process):
    subject, found = subjects[name], second_process[f"{name} {way}"]
    assert found["uid"] == subject.stage.uid or way == "inside"
    assert found["type"] == type(subject.stage).__name__ or way == "inside"
    told = {str(key): {column: repr(value) for column, value in row.items()} for key, row in subject.answer.items()}
    assert found["rows"] == told


def test_saving_twice_without_overwrite_is_refused(subjects, tmp_path):
    for name, subject in subjects.items():
        subject.stage.save(str(tmp_path / name))
        with pytest.raises(Exception, match="exist"):
            subject.stage.save(str(tmp_path / name))
        subject.stage.write().overwrite().save(str(tmp_path / name))


def test_params_reach_the_model_through_a_map(subjects, eats):
    """A param map keyed by the pipeline's Param works on fit and, as the uid is kept, on the model's transform."""
    stage = pipeline(eats.store)
    kept = stage.fit(eats.orders, {stage.keepFeatures: True})
    assert kept.getKeepFeatures()
    dropped = kept.transform(eats.orders, {stage.keepFeatures: False})
    assert not [column for column in dropped.columns if ":" in column]
    assert not differences(rows_of(dropped), subjects["MLPipeline"].answer)
