"""``model:NAME``: the bundle that the catalog says is in production, in another stage, or of a version."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.catalog import ModelRecord
from palette.cli.app import app
from palette.cli.bundle_arguments import find_bundle
from palette.service import server
from palette.serving import LocalPipeline
from palette.store import FeatureStore
from tests.service.asked import basis_plan


@pytest.fixture
def config(tmp_path):
    """A store with three versions of a model that multiplies by the number of its version; the second is in use."""
    config = tmp_path / "palette.yaml"
    config.write_text("path: store\nonline: lmdb:online\n")
    catalog = FeatureStore.open(config).catalog
    for version, stage in ((1, "retired"), (2, "production"), (3, "shadow")):
        uri = tmp_path / f"bundles/{version}"
        LocalPipeline(basis_plan({"y": f"nVal('basis:x') * {version}"}, x="double")).save(uri)
        catalog.models.record(ModelRecord("eta", {}, stage=stage, uri=str(uri)))
    catalog.models.record(ModelRecord("bare", {}))
    return config


@pytest.mark.parametrize(
    ("named", "factor"), [("model:eta", 2), ("model:eta@shadow", 3), ("model:eta@1", 1), ("model:eta@production", 2)]
)
def test_rows_are_scored_by_what_the_catalog_names(config, named, factor):
    done = CliRunner().invoke(app, ["score", named, "--row", '{"x": 5}', "--config", str(config)])
    assert (done.exit_code, json.loads(done.output)) == (0, {"y": 5.0 * factor})


def test_a_rollback_counts_from_the_next_start_on(config):
    store = FeatureStore.open(config)
    store.promote("eta", 3)
    assert find_bundle("model:eta", config).path == store.models("eta")[2].uri
    store.rollback("eta")
    assert find_bundle("model:eta", config).path == store.models("eta")[1].uri


def test_a_service_has_the_model_under_its_name_and_the_store_of_the_configuration(config, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(server, "serve", lambda settings: asked.append(settings) or 0)
    directory = str(tmp_path / "bundles/1")
    words = ["serve", "model:eta", directory, "model:eta@3", "--name", "now", "--config", str(config)]
    assert CliRunner().invoke(app, [*words[:3], *words[4:]]).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--name", "old", "--store", "snapshot"]).exit_code == 0
    first, second = asked
    assert first.bundles == (("now", str(tmp_path / "bundles/2")), ("1", directory))
    assert first.store == f"lmdb:{tmp_path}/online"
    assert [name for name, _ in second.bundles] == ["now", "old", "eta"]
    assert second.store == "snapshot"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("model:etta", "no model 'etta'; did you mean 'eta'"),
        ("model:eta@4", "no version 4 of model 'eta' (versions: 1, 2, 3)"),
        ("model:eta@prod", "expected a version after @, or one of shadow, production, retired"),
        ("model:eta@", "expected a version after @"),
        ("model:bare", "no version of model 'bare' is in stage 'production'"),
        ("model:bare@1", "was recorded without a bundle"),
        ("model:", "no model ''"),
    ],
)
def test_what_is_not_there_is_told(config, named, message):
    done = CliRunner().invoke(app, ["score", named, "--row", "{}", "--config", str(config)])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert message in done.output
