"""Selection where workers share nothing with the driver, and over Spark Connect."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.connect_server import connecting
from tests.offline.selection.shops import shops


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("where", ["local-cluster[2,1,1024]", "connect"])
def test_the_same_is_found(where, spark, tmp_path):
    command = [sys.executable, "-m", "tests.offline.selection.on_cluster", where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=connecting())
    assert done.returncode == 0, done.stderr[-4000:]
    world = shops(spark, tmp_path)
    here = world.store.select_features(world.orders, "minutes", ["*", "basis:late"], timestamp="at").to_json()
    del here["seconds"]
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(json.dumps(here))
    assert here["features"]
