"""Serving from Redis: one row over two levels, batches, and feature reads against Feast's."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import feast_reads
from benchmarks.scoring import AT, BATCHES, ORDER
from benchmarks.serving_eats import EatsWorld
from benchmarks.table import Result
from benchmarks.turns import Turn, calling, in_turns
from palette.definitions import Entity, Feature, FeatureGroup
from palette.online.codec.codec import RowCodec
from palette.online.redis.store import RedisStore
from palette.online.snapshot.fill import fill
from palette.serving import LocalPipeline
from tests.servers.redis import RedisServer

__all__ = ["over_redis", "reads"]

FEAST, FEAST_READS = "feast[redis]==0.67.0", "Feast's get_online_features"
# Feast's environment is half a gigabyte: it is made once, and kept.
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "palette-benchmarks"


def over_redis(world: EatsWorld) -> list[Result]:
    """One row against two GETs, and a batch against row by row."""
    one = ("score_instance, eats pipeline with GBT over Redis, two levels", "two redis-py GETs of rows of that size")
    many = ("score_instances, 1,000 rows over Redis", "1,000 times score_instance")
    import redis

    with contextlib.closing(RedisServer().start()) as server:
        store = RedisStore(server.url, world.store.resolve_group)
        fill(store, world.snapshot)
        local = LocalPipeline.load(world.bundle, store=store)
        assert local.score_instance(ORDER, now=AT) == world.local.score_instance(ORDER, now=AT)

        client = redis.Redis(host="127.0.0.1", port=server.port)
        for name, size in zip(("one", "two"), sizes(store, local, world), strict=True):
            client.set(name, b"\x7f" * size)

        def ours() -> dict:
            return local.score_instance(ORDER, now=AT)

        def gets() -> tuple:
            return client.get("one"), client.get("two")

        arms = {"score_instance over Redis": calling(ours, 200), "two redis-py GETs": calling(gets, 200)}
        single = in_turns(arms, 4 if world.quick else 40)
        orders = world.orders(1_000)

        def batch() -> list:
            return local.score_instances(orders, now=AT)

        def each() -> list:
            return [local.score_instance(order, now=AT) for order in orders]

        assert batch() == each() == [world.local.score_instance(order, now=AT) for order in orders]
        arms = {"score_instances of 1,000 over Redis": calling(batch, 1)}
        arms["1,000 times score_instance over Redis"] = calling(each, 1)
        batches = in_turns(arms, 3 if world.quick else 30)
        client.close()
        store.close()
    mine, its = single.values()
    together, apart = batches.values()
    return [
        Result(*one, mine.over(its), 1.5, slower=True, times=single),
        Result(*many, apart.over(together), 10, times=batches),
    ]


def sizes(store: RedisStore, local: LocalPipeline, world: EatsWorld) -> tuple[int, int]:
    """Return the bytes that Redis holds of an order, by level."""
    region = local.score_instance(ORDER, now=AT)["region_id"]
    keys = {BATCHES[0]: ORDER["r_id"], BATCHES[1]: ORDER["r_id"], BATCHES[2]: region}
    rows = [world.snapshot.table(group).rows[key] for group, key in keys.items()]
    codecs = (RowCodec(store.layout(group).stored) for group in keys)
    first, second, third = (len(codec.encode(row)) for codec, row in zip(codecs, rows, strict=True))
    return first + second, third


# --- feature reads


def reads(*, quick: bool) -> list[Result]:
    """50 features of 5 groups, for one entity and for ten, against Feast in its own process."""
    sizes = ((1, "entity", 15), (10, "entities", 30))
    wanted = [(rows, f"feature reads, 50 features in 5 groups, {rows} {word}, Redis", at) for rows, word, at in sizes]
    python = feast_python(make=not quick)
    if isinstance(python, str):
        return [Result(what, FEAST_READS, None, target, note=python) for _, what, target in wanted]
    entities, results = 200 if quick else 2_000, []
    with (
        contextlib.closing(RedisServer().start()) as server,
        feast_process(python, server.port, entities) as feast,
    ):
        store = store_of(server.url, entities)
        for rows, what, target in wanted:
            calls = 200 // rows
            arms = {
                f"palette, {rows} x 50 features": our_reads(store, rows, calls, entities),
                f"Feast, {rows} x 50 features": feast(rows, calls),
            }
            times = in_turns(arms, 3 if quick else 20)
            mine, its = times.values()
            results.append(Result(what, FEAST_READS, its.over(mine), target, times=times))
        store.close()
    return results


def store_of(url: str, entities: int) -> RedisStore:
    """Return a store with what Feast's has."""
    driver = Entity("driver", keys={"driver_id": "string"})
    groups = {
        f"driver:group{number}": FeatureGroup(
            f"group{number}",
            entity="driver",
            timestamp="at",
            features=[Feature(f"f{number}_{feature}", "double") for feature in range(feast_reads.WIDTH)],
        )
        for number in range(feast_reads.GROUPS)
    }
    store = RedisStore(url, {name: (driver, group) for name, group in groups.items()}.__getitem__, prefix="palette")
    for place, name in enumerate(groups):
        rows = ((feast_reads.entity_of(number), (0, None, *values(number, place))) for number in range(entities))
        assert store.put(name, rows) == entities
    return store


def values(entity: int, group: int) -> list[float]:
    """Return the features of a group."""
    return [feast_reads.value_of(entity, group, feature) for feature in range(feast_reads.WIDTH)]


def our_reads(store: RedisStore, rows: int, calls: int, entities: int) -> Turn:
    """Return a turn that reads what Feast's turn reads."""
    groups = [f"driver:group{number}" for number in range(feast_reads.GROUPS)]
    asked = iter(feast_reads.keys_of(calls, rows, entities) * 1_000)

    def read() -> dict[str, list[dict[str, Any]]]:
        names = [feast_reads.entity_of(number) for number in next(asked)]
        return store.read(dict.fromkeys(groups, names))

    names = [feast_reads.entity_of(number) for number in range(3)]
    found = store.read(dict.fromkeys(groups, names))
    for place, group in enumerate(groups):
        for number, row in enumerate(found[group]):
            assert [row[f"f{place}_{feature}"] for feature in range(feast_reads.WIDTH)] == values(number, place)
    return calling(read, calls)


def feast_python(*, make: bool) -> Path | str:
    """Return the interpreter of Feast's environment, made if need be, or why there is none."""
    home = CACHE / FEAST.replace("[redis]==", "-")
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        remedy = f"python -m venv {home} and pip install '{FEAST}' there"
        if not make:
            return "not measured: Feast's environment is made by the full run"
        base = getattr(sys, "_base_executable", sys.executable)
        for command in ([base, "-m", "venv", "--clear", home], [python, "-m", "pip", "install", "--quiet", FEAST]):
            done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.splitlines() or ["?"])[-1]
                return f"not measured: Feast cannot be installed ({remedy}): {reason:.120}"
        (home / "ready").touch()
    return python


@contextlib.contextmanager
def feast_process(python: Path, port: int, entities: int) -> Iterator[Any]:
    """Start Feast's side; give a function that makes its turns."""
    command = [str(python), feast_reads.__file__, f"127.0.0.1:{port}", str(entities)]
    environment = {**os.environ, "FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout

    def turn_of(rows: int, calls: int) -> Turn:
        def turn() -> list[float]:
            print(rows, calls, file=requests, flush=True)
            return json.loads(answers.readline())

        return turn

    try:
        while (line := answers.readline()) != "ready\n":
            if not line:
                raise RuntimeError(process.communicate()[1][-2000:])
        yield turn_of
    finally:
        process.kill()
        process.wait()
