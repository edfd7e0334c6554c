"""`POST /score` with one row against the same server returning a constant: what scoring costs on top of HTTP.

Both routes pass the same server, the same process and the same layer of tokens, bounds and counts, over one connection
that is kept, request by request in turns; in long runs of one arm the constant stays in the processor's caches, and the
ratio is about a tenth larger. The constant is as long as the answer, and its route reads the body as well.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.table import Result
from benchmarks.turns import calling, in_turns
from dsl import Binding, parse
from palette.definitions import Entity, Feature, FeatureGroup
from palette.online import MemoryStore, Snapshot
from palette.serving import LocalPipeline
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.stages.features.assembler import VectorAssembler
from palette.serving.stages.trees.nodes import Trees
from palette.serving.stages.trees.regression import GBTRegressionModel

AT = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
RESTAURANT = Entity("restaurant", keys={"restaurant_uuid": "string"})
REGION = Entity("region", keys={"h3_cell": "string"})
BATCH = FeatureGroup(
    "batch_fg", entity="restaurant", timestamp="day", ttl="7d", features=[Feature("prep_time", "double")]
)
REALTIME = FeatureGroup(
    "realtime_fg",
    entity="restaurant",
    timestamp="hour",
    ttl="2h",
    features=[Feature("n_meal", "bigint"), Feature("lat", "double"), Feature("long", "double")],
)
SERVICE = FeatureGroup(
    "service_fg", entity="region", timestamp="hour", ttl="2h", features=[Feature("n_busy", "double")]
)
KNOWN = {f"{group.entity}:{group.name}": (entity, group) for entity, group in
         ((RESTAURANT, BATCH), (RESTAURANT, REALTIME), (REGION, SERVICE))}  # fmt: skip
MODEL, CONSTANT = "eats pipeline with a GBT", "the same server returning a constant"
ORDER = {"r_id": "r007", "order_size": 3}
# The server under test, with one more route: as much as can be the same is the same.
SERVER = """
import sys
from palette.cli import main
from palette.service.models.registry import Registry

constant = bytes(int(sys.argv.pop(1)))
constant = b'"' + b"x" * (len(constant) - 2) + b'"'
made = Registry.__init__


async def answer(body):
    return constant


def with_constant(self, settings, gate, metrics, log):
    made(self, settings, gate, metrics, log)
    gate.fast = {**gate.fast, "/v1/constant": answer}


