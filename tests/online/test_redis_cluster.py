"""A cluster: keys on several nodes, which move and die."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from palette.errors import StoreError, StoreTimeoutError
from palette.online import RedisStore
from palette.online.testing import CHECKS
from tests.online.test_redis import KNOWN, A, C, write, x_of
from tests.servers.redis import RedisServer

SLOTS = 16384


@pytest.fixture(scope="module")
def nodes():
    """Three primaries, each with a third of the slots."""
    found = [RedisServer("--cluster-enabled", "yes", "--cluster-node-timeout", "2000") for _ in range(3)]
    try:
        for number, node in enumerate(found):
            client = node.start().client()
            bounds = [SLOTS * part // 3 for part in (number, number + 1)]
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[0], bounds[1] - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in found[1:]:
            found[0].client().execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        until = time.monotonic() + 30
        while not all(b"cluster_state:ok" in node.client().execute_command("CLUSTER", "INFO") for node in found):
            assert time.monotonic() < until, "the cluster does not form"
            time.sleep(0.05)
        while not all(len(node.client().execute_command("CLUSTER", "SLOTS")) == 3 for node in found):
            assert time.monotonic() < until, "the nodes do not know each other"
            time.sleep(0.05)
        yield found
    finally:
        for node in found:
            node.close()


@pytest.fixture
def open_store(nodes):
    made = []

    def store(prefix="cluster", known=KNOWN.__getitem__, **options):
        made.append(RedisStore(f"redis+cluster://127.0.0.1:{nodes[0].port}", known, prefix=prefix, **options))
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
def test_cluster_keeps_the_promises_of_a_store(check, open_store):
    numbers = iter(range(10_000))
    check(lambda definitions: open_store(f"{check.__name__}{next(numbers)}", definitions))


def test_rows_lie_on_all_nodes_and_come_in_order(open_store, nodes):
    store = open_store("spread")
    keys = [f"k{number}" for number in range(60)]
    rows = [{"name": key, "x": float(number)} for number, key in enumerate(keys)]
    assert store.write(C, rows) == len(rows)
    assert all(len(node.client().keys("spread:region:*")) > 5 for node in nodes)
    requests = [(C.full_name, key) for key in [*keys, "none"]]
    wanted = [*map(float, range(60)), None]
    assert [row and row[2] for row in store.fetch(requests)] == wanted
    assert [row and row[2] for row in asyncio.run(store.fetch_async(requests))] == wanted
    assert repr(store).startswith("RedisStore('redis+cluster://127.0.0.1:")


def test_cluster_has_an_identity(open_store):
    store = open_store("named")
    assert store.identity() is None
    assert store.identity(make=True) == store.identity() is not None


def test_a_slot_that_moves_is_followed(open_store, nodes):
    store = open_store("moving")
    write(store, key="k")
    name = b"moving:place:s:k"
    slot = nodes[0].client().execute_command("CLUSTER", "KEYSLOT", name)
    source = next(node for node in nodes if node.client().execute_command("CLUSTER", "COUNTKEYSINSLOT", slot))
    target = next(node for node in nodes if node is not source)
    ids = {node: node.client().execute_command("CLUSTER", "MYID").decode() for node in (source, target)}
    target.client().execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.client().execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    assert x_of(store) == 1.0
    source.client().execute_command("MIGRATE", "127.0.0.1", target.port, name, 0, 1000)
    assert x_of(store) == 1.0  # ASK
    assert write(store, x=2.0, event=1) == 1
    for node in nodes:
        node.client().execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    assert x_of(store) == 2.0  # MOVED
    assert x_of(open_store("moving")) == 2.0


def test_a_node_that_hangs_costs_the_budget(open_store, nodes):
    store = open_store("hanging")
    keys = [f"k{number}" for number in range(60)]
    store.write(C, [{"name": key, "x": 1.0} for key in keys])
    requests = [(C.full_name, key) for key in keys]
    assert all(store.fetch(requests))
    with nodes[1].paused():
        start = time.monotonic()
        with pytest.raises(StoreTimeoutError):
            store.fetch(requests, budget=0.1)
        assert time.monotonic() - start < 0.6
        start = time.monotonic()
        with pytest.raises(StoreTimeoutError):
            asyncio.run(store.fetch_async(requests, budget=0.1))
        assert time.monotonic() - start < 0.6
    assert all(store.fetch(requests))


@pytest.mark.parametrize("awaited", [False, True], ids=["fetch", "fetch_async"])
def test_a_server_that_is_no_cluster_is_told(redis_server, awaited):
    store = RedisStore(redis_server.url.replace("redis:", "redis+cluster:"), KNOWN.__getitem__)
    with pytest.raises(StoreError, match=r"a server that is no cluster has a URL without \+cluster"):
        asyncio.run(store.fetch_async([(A.full_name, "k")])) if awaited else x_of(store)
    store.close()


def test_errors_of_a_node_keep_their_remedy(open_store, nodes):
    store = open_store("full")
    write(store, key="k")
    clients = [node.client() for node in nodes]
    for client in clients:
        client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError, match=r"refused: .*OOM.*maxmemory"):
            write(store, key="new", event=1)
    finally:
        for client in clients:
            client.config_set("maxmemory", 0)
    assert x_of(store) == 1.0


def test_a_store_that_was_closed_is_used_again_and_ends_its_thread(open_store):
    store = open_store("closed")

    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "palette-redis-cluster"]

    before = len(threads())
    for _ in range(2):
        write(store, key="k")
        assert x_of(store) == 1.0
        assert len(threads()) == before + 1
        store.close()
        assert len(threads()) == before


def test_a_cluster_that_is_taken_for_one_server_is_told(nodes):
    requests = [(A.full_name, f"k{number}") for number in range(50)]
    with pytest.raises(StoreError, match=r"MOVED .*begin the URL with redis\+cluster"):
        RedisStore(nodes[0].url, KNOWN.__getitem__).fetch(requests)
