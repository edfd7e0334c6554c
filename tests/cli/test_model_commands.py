"""The commands about models: what they print, and how they refuse."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import DecisionTreeRegressor
from typer.testing import CliRunner

from dsl import DSLEstimator
from palette import MLPipeline
from palette.catalog import ModelRecord
from palette.catalog.feeds.state import FeedState
from palette.cli.app import app
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.store import FeatureStore

PREP, MEALS = "restaurant:history:prep", "restaurant:history:n_meal"


@pytest.fixture
def store(tmp_path):
    """A store with two versions of a model, the first in production."""
    (tmp_path / "palette.yaml").write_text("path: store\n")
    store = FeatureStore.from_config(tmp_path / "palette.yaml")
    source = BatchSource(sql="SELECT * FROM orders")
    features = [Feature("prep", "double"), Feature("n_meal", "bigint")]
    store.apply(
        Entity("restaurant", keys={"r_id": "string"}),
        FeatureGroup("history", entity="restaurant", features=features, source=source),
    )
    importances = {PREP: 0.25, MEALS: 0.75}
    first = ModelRecord("eta", importances, stage="production", uri="/models/eta/a", details={"auc": 0.9})
    store.catalog.models.record_all([first, ModelRecord("eta", {PREP: None}), ModelRecord("etb", {})], who="ada")
    return store


@pytest.fixture
def run(store, tmp_path):
    def run(command, *arguments):
        return CliRunner().invoke(app, [command, *map(str, arguments), "--config", str(tmp_path / "palette.yaml")])

    return run


def test_models_and_one_of_them(run):
    lines = run("models").output.splitlines()
    assert lines[0].split() == ["model", "production", "newest", "features", "by", "at"]
    assert lines[1].split()[:5] == ["eta", "1", "2", "1", "ada"]
    assert [one["name"] for one in json.loads(run("models", "--json").output)] == ["eta", "etb"]
    shown = run("models", "eta").output
    assert "version 1 uses" in shown
    assert shown.index(MEALS) < shown.index(PREP), "by importance"
    assert "/models/eta/a" in shown
    assert "deployed" in shown
    told = json.loads(run("models", "eta", "--json").output)
    assert [(one["version"], one["stage"]) for one in told["versions"]] == [(1, "production"), (2, "shadow")]
    assert told["versions"][0]["features"] == {PREP: 0.25, MEALS: 0.75}
    assert told["versions"][0]["details"] == {"auc": 0.9}
    assert [(one["version"], one["who"]) for one in told["changes"]] == [(1, "ada")]


def test_what_a_version_was_trained_on(run, store):
    number = {
        "role": "input",
        "type": "double",
        "null_rate": 0.25,
        "mean": 1.5,
        "max": {"float": "inf"},
        "sketch": "AA==",
    }
    content = {"rows": 2000, "quantiles": [0.5], "columns": {"size": number, "city": {"role": "key", "distinct": 7}}}
    store.catalog.models.set_statistics("model:eta:1", "training", content)
    first, second = json.loads(run("models", "eta", "--json").output)["versions"]
    assert (first["statistics"]["rows"], second["statistics"]) == (2000, None)
    assert first["statistics"]["columns"]["size"] == {word: one for word, one in number.items() if word != "sketch"}
    lines = [line.split() for line in run("models", "eta", "--statistics").output.splitlines()]
    place = lines.index(["version", "1", "was", "trained", "on", "2,000", "rows"])
    assert lines[place + 2 : place + 4] == [
        ["size", "25.0%", "input", "double", "1.5", "inf"],
        ["city", "key", "7"],
    ]
    store.catalog.models.record_all([ModelRecord("bare", {})])
    assert (
        "no statistics of version 1 were stored: deploy it with --training"
        in run("models", "bare", "--statistics").output
    )


def test_times_are_iso_8601(run, store):
    noon = dt.datetime(2026, 1, 1, 12)
    store.catalog.feeds.set_state("restaurant:history", FeedState(noon, backfills={"0123456789abcdef": noon}))
    group = json.loads(run("show", "restaurant:history", "--json").output)
    assert group["watermarks"] == {"offline": "2026-01-01T12:00:00"}
    model = json.loads(run("models", "eta", "--json").output)
    texts = [group["versions"][0]["at"], model["versions"][0]["at"], model["changes"][0]["at"]]
    texts.append(json.loads(run("models", "--json").output)[0]["at"])
    assert [dt.datetime.fromisoformat(text).isoformat() for text in texts] == texts


def test_no_models_yet(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: store\n")
    done = CliRunner().invoke(app, ["models", "--config", str(tmp_path / "palette.yaml")])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "no model was deployed")


def test_promote_and_roll_back(run, store):
    assert run("promote", "eta", 2).output == "eta version 2 is in production\n"
    assert {one.version: one.stage for one in store.models("eta")} == {1: "retired", 2: "production"}
    assert run("rollback", "eta").output == "eta version 1 is in production\n"
    assert run("promote", "eta", 2, "--stage", "shadow").output == "eta version 2 is in shadow\n"
    assert {one.version: one.stage for one in store.models("eta")} == {1: "production", 2: "shadow"}


def test_moves_are_told_to_machines(run):
    told = [json.loads(run(*words, "--json").output) for words in (("promote", "eta", 2), ("rollback", "eta"))]
    assert told == [{"name": "eta", "version": number, "stage": "production"} for number in (2, 1)]


def test_lineage_for_people_machines_and_graphviz(run):
    assert run("lineage", PREP).output.splitlines() == [
        f"feature {PREP}",
        "comes from",
        "└─ group restaurant:history",
        "   └─ table orders",
        "goes into",
        "└─ model eta  (versions 1, 2; production 1)",
    ]
    assert json.loads(run("lineage", "orders", "--json").output)["subject"] == {"kind": "table", "name": "orders"}
    assert run("lineage", "eta", "--dot").output.startswith("digraph lineage {\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "etaa"], "no model 'etaa'; did you mean 'eta'"),
        (["models", "--statistics"], "--statistics needs the name of a model"),
        (["promote", "eta", 9], "no version 9 (it has 1, 2)"),
        (["rollback", "etb"], "no other version was in production; promote one"),
        (["lineage", "etaa"], "did you mean 'eta'"),
        (["lineage", "eta", "--dot", "--json"], "either --json or --dot"),
        (["deploy", "nowhere", "eta"], "no saved pipeline at 'nowhere'"),
    ],
)
def test_faults_are_a_line(run, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.startswith(f"palette {arguments[0]}: ")
    assert done.output.count("\n") == 1


def test_the_bundles_may_lie_elsewhere(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: store\nmodels: shelf\n")
    assert FeatureStore.from_config(tmp_path / "palette.yaml").models_directory == str(tmp_path / "shelf")
    assert FeatureStore(tmp_path / "store").models_directory == str(tmp_path / "store/models")


@pytest.mark.spark
def test_a_saved_pipeline_is_deployed(run, store, spark, tmp_path):
    rows = spark.sql("SELECT 'r' || id % 3 AS r_id, id % 3 + 0.5D AS prep, id % 3 AS n_meal FROM range(30)")
    store.write("restaurant:history", rows.limit(3))
    basis = spark.sql("SELECT 'r' || id % 3 AS r_id, id % 5 * 1D AS size, id * 1D AS minutes FROM range(30)")
    basis.write.parquet(str(tmp_path / "basis.parquet"))
    lambdas = {"prep": f"nFill(nVal('{PREP}:r_id'), 0)", "size": "nFill(nVal('basis:size'), 0)"}
    assembler = VectorAssembler(inputCols=["prep", "size"], outputCol="features")
    tree = DecisionTreeRegressor(labelCol="minutes", maxDepth=2)
    fitted = MLPipeline(DSLEstimator(lambdas=lambdas), assembler, tree, store=store).fit(basis)
    fitted.save(str(tmp_path / "saved"))
    done = run("deploy", tmp_path / "saved", "tree", "--training", tmp_path / "basis.parquet", "--stage", "production")
    assert done.exit_code == 0, done.output
    first, *table = done.output.splitlines()
    (bundle,) = (tmp_path / "store/models/tree").iterdir()
    assert first == f"tree version 1 is in production: {bundle}"
    assert table[1].split()[0] == PREP
    assert store.catalog.models.statistics("model:tree:1", "training")["rows"] == 30
    told = json.loads(run("deploy", tmp_path / "saved", "tree", "--json").output)
    assert (told["version"], told["stage"], told["uri"]) == (2, "shadow", str(bundle))
    (row,) = fitted.transform(basis.limit(1)).collect()
    asked = json.dumps({"r_id": row["r_id"], "size": basis.first()["size"]})
    snapshot = str(tmp_path / "snapshot")
    store.snapshot().save(snapshot)
    scored = CliRunner().invoke(app, ["score", told["uri"], "--row", asked, "--store", snapshot])
    assert json.loads(scored.output)["prediction"] == row["prediction"]
    refused = run("deploy", tmp_path / "saved", "../tree")
    assert refused.exit_code == 2
    assert "cannot name a model" in refused.output
