"""The examples run by themselves, each in a process of its own, and their summaries say what they promise.

``eats_eta.py`` is run from a wheel by each `make test`, in ``test_packaging.py``. The boosted trees of
``flight_eta.py`` are scored without Spark, row by row; its features are held against each other in ``test_replay.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from examples import flight_eta
from palette import MLPipelineModel
from palette.pipeline.deploy.scoring_plan import local_plan, spark_step
from palette.serving import LocalPipeline
from palette.serving.compile import compile_plan, request_columns
from palette.serving.self_test import without_lookups
from palette.serving.testing import ulps_between

pytestmark = [pytest.mark.spark, pytest.mark.slow]

# Sums of trees may be added in another order than the JVM's.
ULPS = 8
EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *options: str) -> str:
    """Return what an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *options], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def number(text: str, pattern: str) -> float:
    """Return the number that a pattern captures."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return float(found[1])


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Where the flights of the last quarter are, and what was said of them."""
    home = tmp_path_factory.mktemp("flights") / "new"
    return home, run("flight_eta.py", "--quick", "--dir", str(home))


@pytest.mark.proof
def test_flights(quick):
    _, text = quick
    mean, timetable, features = (
        [float(part) for part in re.search(rf"{name} +([\d.]+) +([\d.]+)", text).groups()]
        for name in ("always the average delay", "the timetable alone", "timetable and features")
    )
    # The features earn their keep, in both errors: root of squares, and absolute.
    assert all(new < min(old) for new, *old in zip(features, mean, timetable, strict=True))
    assert number(text, r"trained on \d+ inputs, (\d+) of them out of the store") >= 12
    groups = set(re.findall(r"^\[ *\d+ s\]   (\w+:\w+): ", text, re.MULTILINE))
    assert len(groups) == 8
    assert "score_instance from a snapshot equals transform(): True" in text


@pytest.mark.proof
def test_december_is_scored_locally(spark, quick, tmp_path):
    home, _ = quick
    assert scored_locally(spark, home, tmp_path / "bundle", month=12, every=5) > 4_000


@pytest.mark.proof
def test_every_flight_of_the_year_is_scored_locally(spark, tmp_path):
    run("flight_eta.py", "--dir", str(tmp_path / "new"))
    assert scored_locally(spark, tmp_path / "new", tmp_path / "bundle", month=1, every=1) > 336_000


def scored_locally(spark, home, bundle, month, every):
    """Compare what the local pipeline gives with what ``transform`` gives; return of how many flights."""
    model = MLPipelineModel.load(str(home / "model"))
    model.save_bundle(bundle)
    plan = LocalPipeline.load(bundle).plan
    assert plan.to_json() == local_plan(model, spark_step).to_json()
    flights = flight_eta.read_flights(spark, flight_eta.read_airports(spark))
    basis = flights.filter(f"month >= {month}").select(flight_eta.BASIS)
    told = model.setKeepFeatures(True).transform(basis).filter(F.abs(F.hash("tailnum", "flight")) % every == 0)
    types = {field.name: field.dataType.simpleString() for field in told.schema.fields}
    alone = without_lookups(plan, types)
    wanted = [f"`{column}`" for column in dict.fromkeys([*request_columns(alone), *alone.outputs])]
    rows = told.select(*wanted).withColumn("features", vector_to_array("features")).toArrow()
    score = compile_plan(alone, None)
    for batch in rows.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            row = {
                name: value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for name, value in row.items()
            }
            answer = score(row, 0)
            assert ulps_between(answer["prediction"], row["prediction"]) <= ULPS, row
            for column in alone.outputs:
                if column != "prediction":
                    assert equal(answer[column], row[column]), (column, answer[column], row)
    return rows.num_rows


def equal(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other or (one != one and other != other)


def test_every_example_is_listed_and_tested():
    listed = re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.py"))
    # The one for Airflow is not run but parsed: its arguments are those of jobs.
    tests = [Path(__file__), *(EXAMPLES.parent / "tests" / name for name in ("test_packaging.py", "jobs/test_docs.py"))]
    text = "".join(test.read_text("utf-8") for test in tests)
    assert all(f'run("{name}"' in text or f'examples/{name}"' in text for name in listed)
