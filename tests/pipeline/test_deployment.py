"""Deployments: the bundle, what the catalog learns, importances, and that nothing is half done."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import (
    PCA,
    OneHotEncoder,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.regression import DecisionTreeRegressor, LinearRegression
from pyspark.sql import functions as F

from dsl import DSLEstimator, iVal, mean, nFill, nVal, sFill, sVal
from palette import FeatureStore, MLPipeline
from palette.errors import ArgumentError, CatalogError, DataError, DefinitionError, SchemaError
from palette.pipeline.deploy.feature_tracing import Tracer
from palette.pipeline.deploy.importances import importances, model_weights
from palette.pipeline.planning.nested_stages import flat_stages
from palette.serving import LocalPipeline
from tests.eats import NOW, orders, write

pytestmark = pytest.mark.spark

PREP, MEALS, ZONE = (f"restaurant:kitchen:{name}:r_id" for name in ("prep", "n_meal", "zone"))
BUSY = "region:traffic:busy:area"
LAMBDAS = {
    "prep": nFill(nVal(PREP), mean(nVal(PREP))),
    "load": nFill(nVal(MEALS), 0) * nFill(nVal(PREP), 1),
    "area": sFill(sVal(ZONE), "z0"),
    "size": nVal("basis:size") + 1,
}
SECOND = {"busy": nFill(nVal(BUSY), 0)}
FEATURES = ("restaurant:kitchen:prep", "restaurant:kitchen:n_meal", "restaurant:kitchen:zone", "region:traffic:busy")


@pytest.fixture(scope="module")
def home(spark, tmp_path_factory):
    """A store of its own: deploying changes the catalog."""
    store = FeatureStore(tmp_path_factory.mktemp("deployed") / "store")
    write(spark, store)
    return store


@pytest.fixture(scope="module")
def basis(spark):
    return orders(spark, 60).filter("r_id IS NOT NULL AND at IS NOT NULL").cache()


def pipeline(store, *stages):
    first, second = DSLEstimator(lambdas=LAMBDAS), DSLEstimator(lambdas=SECOND)
    return MLPipeline(first, second, *stages, store=store, timestampCol="at")


def encoded(*estimators):
    return (
        StringIndexer(inputCol="area", outputCol="index"),
        OneHotEncoder(inputCol="index", outputCol="zones"),
        VectorAssembler(inputCols=["prep", "zones", "load", "size", "busy"], outputCol="vector"),
        *estimators,
    )


@pytest.fixture(scope="module")
def trees(home, basis):
    tree = DecisionTreeRegressor(featuresCol="vector", labelCol="minutes", maxDepth=4, seed=1)
    return pipeline(home, *encoded(tree)).fit(basis)


@pytest.fixture(scope="module")
def linear(home, basis):
    scaled = StandardScaler(inputCol="vector", outputCol="scaled", withMean=True)
    regression = LinearRegression(featuresCol="scaled", labelCol="minutes", solver="normal", regParam=0.1)
    return pipeline(home, *encoded(scaled, regression)).fit(basis)


def copy_of(store, tmp_path):
    """Return a store with the same definitions and no models."""
    other = FeatureStore(tmp_path / "other")
    other.apply(*store.catalog.definitions.entities().values(), *store.catalog.definitions.groups().values())
    return other


def test_the_bundle_and_what_the_catalog_learns(home, trees, basis, spark):
    seen = spark.sparkContext.accumulator(0)

    def count(number):
        seen.add(1)
        return number

    watched = basis.withColumn("size", F.udf(count, "bigint").asNondeterministic()("size"))
    done = trees.deploy("eta", training=watched, details={"auc": 0.9})
    assert seen.value == basis.count(), "one pass"
    assert (done.name, done.version, done.stage) == ("eta", 1, "shadow")
    with open(f"{done.uri}/bundle.json", "rb") as manifest:
        assert done.uri == f"{home.uri}/models/eta/{hashlib.sha256(manifest.read()).hexdigest()}"
    assert os.listdir(f"{home.uri}/models/eta") == [os.path.basename(done.uri)]
    assert os.stat(done.uri).st_mode & 0o777 == 0o755
    (record,) = home.models("eta")
    assert record.features == done.features
    assert (record.uri, record.stage, record.details["auc"]) == (done.uri, "shadow", 0.9)
    assert record.details["deployment"]["pins"] == trees.getPins()
    assert home.catalog.pins.all()["model:eta:1"] == trees.getPins()
    assert set(done.features) == set(FEATURES)
    assert {one.model for one in home.catalog.models.uses(features=FEATURES)} == {"eta"}
    local = LocalPipeline.load(done.uri, home.snapshot(at=NOW))
    latest = trees.copy()
    latest.clear(latest.timestampCol)
    row = {"r_id": "r2", "size": 3}
    assert local.score_instance(row, now=NOW) == latest.score_instance(row, store=home.snapshot(at=NOW), now=NOW)

    found = home.catalog.models.statistics("model:eta:1", "training")
    columns = found["columns"]
    assert found["rows"] == basis.count()
    assert {name: one["role"] for name, one in columns.items()} == {
        "r_id": "key", "size": "input", PREP: "feature", MEALS: "feature", ZONE: "feature", BUSY: "feature",
        "prediction": "prediction",
    }  # fmt: skip
    raw = home.training_set(basis, {"prep": PREP, "zone": ZONE}, timestamp="at", version=trees.getPins())
    expected = raw.agg(F.mean(F.nanvl("prep", F.lit(None))), F.count("prep"), F.count("zone"), F.max("size")).first()
    assert columns[PREP]["mean"] == pytest.approx(expected[0])
    assert (columns[PREP]["count"], columns[ZONE]["count"]) == tuple(expected[1:3])
    assert columns["size"]["max"] == expected[3], "as it came, not what a stage makes of it"
    zones = {row["zone"]: row["count"] for row in raw.groupBy("zone").count().collect() if row["zone"] is not None}
    assert dict(columns[ZONE]["categories"]) == zones
    predicted = trees.transform(basis).agg(F.mean("prediction")).first()[0]
    assert columns["prediction"]["mean"] == pytest.approx(predicted)


def test_importances_of_trees_reach_the_features(trees):
    raw = [float(one) for one in trees.stages[-1].featureImportances.toArray()]
    zones = len(raw) - 4
    expected = {
        "restaurant:kitchen:prep": raw[0] + raw[1 + zones] / 2,
        "restaurant:kitchen:zone": sum(raw[1 : 1 + zones]),
        "restaurant:kitchen:n_meal": raw[1 + zones] / 2,
        "basis:size": raw[2 + zones],
        "region:traffic:busy": raw[3 + zones],
    }
    tracer = Tracer(trees)
    found = importances(model_weights(tracer.stages), tracer, None)
    assert found.kind == "trees"
    assert found.values == pytest.approx(expected)
    assert sum(found.values.values()) == pytest.approx(1)


def test_importances_of_coefficients_are_scaled_where_there_is_data(linear, basis, home, tmp_path):
    tracer = Tracer(linear)
    assert importances(model_weights(tracer.stages), tracer, None).kind == "coefficients"
    other = copy_of(home, tmp_path)
    done = other.deploy(linear, "eta", training=basis)
    details = other.models("eta")[0].details["deployment"]
    assert details["importances"] == "scaled coefficients"
    raw = [abs(float(one)) for one in linear.stages[-1].coefficients.toArray()]
    total = sum(raw)
    # The vector is standardised, so that each deviation is 1.
    assert done.features["region:traffic:busy"] == pytest.approx(raw[-1] / total, rel=1e-6)
    assert details["inputs"] == pytest.approx({"size": raw[-2] / total}, rel=1e-6)
    assert sum(done.features.values()) + details["inputs"]["size"] == pytest.approx(1)
    assert other.catalog.pins.all() == {}, "of another store's tables"
    linear.copy().setStore(other).deploy("eta")
    assert other.catalog.pins.all() == {}, "even if it is used with another store since"


def test_a_store_is_the_same_by_whatever_name(linear, home, tmp_path):
    (tmp_path / "palette.yaml").write_text(f"path: {home.uri}\nmodels: {tmp_path}/models\n")
    done = linear.deploy("eta_of_file", store=str(tmp_path / "palette.yaml"))
    assert home.catalog.pins.all()[f"model:eta_of_file:{done.version}"] == linear.getPins()


@pytest.mark.parametrize(
    ("stages", "known"),
    [
        pytest.param(lambda: [PCA(k=2, inputCol="vector", outputCol="x")], True, id="mixed"),
        pytest.param(lambda: [SQLTransformer(statement="SELECT *, vector AS x FROM __THIS__")], False, id="sql"),
        pytest.param(lambda: [VectorAssembler(inputCols=["vector"], outputCol="x")], True, id="nested"),
    ],
)
def test_what_is_not_known_is_not_guessed(home, basis, stages, known):
    regression = LinearRegression(featuresCol="x", labelCol="minutes", solver="normal", regParam=0.1)
    model = pipeline(home, *encoded(*stages(), regression)).fit(basis)
    tracer = Tracer(model)
    found = importances(model_weights(tracer.stages), tracer, None)
    if not known:
        assert (found.kind, found.values) == (None, {})
        return
    assert set(found.values) == {*FEATURES, "basis:size"}
    assert sum(found.values.values()) == pytest.approx(1)


def test_models_without_importances_and_inside_pipelines(home, basis):
    plain = pipeline(home).fit(basis)
    assert model_weights(list(flat_stages(plain.runnable()))) is None
    several = LogisticRegression(featuresCol="vector", labelCol="id", maxIter=1)
    inner = Pipeline(stages=[VectorAssembler(inputCols=["prep", "busy"], outputCol="vector"), several])
    few = basis.withColumn("id", F.col("id") % 3)
    tracer = Tracer(pipeline(home, inner).fit(few))
    found = importances(model_weights(tracer.stages), tracer, None)
    assert set(found.values) == {"restaurant:kitchen:prep", "region:traffic:busy"}
    assert sum(found.values.values()) == pytest.approx(1)


@pytest.mark.parametrize(("booster", "known"), [("gbtree", True), ("gblinear", False)])
def test_gains_of_boosters(booster, known):
    import xgboost

    values = np.array([[n % 7, n % 3, 1.0] for n in range(50)])
    data = xgboost.DMatrix(values, label=values[:, 0] * 2)
    trained = xgboost.train({"booster": booster}, data, num_boost_round=2)

    class Boosted:
        def get_booster(self):
            return trained

    found = model_weights([Boosted()])
    assert (found is not None) is known
    if found is not None:
        assert len(found.values) == 3
        assert found.values[0] > found.values[1] >= found.values[2] == 0.0


def test_versions_stages_and_the_same_bundle_again(home, trees, linear, tmp_path):
    store = copy_of(home, tmp_path)
    first = trees.deploy("eta", store=store, stage="production")
    second = linear.deploy("eta", store=store, stage="production")
    third = trees.deploy("eta", store=store)
    assert (first.version, second.version, third.version) == (1, 2, 3)
    assert first.uri == third.uri != second.uri
    assert {one.version: one.stage for one in store.models("eta")} == {1: "retired", 2: "production", 3: "shadow"}
    assert str(store.bundle("eta")) == second.uri
    assert store.rollback("eta") == 1
    assert str(store.bundle("eta")) == first.uri
    with open(f"{first.uri}/plan.json", "a") as file:
        file.write(" ")
    with pytest.raises(DataError, match="damaged"):
        LocalPipeline.load(first.uri)
    assert trees.deploy("eta", store=store).uri == first.uri
    LocalPipeline.load(first.uri)
    assert len(os.listdir(f"{store.uri}/models/eta")) == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("../eta", {}, "cannot name a model"),
        ("", {}, "cannot name a model"),
        ("eta\n", {}, "cannot name a model"),
        ("e" * 65, {}, "cannot name a model"),
        ("eta", {"stage": "retired"}, "to shadow or production"),
        ("eta", {"details": {"auc": float("nan")}}, "not serializable as JSON"),
        ("eta", {"details": {"deployment": 1}}, "is reserved; choose another one"),
    ],
)
def test_what_cannot_be_leaves_nothing(home, trees, tmp_path, name, options, message):
    store = FeatureStore(tmp_path / "store")
    with pytest.raises((ArgumentError, DefinitionError), match=message):
        trees.deploy(name, store=store, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_plain_pipeline_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ArgumentError, match=r"PipelineModel cannot be deployed: .*MLPipeline\(\*stages, store=...\)"):
        FeatureStore(tmp_path / "store").deploy(PipelineModel([]), "eta")


def test_a_stage_without_local_form_leaves_nothing(home, basis, tmp_path):
    model = pipeline(home, SQLTransformer(statement="SELECT *, 1 AS one FROM __THIS__")).fit(basis)
    with pytest.raises(SchemaError, match="has no local form"):
        model.deploy("eta", store=FeatureStore(tmp_path / "store"))
    assert not (tmp_path / "store/models").exists()


def test_where_the_catalog_fails_the_bundle_harms_nobody(home, trees, tmp_path, monkeypatch):
    store = copy_of(home, tmp_path)

    def fails(*_, **__):
        raise CatalogError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(store.catalog.models, "record", fails)
        with pytest.raises(CatalogError):
            trees.deploy("eta", store=store)
    assert store.models() == []
    assert len(os.listdir(f"{store.uri}/models/eta")) == 1
    done = trees.deploy("eta", store=store)
    assert (done.version, os.listdir(f"{store.uri}/models/eta")) == (1, [os.path.basename(done.uri)])


def test_without_a_store_one_must_be_named(basis, tmp_path):
    model = MLPipeline(DSLEstimator(lambdas={"size": iVal("basis:size")})).fit(basis)
    with pytest.raises(DefinitionError, match="store="):
        model.deploy("eta")
    done = model.deploy("eta", store=str(tmp_path / "store"), training=basis)
    assert (done.version, done.features) == (1, {})
    found = FeatureStore(tmp_path / "store").catalog.models.statistics("model:eta:1", "training")["columns"]
    assert {name: one["role"] for name, one in found.items()} == {"size": "prediction"}
