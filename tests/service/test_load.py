"""Mixed traffic while bundles are exchanged and values are written: no wrong answer, no error, flat memory."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path

import httpx
import pytest

from palette.online.redis.store import RedisStore
from palette.serving import LocalPipeline
from palette.serving.plan import LookupStep, Plan
from tests.servers.redis import RedisServer
from tests.service.asked import basis_plan
from tests.service.running import Running
from tests.serving.test_plan import ENTITY, GROUP, KNOWN

KEYS = [f"r{number}" for number in range(20)]
MODEL = "/v1/models/eta"


class Writer:
    """Writes greater and greater values of each key, and knows which ones a reader may see."""

    def __init__(self, url):
        self.store = RedisStore(url, KNOWN.__getitem__)
        self.begun = dict.fromkeys(KEYS, 0)
        self.done = dict.fromkeys(KEYS, 0)
        for key in KEYS:
            self.write(key)

    def write(self, key):
        self.begun[key] = value = self.begun[key] + 1
        moment = dt.datetime.now(dt.UTC)
        self.store.write("restaurant:fg", [{"uuid": key, "ts": moment, "x": float(value), "n": value}])
        self.done[key] = value


class Client:
    """Asks in turn for a row, a batch, features, and what must be refused; checks each answer."""

    def __init__(self, url, writer, factors):
        self._url, self._writer, self._factors = url, writer, factors
        self.answers = 0

    def run(self, ending):
        with httpx.Client(base_url=self._url, timeout=30) as client:
            turn = 0
            while not ending.is_set():
                turn += 1
                keys = [KEYS[(turn * 7 + place) % len(KEYS)] for place in range(20 if turn % 5 == 0 else 1)]
                if turn % 9 == 0:
                    refused = client.post(f"{MODEL}/score", json={"row": {"r_id": turn}})
                    assert (refused.status_code, refused.json()["kind"]) == (422, "row")
                elif turn % 4 == 0:
                    self.features(client, keys[0])
                else:
                    self.score(client, keys)
                self.answers += 1

    def score(self, client, keys):
        least = dict(self._writer.done)
        answer = client.post(f"{MODEL}/score", json={"rows": [{"r_id": key} for key in keys]})
        most = dict(self._writer.begun)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        for key, result in zip(keys, told["results"], strict=True):
            assert least[key] <= result["a"] <= most[key], (key, result)
            assert result["y"] == result["a"] * self._factors[told["version"]], (told["version"], result)

    def features(self, client, key):
        least = self._writer.done[key]
        answer = client.post(f"{MODEL}/features", json={"row": {"r_id": key}})
        assert answer.status_code == 200, answer.text
        found = answer.json()["result"]["a"]
        assert least <= found["value"] <= self._writer.begun[key]
        assert found["status"] == "present"
        assert -1 < found["age_seconds"] < 700


def resident(process):
    """Return the KiB of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(10, id="short", marks=pytest.mark.slow), pytest.param(600, id="long", marks=pytest.mark.proof)],
)
def test_traffic_while_bundles_are_exchanged_and_values_are_written(tmp_path, seconds):
    lookup = LookupStep(ENTITY, GROUP, ("r_id",), {"a": "x"})
    for factor in (2, 3):
        (step,) = basis_plan({"y": f"nVal('basis:a') * {factor}"}, a="double").steps
        LocalPipeline(Plan((lookup, step), ("a", "y"))).save(tmp_path / f"times{factor}")
    server = RedisServer().start()
    options = ("--store", server.url, "--bundle-root", tmp_path, "--name", "eta")
    log = ("--served-log", tmp_path / "log", "--log-seconds", 1)
    try:
        writer = Writer(server.url)
        with Running(tmp_path / "times2", *options, *log) as running:
            exchange_under_traffic(running, writer, seconds)
            assert running.end() == 0
    finally:
        server.close()
    assert not [line for line in running.log if line.get("level") == "error"]
    assert list((tmp_path / "log").rglob("*.parquet"))


def exchange_under_traffic(running, writer, seconds):
    def load(factor):
        answer = httpx.post(f"{running.url}{MODEL}:load", json={"path": f"times{factor}"}, timeout=30)
        assert answer.status_code == 200
        return answer.json()["version"]

    factors = {load(factor): factor for factor in (3, 2)}
    assert len(factors) == 2
    ending, failures = threading.Event(), []

    def kept(function):
        def run():
            try:
                function(ending)
            except BaseException as error:  # noqa: BLE001  told by the test itself
                failures.append(error)
                ending.set()

        return threading.Thread(target=run)

    def write(ending):
        while not ending.is_set():
            for key in KEYS:
                writer.write(key)
            time.sleep(0.002)

    clients = [Client(running.url, writer, factors) for _ in range(2)]
    threads = [kept(client.run) for client in clients] + [kept(write)]
    for thread in threads:
        thread.start()
    began, sizes, exchanges = time.monotonic(), [], 0
    while time.monotonic() < began + seconds and not ending.wait(0.25):
        exchanges += 1
        load(2 + exchanges % 2)
        if exchanges % 20 == 0:
            running.hang_up()
        sizes.append(resident(running.process.pid))
    ending.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(client.answers for client in clients) > 20 * seconds
    # After a third all that is loaded once is loaded.
    assert sizes[-1] < 1.15 * sizes[len(sizes) // 3], sizes
