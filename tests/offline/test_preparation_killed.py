"""A preparation that is killed is never used, and two at once do not disturb each other."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palette.offline import DeltaTables
from palette.offline.prepared import folders, partitions, store
from tests.jvm import QUICK
from tests.offline import prepare

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.proof]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "PART_BYTES", partitions.PART_BYTES)
    made = DeltaTables(str(tmp_path / "tables"))
    rows = spark.range(60_000).selectExpr(
        "concat('k', id % 5000) AS id", "timestamp_seconds(id) AS ts", "CAST(id AS double) AS x", "'text' AS s"
    )
    made.write(prepare.SCHEMA, rows, mode="append")
    return made


@contextlib.contextmanager
def child(tables):
    """Start a process that is about to prepare."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.offline.prepare", tables.root],
        cwd=ROOT,
        env=os.environ | QUICK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def names(folder, pattern="*"):
    return {path.name for path in Path(folder).glob(pattern)}


def of(history):
    return {Path(path).name for paths in history.runs.values() for path in paths}


@pytest.mark.parametrize("written", [0, 1, 20])
def test_a_killed_preparation_is_repeated(spark, tables, written):
    folder = Path(tables.prepared(prepare.GROUP))
    whole = of(prepare.prepare(spark, tables))
    assert len(whole) > 40
    shutil.rmtree(folder)
    with child(tables) as process:
        process.stdin.write("\n")
        process.stdin.flush()
        # Files of messages come before those of parts.
        least = f"{folders.UNFINISHED}*" if written == 0 else "*.arrow"
        while len(names(folder, least)) < max(1, written):
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert names(folder)
    assert not names(folder, "*.json")
    assert of(prepare.prepare(spark, tables)) == whole
    store.vacuum_prepared(tables, prepare.GROUP, (), hours=0)
    assert names(folder) == whole | names(folder, "*.json")


def test_two_sessions_prepare_at_once(spark, tables, monkeypatch):
    whole = of(prepare.prepare(spark, tables))
    folder = Path(tables.prepared(prepare.GROUP))
    shutil.rmtree(folder)
    with child(tables) as one, child(tables) as other:
        for process in (one, other):
            process.stdin.write("\n")
            process.stdin.flush()
        assert {one.stdout.readline(), other.stdout.readline()} == {f"{len(whole)}\n"}
        assert (one.wait(), other.wait()) == (0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(store, "prepare_parts", None)
        assert of(prepare.prepare(spark, tables)) == whole
    assert names(folder) == whole | names(folder, "*.json")
