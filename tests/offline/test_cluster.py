"""The join where workers share nothing with the driver, each in a process of its own session."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.connect_server import connecting


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("where", ["local-cluster[2,1,1024]", "connect"])
def test_plans_agree(where: str) -> None:
    command = [sys.executable, "-m", "tests.offline.on_cluster", where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=connecting())
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("OK\n")
