"""From a bundle on disk to the first score, in a new process.

Compared with `PipelineModel.load` in a running session, and with a process that only imports numpy and pyarrow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pyspark.ml import PipelineModel

from benchmarks.serving_models import Fitted, close
from benchmarks.table import Result
from benchmarks.turns import Turn, calling, in_turns
from palette.serving import LocalPipeline

__all__ = ["loads"]

LOAD = "PipelineModel.load in a running session"
IMPORTS = "Python that only imports numpy and pyarrow"
CHILD = """
import json, sys
from palette.serving import LocalPipeline
answer = LocalPipeline.load(sys.argv[1]).score_instance(json.loads(sys.argv[2]))
print(json.dumps([answer["prediction"], [name for name in ("pyspark", "numpy") if name in sys.modules]]))
"""


def loads(pipelines: Sequence[Fitted], *, quick: bool) -> list[Result]:
    """Measure each pipeline."""
    results = []
    for one in pipelines:
        path = str(Path(tempfile.mkdtemp(prefix="saved_")) / "model")
        one.model.write().save(path)
        process, alone, spark, imports = (
            f"{what}, {one.name}"
            for what in ("new process to first score", "bundle to first score, imported before", LOAD, IMPORTS)
        )
        arms = {
            process: starting(one),
            alone: calling(lambda one=one: first_score(one), 3),
            spark: loading(path),
            imports: importing(),
        }
        times = in_turns(arms, 2 if quick else 10)
        what = f"bundle to first score, {one.name} pipeline"
        results += [
            Result(f"{what}, start and end of a process", LOAD, times[spark].over(times[process]), 20, times=times),
            Result(
                f"{what}, start and end of a process", IMPORTS, times[process].over(times[imports]), 1.5, slower=True
            ),
            Result(f"{what}, palette imported before", LOAD, times[spark].over(times[alone])),
        ]
    return results


def first_score(one: Fitted) -> dict:
    """Load the bundle in this process, and score a row."""
    return LocalPipeline.load(one.bundle).score_instance(one.rows[0])


def starting(one: Fitted) -> Turn:
    """Return a turn that starts a process; the interpreter's own start and end are in its time."""
    row, expected = one.rows[0], one.local.score_instance(one.rows[0])["prediction"]
    command = [sys.executable, "-c", CHILD, str(one.bundle), json.dumps(row)]
    arrays = (one.bundle / "arrays.npz").exists()

    def turn() -> list[float]:
        seconds, output = run_process(command)
        prediction, imported = json.loads(output)
        assert close(prediction, expected)
        assert imported in ([], ["numpy"] if arrays else []), f"imported: {imported}"
        return [seconds]

    return turn


def importing() -> Turn:
    """Return a turn that starts a process which only imports numpy and pyarrow."""
    return lambda: [run_process([sys.executable, "-c", "import numpy, pyarrow"])[0]]


def run_process(command: Sequence[str]) -> tuple[float, str]:
    """Return how many seconds a process takes, and what it prints."""
    # Modules are compiled once, as those of an installed package are.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - start, done.stdout


def loading(path: str) -> Turn:
    """Return a turn that loads a saved model by Spark."""

    def turn() -> list[float]:
        start = time.perf_counter()
        PipelineModel.load(path)
        return [time.perf_counter() - start]

    return turn
