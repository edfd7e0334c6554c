"""Where workers share nothing with the driver and lack this library, and over Spark Connect.

A process of its own carries out all proofs of a kind, since to start one costs more than a proof. What `make test`
proves of Spark Connect is in test_connect.py; here are its other promises, for the night.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dsl.on_cluster import save
from tests.jvm import QUICK, connecting
from tests.selection.on_cluster import select
from tests.selection.shops import shops

pytestmark = [pytest.mark.slow, pytest.mark.spark]
SCRIPT = Path(__file__).with_name("on_cluster.py")
CLUSTER, CONNECT = "local-cluster[2,1,1024]", "connect"
BOTH = pytest.mark.parametrize("where", [CLUSTER, pytest.param(CONNECT, marks=pytest.mark.proof)])


@pytest.fixture(scope="module")
def answer(spark, tmp_path_factory, redis_server):
    """Return what a proof answers."""

    @functools.cache
    def proofs(where):
        redis_server.client().flushall()
        home = tmp_path_factory.mktemp("cluster")
        (home / "temporary").mkdir()
        save(spark, home / "saved")
        environment = connecting() if where == CONNECT else os.environ | QUICK
        environment |= {"TZ": "Asia/Tokyo", "PYTHONPATH": str(home / "hidden"), "TMPDIR": str(home / "temporary")}
        command = [sys.executable, str(SCRIPT), where, str(home), redis_server.url]
        # Elsewhere: what is in the working directory can be imported.
        done = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found = {one["proof"]: one for one in told}
        left = [path.name for path in (home / "temporary").glob("palette-workers-*")]
        return found | {"end": {"answer": (done.returncode, left)}}, done.stderr[-4000:]

    def answer(where, proof):
        found, log = proofs(where)
        assert proof in found, f"it ended after {list(found)}: {log}"
        assert "error" not in found[proof], found[proof]["error"]
        return found[proof]["answer"]

    return answer


@BOTH
def test_workers_cannot_import_the_project(answer, where):
    assert answer(where, "imports") == ["not on the workers"] * 2


@BOTH
def test_join_plans_agree(answer, where):
    assert answer(where, "join") == 240


@pytest.fixture(scope="module")
def selected(spark, tmp_path_factory):
    """What is selected where workers are threads of the driver."""
    return json.loads(json.dumps(select(shops(spark, tmp_path_factory.mktemp("shops")))))


@BOTH
def test_the_same_features_are_selected(answer, where, selected):
    assert answer(where, "selection") == selected
    assert selected["features"]


@BOTH
def test_redis_is_filled(answer, where):
    assert answer(where, "feeds") == [25, 23]


@BOTH
def test_nothing_is_left_at_the_end(answer, where):
    assert answer(where, "end") == (0, [])


@BOTH
def test_models_of_another_process_and_zone_are_loaded(answer, where):
    told = {"filled": 3.0, "scaled": -0.5, "hot": [1.0, 0.0], "i": 3}
    assert answer(where, "models") == [told | {"declared": value} for value in (15.0, 8.0)] * 3


@pytest.mark.proof
def test_functions_agree_on_connect(answer):
    assert answer(CONNECT, "functions") > 1000


@pytest.mark.proof
def test_models_are_saved_on_connect(answer):
    assert answer(CONNECT, "saving") is None
