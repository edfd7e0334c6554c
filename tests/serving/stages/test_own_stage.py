"""A stage of a user's own: what docs/stages.md shows, proved with the tool that it shows."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from pyspark.ml import PipelineModel

from palette.serving import LocalPipeline
from palette.serving.plan import Plan
from palette.serving.stages import registry

pytestmark = pytest.mark.spark
GUIDE = Path(__file__).parents[3] / "docs" / "stages.md"


def test_the_guide_runs(spark, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", types.ModuleType("mine"))
    blocks = [block.split("```")[0] for block in GUIDE.read_text("utf-8").split("```python\n")[1:]]
    assert len(blocks) == 3
    names = {"spark": spark, "__name__": "mine"}
    before = dict(registry._LOCAL)
    try:
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)
        local = registry.local_form(names["stage"])
        LocalPipeline(Plan((local,), local.outputs, {"x": "double"})).save(tmp_path / "bundle")
        assert LocalPipeline.load(tmp_path / "bundle").score_instance({"x": 30.0}) == {"y": 10.0}
        PipelineModel([names["stage"]]).save(str(tmp_path / "saved"))
        assert LocalPipeline.load(tmp_path / "saved", types={"x": "double"}).score_instance({"x": 30.0}) == {"y": 10.0}
        names["LocalClipper"].compute = lambda self, value: (value,)
        with pytest.raises(AssertionError, match="Spark gives"):
            exec(compile(blocks[-1], str(GUIDE), "exec"), names)
    finally:
        registry._LOCAL.clear()
        registry._LOCAL.update(before)