Registry.__init__ = with_constant
main()
"""


def plan() -> Plan:
    """Return the eats pipeline with boosted trees, as ``fit`` would make it; no Spark is needed for that."""

    def step(lambdas: dict[str, str], **types: str) -> DslStep:
        bindings = {f"basis:{column}": asdict(Binding(column, dtype)) for column, dtype in types.items()}
        return DslStep({name: str(parse(text)) for name, text in lambdas.items()}, bindings, {})

    inputs = ("prep_time", "n_meal", "order_size", "n_busy")
    return Plan(
        (
            LookupStep(RESTAURANT, BATCH, ("r_id",), {"raw_prep": "prep_time"}),
            LookupStep(RESTAURANT, REALTIME, ("r_id",), {"raw_meal": "n_meal", "lat": "lat", "long": "long"}),
            step({"region_id": "regionId('basis:lat', 'basis:long')"}, lat="double", long="double"),
            LookupStep(REGION, SERVICE, ("region_id",), {"raw_busy": "n_busy"}),
            step(
                {
                    "prep_time": "nFill(nVal('basis:raw_prep'), -1)",
                    "n_meal": "nFill(nVal('basis:raw_meal'), -1)",
                    "order_size": "nVal('basis:order_size')",
                    "n_busy": "nFill(nVal('basis:raw_busy'), -1)",
                },
                raw_prep="double", raw_meal="bigint", order_size="bigint", raw_busy="double",
            ),
            VectorAssembler(inputs, ("features",), "error"),
            boosted(),
        ),
        ("region_id", *inputs, "features", "prediction"),
    )  # fmt: skip


def boosted() -> GBTRegressionModel:
    """Return 20 full trees of depth 5 over four features."""
    dice = random.Random(7)
    nodes = Trees([], [], [], [], [], [], [], [], [])

    def grow(depth: int, leaves: Iterator[int]) -> int:
        node, inner = len(nodes.feature), depth > 0
        nodes.feature.append(dice.randrange(4) if inner else -1)
        nodes.threshold.append(dice.uniform(0, 15) if inner else 0.0)
        nodes.choice.append(-1)
        nodes.value.append(dice.gauss(0, 1))
        nodes.leaf.append(-1 if inner else next(leaves))
        nodes.left.append(-1)
        nodes.right.append(-1)
        if inner:
            nodes.left[node] = grow(depth - 1, leaves)
            nodes.right[node] = grow(depth - 1, leaves)
        return node

    for _ in range(20):
        nodes.roots.append(grow(5, itertools.count()))
    weights = [1.0] + [0.1] * 19
    return GBTRegressionModel(("features",), ("prediction",), -1, ["prediction"], nodes.to_json(), weights, [], 4)


def snapshot() -> Snapshot:
    """Return rows for the restaurant and its region."""
    store = MemoryStore(KNOWN.__getitem__)
    store.write("restaurant:batch_fg", [{"restaurant_uuid": "r007", "day": AT, "prep_time": 12.5}])
    place = {"n_meal": 4, "lat": 40.75, "long": -73.98}
    store.write("restaurant:realtime_fg", [{"restaurant_uuid": "r007", "hour": AT, **place}])
    cell = LocalPipeline(plan(), store).score_instance(ORDER, now=AT)["region_id"]
    store.write("region:service_fg", [{"h3_cell": cell, "hour": AT, "n_busy": 0.5}])
    return Snapshot([store.table(group) for group in KNOWN], AT)


@contextlib.contextmanager
def server(home: Path, size: int, *options: str) -> Iterator[tuple[str, int]]:
    """Run the service with a route that returns ``size`` bytes; give its token and port."""
    token = secrets.token_urlsafe()
    command = [sys.executable, "-c", SERVER, str(size), "serve", str(home / "eta"), "--port", "0", *options]
    process = subprocess.Popen(
        command, env={**os.environ, "PALETTE_TOKENS": token}, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            told = json.loads(line) if line.startswith("{") else {"event": line}
            if told["event"] == "listening":
                yield token, int(told["url"].rpartition(":")[2])
                break
        else:
            raise RuntimeError("the service did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


class Connection:
    """One connection that is kept: no more of HTTP than these answers need, so that the client weighs little."""

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = token

    def request(self, path: str, body: bytes) -> bytes:
        """Return the bytes of a POST."""
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self._token}\r\n"
        return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    def send(self, request: bytes) -> bytes:
        """Send a request, and return the body of the answer."""
        self._socket.sendall(request)
        found = self._socket.recv(65536)
        while b"\r\n\r\n" not in found:
            found += self._socket.recv(65536)
        head, _, body = found.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65536)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(found.decode())
        return body


def run(*, quick: bool = False) -> list[Result]:
    """Measure both routes in turns, each first as often as second."""
    home = Path(tempfile.mkdtemp(prefix="palette-service-"))
    LocalPipeline(plan()).save(home / "eta")
    snapshot().save(home / "snapshot")
    body = json.dumps({"row": ORDER}).encode()
    expected = LocalPipeline(plan(), snapshot()).score_instance(ORDER, now=AT)
    version = "0" * 12
    size = len(json.dumps({"model": "eta", "version": version, "result": expected}, separators=(",", ":")))
    with server(home, size, "--store", str(home / "snapshot")) as (token, port):
        connection = Connection(port, token)
        scoring = connection.request("/v1/models/eta/score", body)
        constant = connection.request("/v1/constant", body)
        assert json.loads(connection.send(scoring))["result"] == expected
        arms = {
            f"POST /score, one row, {MODEL}": calling(lambda: connection.send(scoring), 1),
            f"POST, {CONSTANT}": calling(lambda: connection.send(constant), 1),
        }
        alone = in_turns(arms, 500 if quick else 15_000)
        mine, its = alone.values()
        # What one process can take, about: the time of a request and its answer, and no pause.
        pace = 2 * statistics.median(one for turn in mine.turns for one in turn)
        half = at_pace(connection, {"score": scoring, "constant": constant}, pace, blocks=5 if quick else 60)
    # The median of blocks: another process that takes the processor for a moment spoils one of them, not all.
    p99 = statistics.median(map(worst, half["score"])) / statistics.median(map(worst, half["constant"]))
    return [
        Result(f"POST /score, one row, {MODEL}, p50", CONSTANT, mine.over(its), 1.3, slower=True, times=alone),
        Result(f"POST /score, one row, {MODEL}, p99 at half saturation", CONSTANT, p99, 2, slower=True),
    ]


def worst(times: list[float]) -> float:
    """Return the 99th of a hundred."""
    return statistics.quantiles(times, n=100)[98]


def at_pace(connection: Connection, arms: dict[str, bytes], pace: float, blocks: int) -> dict[str, list[list[float]]]:
    """Return the seconds of each answer since it was due, block by block; one is due each ``pace`` seconds."""
    times: dict[str, list[list[float]]] = {name: [] for name in arms}
    for block in range(blocks):
        for name, request in list(arms.items())[:: 1 if block % 2 else -1]:
            found: list[float] = []
            due = time.perf_counter()
            for _ in range(300):
                due += pace
                while time.perf_counter() < due:
                    pass
                connection.send(request)
                found.append(time.perf_counter() - due)
            times[name].append(found)
    return times


if __name__ == "__main__":
    from benchmarks.table import print_table

    print_table(run(quick="--quick" in sys.argv))
