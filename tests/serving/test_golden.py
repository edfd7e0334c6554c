"""Bundles and pipelines that a release wrote, with Spark's answers in them, are read by this one, without Spark."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from palette.errors import DataError
from palette.serving import LocalPipeline
from palette.serving.self_test import same
from palette.serving.stages import LocalStage, registered
from palette.serving.stages.registry import MODULES
from tests.serving.golden import BUNDLES, HOME

SAVED_PATHS = sorted(HOME.glob("saved-spark-*"))
BUNDLE_PATHS = sorted(path.parent for path in HOME.glob("bundles-*/*/bundle.json"))


@pytest.mark.parametrize("path", BUNDLE_PATHS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_bundle_gives_the_answers_that_spark_gave(path):
    pipeline = LocalPipeline.load(path)
    tested = json.loads((path / "selftest.json").read_text("utf-8"))
    assert len(tested["requests"]) == len(tested["answers"]) == 3
    assert all(set(pipeline.plan.outputs) == set(answer) for answer in tested["answers"])


@pytest.mark.parametrize("path", BUNDLE_PATHS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_bundle_with_other_answers_is_refused(path, tmp_path):
    from palette.serving.bundle import write_bundle
    from palette.serving.self_test import SelfTest

    tested = SelfTest.from_json(json.loads((path / "selftest.json").read_text("utf-8")))
    plan = LocalPipeline.load(path).plan
    column = plan.outputs[-1]
    wrong = [{**row, column: None if row[column] is not None else 1.0} for row in tested.answers]
    write_bundle(plan, tmp_path / "bundle", SelfTest(tested.types, tested.requests, wrong))
    with pytest.raises(DataError, match="fails its self-test"):
        LocalPipeline.load(tmp_path / "bundle")


def test_every_stage_is_in_a_golden_bundle():
    stages = {
        step.kind
        for path in BUNDLE_PATHS
        if path.parent == BUNDLES
        for step in LocalPipeline.load(path).plan.steps
        if isinstance(step, LocalStage)
    }
    assert stages == registered().keys(), "python -m tests.serving.golden writes them"


def test_a_bundle_imports_only_what_it_holds():
    code = (
        "import sys; from palette.serving import LocalPipeline\n"
        f"LocalPipeline.load({str(BUNDLES / 'boosted')!r})\n"
        "print([name for name in ('pydantic', 'lark', 'numpy', 'dsl.registry', 'palette.serving.stages.text.words') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_registry_knows_where_each_stage_is():
    kinds = {kind: cls.__module__.removeprefix("palette.serving.stages.") for kind, cls in registered().items()}
    assert kinds == {kind: module for module, known in MODULES.items() for kind in known}


def test_every_stage_is_in_the_guide():
    guide = (Path(__file__).parents[2] / "docs" / "stages.md").read_text("utf-8")
    assert not {kind for kind in registered() if kind not in guide}


@pytest.mark.parametrize("saved", SAVED_PATHS, ids=lambda path: path.name)
def test_a_saved_spark_pipeline_gives_the_answers_that_spark_gave(saved, tmp_path):
    types = {"x": "double", "y": "double", "c": "string"}
    pipeline = LocalPipeline.load(saved / "model", types=types)
    for row in json.loads((saved / "answers.json").read_text("utf-8")):
        assert same(pipeline.score_instance(row)["prediction"], row["prediction"])
    shutil.copytree(saved / "model", tmp_path / "model")
    next((tmp_path / "model/stages").glob("4_*/data/*.parquet")).unlink()
    with pytest.raises(DataError, match="no data"):
        LocalPipeline.load(tmp_path / "model", types=types)
