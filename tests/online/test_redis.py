"""Redis: what goes over the wire, what lies in the server, who may come in."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, StoreError
from palette.online import RedisStore
from palette.online.redis.wire import Wire
from tests.online import writers
from tests.servers.redis import RedisServer
from tests.servers.tls import TlsFront

ROOT = Path(__file__).parent.parent.parent
T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
PLACE = Entity("place", keys={"id": "string"})
REGION = Entity("region", keys={"name": "string"})
A, B = (FeatureGroup(name, PLACE, [Feature("x", "double")], timestamp="ts", ttl="2h") for name in "ab")
C = FeatureGroup("c", REGION, [Feature("x", "double")])
KNOWN = {group.full_name: (entity, group) for entity, group in ((PLACE, A), (PLACE, B), (REGION, C))}
NUMBERS = itertools.count()


@pytest.fixture
def make(redis_server):
    made = []

    def store(url=redis_server.unix_url, known=KNOWN, prefix=None, **options):
        made.append(RedisStore(url, known.__getitem__, prefix=prefix or f"r{next(NUMBERS)}", **options))
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.fixture
def server():
    own = RedisServer().start()
    yield own
    own.close()


def write(store, group=A, key="k", x=1.0, event=0.0):
    key_column = "id" if group.entity == "place" else "name"
    times = {} if group.timestamp is None else {"ts": T0 + event * HOUR}
    return store.write(group, [{key_column: key, "x": x, **times}])


def x_of(store, key="k", group=A, **options):
    return store.read({group.full_name: [key]}, T0, **options)[group.full_name][0]["x"]


def test_one_hash_an_entity_key_and_one_field_a_group(make, redis_server):
    store = make(prefix="layout")
    for group in (A, B, C):
        write(store, group)
    client = redis_server.client()
    assert sorted(client.keys("layout:*")) == [b"layout:place:s:k", b"layout:region:s:k", b"layout:schemas"]
    assert sorted(client.hkeys("layout:place:s:k")) == [b"a", b"b"]
    assert client.hstrlen("layout:place:s:k", "a") == 24 + 8 + 1
    assert client.ttl("layout:place:s:k") == -1


@pytest.mark.parametrize("awaited", [False, True], ids=["fetch", "fetch_async"])
def test_a_read_of_groups_and_keys_is_one_round_trip(make, redis_server, awaited, monkeypatch):
    store = make()
    for group, key in itertools.product((A, B, C), ("k", "j")):
        write(store, group, key)
    requests = [(group.full_name, key) for key in ("k", "j", "none", None) for group in (A, B, C)]
    sent = []
    exchange = Wire.exchange

    def counted(self, commands, seconds):
        sent.append(commands)
        return exchange(self, commands, seconds)

    monkeypatch.setattr(Wire, "exchange", counted)
    before = commands_of(redis_server)
    found = asyncio.run(store.fetch_async(requests)) if awaited else store.fetch(requests)
    after = commands_of(redis_server)
    assert [row and row[2] for row in found] == [1.0] * 6 + [None] * 6
    # One command a hash; nobody is asked for a null key; nothing else is asked.
    assert {name: after[name] - before.get(name, 0) for name in after if name.startswith("h")} == {
        "hmget": 6,
        "hget": 0,
    }
    assert len(sent) == (0 if awaited else 1)
    store.fetch([(A.full_name, None)])
    assert len(sent) == (0 if awaited else 1)


def commands_of(server):
    stats = server.client().info("commandstats")
    return {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hmget", "hget")}


def test_processes_agree(server):
    command = [sys.executable, "-m", "tests.online.writers", "redis", server.url]
    running = [subprocess.Popen([*command, str(seed)], cwd=ROOT) for seed in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = writers.open_store("redis", server.url)
    keys = [f"k{key}" for key in range(writers.KEYS)]
    assert store.read({writers.GROUP.full_name: keys}, T0)[writers.GROUP.full_name] == [writers.WINNER] * len(keys)


@pytest.mark.parametrize(("theirs", "taken", "left"), [(5.0, 0, 5.0), (2.0, 1, 3.0)], ids=["greater", "less"])
def test_a_tie_is_decided_anew_when_another_writes_meanwhile(make, monkeypatch, theirs, taken, left):
    store, other = make(prefix=f"tie{taken}"), make(prefix=f"tie{taken}")
    write(store, x=1.0)
    exchange, calls = store._wire.exchange, []

    def interrupted(commands, seconds):
        calls.append(commands)
        if len(calls) == 2:
            write(other, x=theirs)
        return exchange(commands, seconds)

    monkeypatch.setattr(store._wire, "exchange", interrupted)
    assert write(store, x=3.0) == taken
    assert len(calls) == 2 + taken
    assert x_of(other) == left


def test_the_script_is_loaded_again_where_it_was_lost(make, redis_server):
    store = make()
    write(store)
    redis_server.client().script_flush()
    assert store.write(A, [{"id": f"k{n}", "x": 1.0, "ts": T0 + HOUR} for n in range(5)]) == 5
    redis_server.client().script_flush()
    assert store.delete(A, ["k1"], T0 + HOUR) == 1


def test_another_process_learns_a_schema_from_the_store(make, redis_server):
    known = {A.full_name: (PLACE, A)}
    write(make(known=known, prefix="evolved"))
    known[A.full_name] = (PLACE, FeatureGroup("a", PLACE, [Feature("y", "string"), *A.features], timestamp="ts"))
    for awaited in (False, True):
        fresh = make(known=known, prefix="evolved")
        requests = [(A.full_name, "k")]
        found = asyncio.run(fresh.fetch_async(requests)) if awaited else fresh.fetch(requests)
        assert found[0][2:] == (None, 1.0)
    redis_server.client().delete("evolved:schemas")
    fresh = make(known=known, prefix="evolved")
    with pytest.raises(StoreError, match=r"unknown schema fingerprint [0-9a-f]{12}"):
        x_of(fresh)


def test_damaged_rows_are_told_and_mended(make, redis_server):
    store = make(prefix="damaged")
    for bad in (
        b"",
        b"nonsense",
        b"\x01" * 40,
        b"\x01\x00" + store.layout(A.full_name).stored.fingerprint + b"\0" * 20,
    ):
        redis_server.client().hset("damaged:place:s:k", "a", bad)
        with pytest.raises(StoreError, match="place:a"):
            x_of(store)
        if bad[:2] == b"\x01\x01":
            continue  # a schema that nobody knows: it may be a newer row
        assert write(store, x=2.0) == 1
        assert x_of(store) == 2.0


def test_a_key_of_something_else_is_told(make, redis_server):
    store = make(prefix="taken")
    redis_server.client().set("taken:place:s:k", "mine")
    for act in (x_of, write, lambda store: store.delete(A, ["k"])):
        with pytest.raises(StoreError, match=r"WRONGTYPE .*use another prefix"):
            act(store)


def test_keys_expire_after_the_longest_ttl_of_their_groups(make, redis_server):
    client, now = redis_server.client(), dt.datetime.now(dt.UTC).replace(tzinfo=None)
    store = make(prefix="expiring", expire_after=HOUR)

    def left(key="expiring:place:s:k"):
        return round(client.ttl(key) / 360) / 10

    def put(group, hours, key="k"):
        store.write(group, [{"id": key, "x": 1.0, "ts": now + hours * HOUR}], ahead=None)

    put(A, 0)
    assert left() == 3.0
    put(A, 1)
    assert left() == 4.0
    put(B, 0.5)
    assert left() == 4.0
    put(A, 0.5)  # not taken
    assert left() == 4.0
    put(A, -9, "old")
    assert not client.exists("expiring:place:s:old")
    store.delete(B, ["k"], now + 5 * HOUR)
    assert left() == 8.0
    write(store, C)
    assert client.ttl("expiring:region:s:k") == -1
    # A key that was written without expiry gets one, while the group is alone there; and loses it.
    for writer, x in ((make(prefix="expiring"), 1.0), (store, 2.0), (make(prefix="expiring"), 3.0)):
        writer.write(A, [{"id": "alone", "x": x, "ts": now}])
        assert (client.ttl("expiring:place:s:alone") > 0) == (writer is store)
    # The same row put again under a longer ttl keeps its key longer; under a shorter one no shorter.
    for hours, expected in ((5, 6.0), (2, 6.0), (9, 10.0)):
        longer = FeatureGroup("a", PLACE, A.features, timestamp="ts", ttl=dt.timedelta(hours=hours))
        put_again = make(known={A.full_name: (PLACE, longer)}, prefix="expiring", expire_after=HOUR)
        put_again.write(longer, [{"id": "again", "x": 1.0, "ts": now}])
        assert left("expiring:place:s:again") == expected
    # A group without ttl keeps the key.
    endless = FeatureGroup("b", PLACE, [Feature("x", "double")], timestamp="ts")
    kept = make(known={B.full_name: (PLACE, endless)}, prefix="expiring", expire_after=HOUR)
    kept.write(endless, [{"id": "k", "x": 1.0, "ts": now + 9 * HOUR}], ahead=None)
    assert client.ttl("expiring:place:s:k") == -1
    put(A, 10)
    assert client.ttl("expiring:place:s:k") == -1


# --- addresses and users


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("localhost:6379", "begins with one of redis", id="none"),
        pytest.param("http://localhost", "begins with one of redis", id="other"),
        pytest.param("redis://u:secret@h:port", "bad port", id="port"),
        pytest.param("redis://u:secret/4@h:6379/0", "are %2F", id="slash-in-password"),
        pytest.param("redis://u:42/secret@h:6379/0", "are %2F", id="number-and-slash"),
        pytest.param("redis://u:42?secret@h", "are %2F", id="question-mark-in-password"),
        pytest.param("redis://u:42#secret@h", "are %2F", id="hash-in-password"),
        pytest.param("redis://[u:secret@h", "are %2F", id="bracket"),
        pytest.param("redis://:secret@h?socket_read_size=x", "redis://h: Invalid value", id="option"),
    ],
)
def test_bad_addresses_are_refused(url, message):
    with pytest.raises(ArgumentError, match=message) as raised:
        RedisStore(url, KNOWN.__getitem__)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["", "a:b", "a b", "ü", "{a}"])
def test_bad_prefixes_are_refused(prefix):
    with pytest.raises(ArgumentError, match="prefix"):
        RedisStore("redis://localhost", KNOWN.__getitem__, prefix=prefix)


@pytest.fixture
def users(server):
    client = server.client()
    client.execute_command("ACL", "SETUSER", "reader", "on", ">r@d:er", "~palette:*", "+hmget", "+hget")
    client.execute_command("ACL", "SETUSER", "default", ">t0p-secret")
    return server


@pytest.mark.parametrize("awaited", [False, True], ids=["fetch", "fetch_async"])
def test_users_and_passwords(users, awaited, monkeypatch):
    at = f"127.0.0.1:{users.port}"

    def fetch(url):
        store = RedisStore(url, KNOWN.__getitem__)
        requests = [(A.full_name, "k")]
        found = asyncio.run(store.fetch_async(requests)) if awaited else store.fetch(requests)
        store.close()
        return found

    write(RedisStore(f"redis://:t0p-secret@{at}", KNOWN.__getitem__))
    assert fetch(f"redis://:t0p-secret@{at}")[0][2] == 1.0
    assert fetch(f"unix://{users.socket}?password=t0p-secret")[0][2] == 1.0
    assert fetch(f"redis://reader:r%40d%3Aer@{at}")[0][2] == 1.0
    for url in (f"redis://{at}", f"redis://:wr0ng@{at}", f"redis://reader:wr0ng@{at}"):
        with pytest.raises(StoreError, match=f"RedisStore.*{at}.* refused: .*PALETTE_REDIS_PASSWORD") as raised:
            fetch(url)
        assert "wr0ng" not in str(raised.value)
    monkeypatch.setenv("PALETTE_REDIS_PASSWORD", "t0p-secret")
    assert fetch(f"redis://{at}")[0][2] == 1.0
    monkeypatch.setenv("PALETTE_REDIS_USERNAME", "reader")
    monkeypatch.setenv("PALETTE_REDIS_PASSWORD", "r@d:er")
    assert fetch(f"redis://{at}")[0][2] == 1.0
    store = RedisStore(f"redis://{at}", KNOWN.__getitem__)
    with pytest.raises(StoreError, match=r"refused: NOPERM .*the user needs"):
        write(store, event=1.0)
    assert "r@d" not in repr(store)


def test_tls(server, tmp_path, request):
    front = TlsFront(server.socket, tmp_path)
    request.addfinalizer(front.close)
    url = f"rediss://127.0.0.1:{front.port}/0"
    trusted = RedisStore(f"{url}?ssl_ca_certs={front.authority}", KNOWN.__getitem__)
    assert write(trusted) == 1
    assert x_of(trusted) == 1.0
    assert asyncio.run(trusted.fetch_async([(A.full_name, "k")]))[0][2] == 1.0
    trusted.close()
    for untrusting in (url, url.replace("rediss", "redis")):
        with pytest.raises(StoreError, match="cannot be reached"):
            x_of(RedisStore(untrusting, KNOWN.__getitem__))
