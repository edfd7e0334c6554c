"""A training set whose process is killed again and again has each row of its basis once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from palette.offline.files.dataframes import write_frame
from tests.jvm import QUICK
from tests.pipeline.killed_training import write
from tests.pipeline.test_training_tables import (
    BASIS,
    VISITS,
    chunks_of,
    expected,
    read,
    rows_of_basis,
    store,
    visits,
)

__all__ = ["store"]

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.proof]
ROOT = Path(__file__).parents[2]
CHUNKS = 12


def run_and_kill(arguments, steps, wait):
    """Start the write, and kill it some seconds after it has begun some chunks; return the printed lines."""
    command = [sys.executable, "-m", "tests.pipeline.killed_training", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | QUICK, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        try:
            lines = [child.stdout.readline() for _ in range(steps + 1)]
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(wait)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        return [*lines, *child.stdout.read().splitlines()]


def test_kills_lose_and_double_no_row(spark, store, tmp_path, rng):
    basis, target = str(tmp_path / "orders"), str(tmp_path / "out")
    frame = spark.createDataFrame(rows_of_basis(), BASIS)
    write_frame(frame.repartition(2), basis)
    printed = []
    for number in range(4):
        arguments = (store.uri, basis, target, CHUNKS)
        printed.append(run_and_kill(arguments, 1 + number % 2, rng.uniform(0, 3)))
        assert "finished" not in printed[-1], printed
        store.write(VISITS, visits(spark, -1, keys=range(6), n=100 * number))
        write_frame(frame, basis, "append")
    written = write(store, basis, target, CHUNKS)
    assert read(spark, target) == expected(store, frame, version=0), printed
    assert chunks_of(spark, target) == list(range(CHUNKS + 1)), printed
    assert (written.rows, written.versions) == (28, {"shop:visits": 0})
    assert spark.sql(f"DESCRIBE DETAIL delta.`{target}`").first().clusteringColumns == ["who"]
    print(printed)
