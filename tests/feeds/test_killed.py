"""A run that is killed at any moment, and repeated, leaves what an undisturbed run leaves."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from tests.feeds.killed import DAYS, START, run
from tests.feeds.shops import DAY, GROUP, HOUR, add, event, store_of, windowed_store_of

ROOT = Path(__file__).parents[2]
KEYS = [f"k{number}" for number in range(40)]


def events():
    """Return events of all days; of some keys only early ones, some twice with other values."""
    rows = []
    for day in range(DAYS):
        for number, key in enumerate(KEYS):
            if number % (day + 1) == 0:
                at = START + day * DAY + (number % 23 + 1) * HOUR
                rows.append(event(key, at, float(number + 100 * day), None if number % 5 else [key]))
    return rows


def killed_child(config, wait, *, group):
    """Start a run and kill it after some seconds of work; tell what it said."""
    command = [sys.executable, "-m", "tests.feeds.killed", str(config)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as child:
        try:
            line = child.stdout.readline()
            assert line == "ready\n", line
            time.sleep(wait)
            if not group:
                child.kill()  # what Spark's JVM has begun it may still finish
        finally:
            with contextlib.suppress(ProcessLookupError):
                if group:
                    os.killpg(child.pid, signal.SIGKILL)
        said = child.stdout.read().split("\n") if group else []
    if not group:
        time.sleep(1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    return said


def offline(spark, store):
    """Return all rows of the table, sorted."""
    rows = store.tables.read(spark, *store.definitions(GROUP)).withColumn("ts", F.unix_micros("ts"))
    return sorted(map(str, rows.collect()))


def online(store):
    return store.online.read({GROUP: [(key, 1) for key in KEYS]}, now=START + 99 * DAY)[GROUP]


def assert_kills_do_no_harm(spark, tmp_path, redis_server, kills, drawn, make=store_of):
    redis_server.client().flushall()
    undisturbed = make(tmp_path / "undisturbed", redis_server.url)
    add(spark, tmp_path / "undisturbed", events())
    began = time.monotonic()
    run(undisturbed)
    seconds = time.monotonic() - began
    store = make(tmp_path / "killed", redis_server.url.replace("/0", "/1"))
    add(spark, tmp_path / "killed", events())
    said = []
    for number in range(kills):
        wait = drawn.uniform(0, 2 * seconds)  # its JVM is colder
        said.append((round(wait, 2), killed_child(tmp_path / "killed" / "palette.yaml", wait, group=number % 2 == 0)))
    told = run(store)
    assert told.watermark == START + DAYS * DAY, said
    assert offline(spark, store) == offline(spark, undisturbed), said
    assert online(store) == online(undisturbed), said
    assert online(store)[0]["ts"] is not None
    statuses = [one["status"] for one in store.catalog.runs(GROUP, limit=100)]
    assert statuses[0] == "done"
    assert set(statuses[1:]) <= {"lost", "done"}
    print(said, statuses)


def test_kills_at_random_moments_do_no_harm(spark, tmp_path, redis_server):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, 3, random.Random())


def test_kills_do_no_harm_to_windowed_aggregates(spark, tmp_path, redis_server):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, 2, random.Random(), windowed_store_of)


@pytest.mark.proof
def test_twenty_kills_do_no_harm(spark, tmp_path, redis_server):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, 20, random.Random(20))
