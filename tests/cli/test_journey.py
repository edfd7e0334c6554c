"""A new project, from the first command to a score, as a newcomer types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.spark
@pytest.mark.slow
def test_a_new_project_runs(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    environment.pop("PALETTE_CONFIG", None)
    project = tmp_path / "project"

    def run(*words, cwd=project):
        done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr[-3000:]}"
        return done.stdout

    def palette(*words, cwd=project):
        return run("-m", "palette", *words, cwd=cwd)

    palette("init", str(project), cwd=tmp_path)
    assert "2 added" in palette("plan")
    palette("apply")
    (first,) = json.loads(palette("materialize", "restaurant:order_history", "--json"))
    assert (first["rows_computed"], first["rows_written"]) == (560, 560)
    (again,) = json.loads(palette("materialize", "restaurant:order_history", "--json"))
    assert again["rows_written"] == 0
    features = ["-f", "prep_time=restaurant:order_history:prep_time:r_id"]
    told = json.loads(
        palette("training-set", "data/orders.parquet", "training_set/", *features, "-t", "ordered_at", "--json")
    )
    assert told["rows"] == 2000
    printed = run("train.py")
    assert "eta, version 1: " in printed
    assert [found["expression"] for found in json.loads(palette("search", "prep", "--used-by", "eta", "--json"))] == [
        "restaurant:order_history:prep_time:restaurant_uuid"
    ]
    assert "eta" in palette("lineage", "restaurant:order_history:prep_time")
    palette("promote", "eta", "1")
    (bundle,) = (project / "store/models/eta").iterdir()
    row = ["--row", '{"r_id": "r07", "order_size": 2}', "--now", "2026-03-29T12:00:00"]
    scored = json.loads(palette("score", str(bundle), "--store", "snapshot", *row))
    assert f"'prediction': {scored['prediction']}" in printed
    done = subprocess.run(
        [sys.executable, "-m", "palette", "init", str(project)], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, "is there already" in done.stderr) == (2, True)
