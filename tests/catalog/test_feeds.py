"""Locks and dispersals, on both databases."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest
import sqlalchemy as sa

from palette.catalog import SqlCatalog, tables
from palette.catalog.feeds.feeds import Dispersal
from palette.catalog.feeds.state import FeedState
from palette.errors import CatalogError, LockedError

NAME = "restaurant:menu"
HOUR = dt.timedelta(hours=1)
LONG_AGO = dt.datetime(2026, 1, 1)
SPAWN = multiprocessing.get_context("spawn")


def change(catalog, **values):
    catalog.database.change(lambda connection: connection.execute(tables.locks.update().values(**values)))


def heartbeat(catalog):
    with catalog.database.reading() as connection:
        return connection.scalar(sa.select(tables.locks.c.heartbeat))


def test_one_holds_a_lock_at_a_time(catalog, url):
    with catalog.feeds.lock(NAME) as lease:
        lease.check()
        told = rf"process {os.getpid()} on {socket.gethostname()}, since 20\d\d-"
        with pytest.raises(LockedError, match=told), SqlCatalog(url).feeds.lock(NAME):
            pass
        with SqlCatalog(url).feeds.lock("restaurant:other"):
            pass
        lease.check()
    with SqlCatalog(url).feeds.lock(NAME):
        pass


def test_lock_goes_when_the_block_fails(catalog):
    with pytest.raises(ZeroDivisionError), catalog.feeds.lock(NAME):
        raise ZeroDivisionError
    with catalog.feeds.lock(NAME):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lock ")]


def hold(url, told):
    with SqlCatalog(url).feeds.lock(NAME):
        told.put("held")
        time.sleep(60)


def test_lock_of_a_killed_process_is_taken_over(catalog, url):
    told = SPAWN.Queue()
    child = SPAWN.Process(target=hold, args=(url, told))
    child.start()
    assert told.get(timeout=30) == "held"
    with pytest.raises(LockedError, match=f"process {child.pid} "), catalog.feeds.lock(NAME):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with catalog.feeds.lock(NAME) as lease:
        lease.check()


def test_number_of_a_dead_process_that_another_has_now(catalog):
    with catalog.feeds.lock(NAME) as lease:
        change(catalog, process="1")
        with catalog.feeds.lock(NAME), pytest.raises(LockedError, match="another run acquired it"):
            lease.check()


def test_process_whose_start_the_system_does_not_tell_counts_as_alive(catalog, monkeypatch):
    """Where /proc shows a user only processes of their own."""
    with catalog.feeds.lock(NAME) as lease:
        monkeypatch.setattr("palette.catalog.feeds.locks._start_time", lambda pid: "")
        with pytest.raises(LockedError, match="locked by"), catalog.feeds.lock(NAME):
            pass
        lease.check()


def test_process_of_another_machine_counts_as_alive_until_it_is_silent(catalog):
    with catalog.feeds.lock(NAME, beat=60) as lease:
        change(catalog, machine="other", pid=1 << 30)
        with pytest.raises(LockedError), catalog.feeds.lock(NAME):
            pass
        change(catalog, heartbeat=LONG_AGO)
        with catalog.feeds.lock(NAME), pytest.raises(LockedError, match="lock expired"):
            lease.check()


def test_signs_of_life_come_by_themselves(catalog):
    with catalog.feeds.lock(NAME, beat=0.05):
        before, until = heartbeat(catalog), time.monotonic() + 10
        while heartbeat(catalog) == before and time.monotonic() < until:
            time.sleep(0.02)
        assert heartbeat(catalog) > before


def test_signs_of_life_go_on_after_all_connections_were_taken(catalog, url):
    engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    other = SqlCatalog(url)
    with catalog.feeds.lock(NAME, beat=0.05) as lease:
        catalog.database._engine = engine
        with engine.connect():
            with pytest.raises(CatalogError, match=r"catalog .*QueuePool limit"):
                catalog.feeds.state(NAME)
            time.sleep(0.3)
        change(other, heartbeat=LONG_AGO)
        until = time.monotonic() + 10
        while heartbeat(other) == LONG_AGO and time.monotonic() < until:
            time.sleep(0.02)
        assert heartbeat(other) > LONG_AGO
        lease.check()
    engine.dispose()
    other.database.engine.dispose()


@pytest.mark.parametrize("error", [ZeroDivisionError, None], ids=["block-fails", "block-ends"])
def test_lock_that_cannot_be_let_go_of(catalog, error):
    def block():
        with catalog.feeds.lock(NAME, beat=60):
            catalog.database.change(lambda connection: tables.locks.drop(connection))
            if error is not None:
                raise error

    with pytest.raises(error or CatalogError):
        block()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lock ")]


def race(url, start, counts, end):
    catalog = SqlCatalog(url)
    start.wait(60)
    try:
        with catalog.feeds.lock(NAME):
            counts.put("in")
            end.wait()
    except LockedError:
        counts.put("refused")


def test_of_many_who_want_it_at_once_one_gets_it(catalog, url):
    start, counts, end = SPAWN.Barrier(3), SPAWN.Queue(), SPAWN.Event()
    children = [SPAWN.Process(target=race, args=(url, start, counts, end)) for _ in range(3)]
    for child in children:
        child.start()
    try:
        # The one that is in stays until the others were told: however slow they are, they ask while it is held.
        assert sorted(counts.get(timeout=60) for _ in children) == ["in", "refused", "refused"]
    finally:
        end.set()
        for child in children:
            child.join()


def test_dispersals_are_told_apart_by_target(catalog):
    assert catalog.feeds.dispersal(NAME, "redis") is None
    left = Dispersal("table", 1 << 40, dt.datetime(2026, 1, 1))
    catalog.feeds.set_dispersal(NAME, "redis", left)
    catalog.feeds.set_dispersal(NAME, "other", Dispersal("table", 1))
    assert catalog.feeds.dispersal(NAME, "redis") == left
    catalog.feeds.set_dispersal(NAME, "redis", Dispersal("table", 7))
    assert catalog.feeds.dispersal(NAME, "redis") == Dispersal("table", 7, None)
    assert catalog.feeds.dispersal(NAME, "other") == Dispersal("table", 1, None)


def test_runs_are_lost_whose_process_is_gone(catalog):
    mine, done, other = (catalog.feeds.start_run(*about) for about in [(NAME, "a"), (NAME, "a"), (NAME, "b")])
    catalog.feeds.end_run(done, "done")
    assert catalog.feeds.end_lost_runs(NAME, "a") == 1
    assert {run["id"]: run["status"] for run in catalog.feeds.runs()} == {mine: "lost", done: "done", other: "running"}


def test_feed_states_are_replaced_and_deleted(catalog):
    day, feeds = dt.datetime(2026, 1, 1, 0, 0, 0, 1), catalog.feeds
    state = FeedState(day, day + HOUR, day - HOUR, "table", {"first": day, "second": day + HOUR})
    feeds.set_state(NAME, state)
    feeds.set_state("restaurant:other", FeedState())
    assert feeds.state(NAME) == state
    feeds.set_state(NAME, FeedState(day))
    assert feeds.state(NAME) == FeedState(day)
    feeds.delete_state(NAME)
    assert feeds.state(NAME) == feeds.state("restaurant:other") == FeedState()


def test_catalog_of_the_first_form_is_migrated(empty, url):
    from palette.catalog.database import VERSION_TABLE
    from palette.definitions import Entity

    empty.definitions.apply([Entity("plane", keys={"tailnum": "string"})])

    def back(connection):
        tables.locks.drop(connection)
        tables.dispersals.drop(connection)
        tables.feed_states.drop(connection)
        watermarks = "(group_name TEXT, name VARCHAR(64), value TIMESTAMP, updated TIMESTAMP)"
        connection.execute(sa.text(f"CREATE TABLE watermarks {watermarks}"))
        connection.execute(sa.text("CREATE TABLE sources (group_name TEXT)"))
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '0001'"))

    empty.database.change(back)
    migrated = SqlCatalog(url)
    assert list(migrated.definitions.entities()) == ["plane"]
    with migrated.feeds.lock(NAME):
        pass
    assert not sa.inspect(migrated.database.engine).has_table("sources")
    migrated.database.engine.dispose()
