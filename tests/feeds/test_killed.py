"""A run that is killed at any moment, and repeated, leaves what an undisturbed run leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from palette.definitions import GroupSchema
from tests.feeds.killed import START, run
from tests.feeds.shops import DAY, GROUP, HOUR, add, event, store_of, windowed_store_of
from tests.jvm import QUICK

pytestmark = [pytest.mark.spark, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
# Kills in addition, where too few met a run at work.
REDRAWN = 6
KEYS = [f"k{number}" for number in range(40)]


def events(days):
    """Return events of all days; of some keys only early ones, some twice with other values."""
    rows = []
    for day in range(days):
        for number, key in enumerate(KEYS):
            if number % (day + 1) == 0:
                at = START + day * DAY + (number % 23 + 1) * HOUR
                rows.append(event(key, at, float(number + 100 * day), None if number % 5 else [key]))
    return rows


def newest(days):
    """Return the time of the last event of some days."""
    return max(row[2] for row in events(days)).replace(tzinfo=None)


def killed_child(config, wait, days, *, nightly, group):
    """Start a run and kill it after some seconds of work; tell what it said."""
    kind = "nightly" if nightly else "backfill"
    command = [sys.executable, "-m", "tests.feeds.killed", str(config), str(days), kind]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | QUICK,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            line = child.stdout.readline()
            assert line == "ready\n", line
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(wait)  # no longer than it works
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
    rows = store.tables.read(spark, GroupSchema(*store.resolve_group(GROUP))).withColumn("ts", F.unix_micros("ts"))
    return sorted(map(str, rows.collect()))


def online(store):
    return store.online.read({GROUP: [(key, 1) for key in KEYS]}, now=START + 99 * DAY)[GROUP]


def statuses(store):
    return [one["status"] for one in store.catalog.feeds.runs(GROUP, limit=100)]


def landed(store):
    """Return how many runs were killed in the midst: before the next one begins they are not yet told to be lost."""
    return sum(status != "done" for status in statuses(store))


def assert_kills_do_no_harm(spark, tmp_path, redis_server, rng, kills, days, *, needed=1, nightly=False, make=store_of):
    redis_server.client().flushall()
    undisturbed = make(tmp_path / "undisturbed", redis_server.url)
    add(spark, tmp_path / "undisturbed", events(days))
    store = make(tmp_path / "killed", redis_server.url.replace("/0", "/1"))
    add(spark, tmp_path / "killed", events(days))
    if nightly:
        for each in (undisturbed, store):
            assert run(each, 1, nightly=True).watermark == newest(1)
    began = time.monotonic()
    run(undisturbed, days, nightly=nightly)
    seconds = time.monotonic() - began
    said = []
    for number in range(kills + REDRAWN):
        again = number >= kills
        if again and landed(store) >= needed:
            break
        # Of nightly runs the first is that of the second day, and the last one is killed again and again.
        until = min(number + 2, days) if nightly else days
        wait = rng.uniform(0, seconds if again else 2 * seconds)  # its JVM is colder
        config = tmp_path / "killed" / "palette.yaml"
        # Where nightly runs came to an end before they were killed, there is nothing left for one to do.
        words = killed_child(config, wait, until, nightly=nightly and not again, group=rng.random() < 0.5)
        said.append((round(wait, 2), words))
    told = run(store, days, nightly=nightly)
    assert told.watermark == newest(days) if make is store_of else START < told.watermark <= newest(days), said
    assert offline(spark, store) == offline(spark, undisturbed), said
    assert online(store) == online(undisturbed), said
    assert online(store)[0]["ts"] is not None
    found = statuses(store)
    assert found[0] == "done"
    assert set(found[1:]) <= {"lost", "done"}
    assert found.count("lost") >= needed, said
    print(said, found)


def test_kill_at_a_random_moment_does_no_harm(spark, tmp_path, redis_server, rng):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, rng, kills=1, days=3, nightly=True)


@pytest.mark.proof
def test_kill_does_no_harm_to_windowed_aggregates(spark, tmp_path, redis_server, rng):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, rng, kills=1, days=3, make=windowed_store_of)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("kills", "days", "options"),
    [
        pytest.param(20, 5, {"needed": 3}, id="backfill"),
        pytest.param(5, 3, {"nightly": True}, id="nightly"),
        pytest.param(5, 3, {"make": windowed_store_of}, id="windowed"),
    ],
)
def test_many_kills_do_no_harm(spark, tmp_path, redis_server, rng, kills, days, options):
    assert_kills_do_no_harm(spark, tmp_path, redis_server, rng, kills=kills, days=days, **options)
