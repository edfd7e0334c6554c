"""Redis hangs, dies, comes back, is full, or is not there: errors within the budget, and right answers after."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time

import pytest

from palette.errors import StoreError, StoreTimeoutError
from palette.online import RedisStore
from tests.online.test_redis import KNOWN, T0, A, write, x_of
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer

REQUESTS = [(A.full_name, "k")]
WAYS = pytest.mark.parametrize(
    "fetch",
    [
        pytest.param(lambda store, **options: store.fetch(REQUESTS, **options), id="fetch"),
        pytest.param(lambda store, **options: asyncio.run(store.fetch_async(REQUESTS, **options)), id="fetch_async"),
    ],
)


@pytest.fixture
def server():
    own = RedisServer().start()
    yield own
    own.close()


@pytest.fixture
def store(server):
    own = RedisStore(server.url, KNOWN.__getitem__, timeout=10.0)
    write(own)
    yield own
    own.close()


@contextlib.contextmanager
def within(seconds):
    start = time.monotonic()
    yield
    # What is measured is that nobody waits for seconds; the machine may be busy.
    assert time.monotonic() - start < seconds + 0.5


@WAYS
def test_a_server_that_hangs_costs_the_budget_and_no_more(server, store, fetch):
    fetch(store)
    with server.paused():
        for _ in range(2):
            with within(0.1), pytest.raises(StoreTimeoutError, match=r"RedisStore\(.*did not answer within 0.100 s"):
                fetch(store, budget=0.1)
    # The late answers go nowhere: the next one is right.
    write(store, x=2.0, event=1)
    for _ in range(3):
        assert fetch(store, budget=5.0)[0][2] == 2.0


def test_the_default_timeout_holds_for_writes_too(server):
    hasty = RedisStore(server.url, KNOWN.__getitem__, timeout=0.1)
    write(hasty)
    with server.paused():
        for act in (write, lambda store: store.delete(A, ["k"]), x_of, lambda store: x_of(store, budget=0.05)):
            with within(0.1), pytest.raises(StoreTimeoutError):
                act(hasty)


def test_an_answer_that_trickles_does_not_stretch_the_budget():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def trickle():
            with contextlib.suppress(OSError):
                asked, _ = listening.accept()
                with asked:
                    assert b"HMGET" in asked.recv(1000)
                    asked.sendall(b"*1\r\n$1000\r\n")
                    while not over.wait(0.02):
                        asked.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        slow = RedisStore(f"redis://127.0.0.1:{listening.getsockname()[1]}", KNOWN.__getitem__)
        try:
            with within(0.2), pytest.raises(StoreTimeoutError):
                slow.fetch(REQUESTS, budget=0.2)
        finally:
            over.set()
            thread.join()


@WAYS
def test_nobody_there(fetch):
    absent = RedisStore(f"redis://:s3cret@127.0.0.1:{free_port()}/3", KNOWN.__getitem__)
    with (
        within(1.0),
        pytest.raises(StoreError, match=r"RedisStore\('redis://127.0.0.1:\d+/3'\) cannot be reached") as raised,
    ):
        fetch(absent, budget=1.0)
    assert not isinstance(raised.value, StoreTimeoutError)
    assert isinstance(raised.value, OSError)
    assert "s3cret" not in str(raised.value)
    with pytest.raises(StoreError, match="is the server running"):
        write(absent)


@WAYS
def test_a_server_that_comes_back_is_found_again(server, store, fetch):
    assert fetch(store)[0][2] == 1.0
    server.stop()
    with pytest.raises(StoreError, match="cannot be reached"):
        fetch(store)
    server.start()
    assert fetch(store)[0] is None  # this server keeps nothing
    write(store, x=3.0)
    assert fetch(store)[0][2] == 3.0


def test_a_restart_between_two_reads_goes_unnoticed(server, store):
    for _ in range(3):
        server.stop()
        server.start()
        assert write(store, x=4.0) == 1
        server.client().client_kill_filter(_type="normal", skipme=True)
        assert x_of(store) == 4.0


def test_a_full_server_refuses_writes_and_reads_on(server, store):
    client = server.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"] // 2)
    with pytest.raises(StoreError, match=r"refused: .*OOM.*maxmemory"):
        write(store, key="new", event=1)
    assert x_of(store) == 1.0
    client.config_set("maxmemory", 0)
    assert write(store, key="new", event=1) == 1


def test_all_connections_busy(server):
    narrow = RedisStore(server.url, KNOWN.__getitem__, max_connections=1)
    write(narrow)
    with server.paused():

        def wait():
            with contextlib.suppress(StoreTimeoutError):
                narrow.fetch(REQUESTS, budget=0.5)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        with within(0.1), pytest.raises(StoreTimeoutError, match="all 1 connections were busy"):
            narrow.fetch(REQUESTS, budget=0.1)
        waiting.join()
    assert x_of(narrow) == 1.0


def test_all_connections_of_an_event_loop_busy(server):
    narrow = RedisStore(server.url, KNOWN.__getitem__, max_connections=1)
    write(narrow)

    async def wait():
        with server.paused():
            first = asyncio.create_task(narrow.fetch_async(REQUESTS, budget=0.5))
            await asyncio.sleep(0.05)
            with within(0.1), pytest.raises(StoreTimeoutError, match="all 1 connections were busy"):
                await narrow.fetch_async(REQUESTS, budget=0.1)
            with pytest.raises(StoreTimeoutError, match="did not answer"):
                await first
        many = await asyncio.gather(*(narrow.fetch_async(REQUESTS, budget=30.0) for _ in range(200)))
        return [rows[0][2] for rows in many]

    assert asyncio.run(wait()) == [1.0] * 200


def test_no_task_gets_the_answer_of_another(store):
    store.write(A, [{"id": f"k{n}", "x": float(n), "ts": T0} for n in range(50)])

    async def work(number):
        wrong = []
        for turn in range(100):
            keys = [(number * 13 + turn * step) % 50 for step in (1, 7)]
            budget = 0.0005 if turn % 5 == 0 else 5.0
            task = asyncio.create_task(store.fetch_async([(A.full_name, f"k{key}") for key in keys], budget=budget))
            if turn % 7 == 0:
                await asyncio.sleep(0)
                task.cancel()
            with contextlib.suppress(StoreTimeoutError, asyncio.CancelledError):
                found = await task
                if [row[2] for row in found] != keys:
                    wrong.append((keys, found))
        return wrong

    async def together():
        return await asyncio.gather(*(work(number) for number in range(8)))

    assert asyncio.run(together()) == [[]] * 8


def test_a_restart_between_two_awaited_reads_goes_unnoticed(server, store):
    async def reads():
        for x in (5.0, 6.0):
            server.stop()
            server.start()
            write(store, x=x)
            yield (await store.fetch_async(REQUESTS))[0][2]
            server.client().client_kill_filter(_type="normal", skipme=True)
            yield (await store.fetch_async(REQUESTS))[0][2]

    async def collected():
        return [x async for x in reads()]

    assert asyncio.run(collected()) == [5.0, 5.0, 6.0, 6.0]


def test_no_thread_gets_the_answer_of_another(store):
    store.write(A, [{"id": f"k{n}", "x": float(n), "ts": T0} for n in range(50)])
    wrong = []

    def work(number):
        for turn in range(200):
            keys = [(number * 13 + turn * step) % 50 for step in (1, 7)]
            with contextlib.suppress(StoreTimeoutError):
                found = store.fetch([(A.full_name, f"k{key}") for key in keys], budget=0.0001 if turn % 5 == 0 else 5.0)
                if [row[2] for row in found] != keys:
                    wrong.append((keys, found))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_hand_one_connection_on(server):
    narrow = RedisStore(server.url, KNOWN.__getitem__, max_connections=1)
    write(narrow)
    found = []

    def work():
        found.extend(narrow.fetch(REQUESTS, budget=30.0)[0][2] for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1.0] * 1600
    narrow.close()


def test_a_forked_process_has_connections_of_its_own(store):
    assert x_of(store) == 1.0
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            good = all(x_of(store, f"none{number}") is None and x_of(store) == 1.0 for _ in range(100))
            os._exit(0 if good else 1)
        children.append(child)
    assert all(x_of(store) == 1.0 for _ in range(100))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]


def test_event_loops_have_connections_of_their_own(store):
    async def many():
        found = await asyncio.gather(*(store.fetch_async(REQUESTS, budget=5.0) for _ in range(20)))
        await store.close_async()
        return [rows[0][2] for rows in found]

    assert asyncio.run(many()) == asyncio.run(many()) == [1.0] * 20


def test_connections_close_with_their_event_loop(store, server):
    def open_ones():
        return len(server.client().client_list(_type="normal"))

    before = open_ones()
    during = asyncio.run(during_a_fetch(store, open_ones))
    assert during == before + 1
    assert open_ones() == before


async def during_a_fetch(store, count):
    await store.fetch_async(REQUESTS)
    return count()


def test_a_cancelled_fetch_leaves_no_answer_behind(store, server):
    async def cancelled():
        with server.paused():
            task = asyncio.create_task(store.fetch_async([(A.full_name, "none")]))
            await asyncio.sleep(0.05)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        found = [await store.fetch_async(REQUESTS) for _ in range(5)]
        await store.close_async()
        return [rows[0] and rows[0][2] for rows in found]

    assert asyncio.run(cancelled()) == [1.0] * 5
