"""Materialize to Redis where workers are elsewhere, and over Spark Connect."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.connect_server import connecting


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("where", ["local-cluster[2,1,1024]", "connect"])
def test_workers_that_lack_the_library_fill_redis(where, tmp_path, redis_server):
    redis_server.client().flushall()
    (temporary := tmp_path / "temporary").mkdir()
    command = [sys.executable, "-m", "tests.feeds.on_cluster", where, str(tmp_path), redis_server.url]
    environment = connecting(TMPDIR=str(temporary))
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("OK\n")
    assert not list(temporary.glob("palette-workers-*"))
