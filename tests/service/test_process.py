"""The service as a process: bundles exchanged under load, signals, workers, an end that loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pyarrow.parquet as pq
import pytest

from palette.serving import LocalPipeline
from tests.service.asked import BODY, basis_plan, saved
from tests.service.running import Running

SCORE, LOAD = "/v1/models/eta/score", "/v1/models/eta:load"


def factor(number):
    """Return a plan whose answers tell which one it is."""
    return basis_plan({"x": f"nVal('basis:x') * {number}"}, x="double")


class Load:
    """Clients that ask without a pause, and what they were answered."""

    def __init__(self, url, clients=3):
        self.url = url
        self.answers = []
        self.failures = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        with httpx.Client(base_url=self.url) as client:
            while not self._ending.is_set():
                try:
                    answer = client.post(SCORE, json={"row": {"x": 1}})
                    if answer.status_code == 200:
                        told = answer.json()
                        self.answers.append((told["version"], told["result"]["x"]))
                    else:
                        self.failures.append(answer.text)
                except Exception as error:  # noqa: BLE001  whatever it is, it must not be
                    self.failures.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def wait(self, more):
        """Wait for more answers."""
        wanted = len(self.answers) + more
        until = time.monotonic() + 30
        while len(self.answers) < wanted and not self.failures and time.monotonic() < until:
            time.sleep(0.005)


@pytest.fixture
def bundles(tmp_path):
    for number in (2, 3):
        LocalPipeline(factor(number)).save(tmp_path / "root" / f"times{number}")
    LocalPipeline(factor(2)).save(tmp_path / "eta")
    return tmp_path


def test_bundles_are_exchanged_without_a_lost_request(bundles):
    with Running(bundles / "eta", "--bundle-root", bundles / "root") as running, Load(running.url) as load:
        for round_ in range(6):
            load.wait(50)
            number = 3 if round_ % 2 == 0 else 2
            answer = httpx.post(running.url + LOAD, json={"path": f"times{number}"})
            assert answer.status_code == 200
            assert httpx.post(running.url + SCORE, json={"row": {"x": 1}}).json()["result"] == {"x": float(number)}
        for number in (3, 2):
            LocalPipeline(factor(number)).save(bundles / "root/times2")
            before = len([line for line in running.log if line["event"] == "model loaded"])
            load.wait(50)
            running.hang_up()
            running.wait_for("model loaded", before + 1)
        load.wait(50)
    assert load.failures == []
    # Each version gives its own answers, whatever the moment.
    assert len({version for version, _ in load.answers}) == 2
    assert len(set(load.answers)) == 2


def test_an_end_answers_what_is_under_way_and_writes_what_waits(tmp_path):
    settings = saved(tmp_path)
    (_, bundle) = settings.bundles[0]
    with Running(bundle, "--store", settings.store, "--served-log", tmp_path / "log", "--drain-seconds", 4) as running:
        rows = [BODY["row"]] * 1000
        answers = []

        def ask():
            answers.append(httpx.post(running.url + SCORE, json={"rows": rows, "now": BODY["now"]}).status_code)

        clients = [threading.Thread(target=ask) for _ in range(5)]
        for client in clients:
            client.start()
        running.wait_for("listening")
        until = time.monotonic() + 20
        while not answers and time.monotonic() < until:
            time.sleep(0.001)
        running.process.terminate()
        until = time.monotonic() + 3
        while httpx.get(running.url + "/readyz").status_code == 200 and time.monotonic() < until:
            time.sleep(0.01)
        assert httpx.get(running.url + "/readyz").json() == {"status": "ending"}
        ask()
        assert running.process.wait(30) == 0
        for client in clients:
            client.join()
    assert "stopped" in [line["event"] for line in running.log]
    assert answers == [200] * 6
    written = [pq.read_metadata(file).num_rows for file in (tmp_path / "log").rglob("*.parquet")]
    assert sum(written) == 6000
    with pytest.raises(httpx.TransportError):
        httpx.get(running.url + "/healthz")


def rows_counted(url):
    lines = httpx.get(url + "/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('palette_rows_total{model="eta"}'))


@pytest.mark.slow
def test_workers_share_bundles_figures_and_the_port(bundles):
    with Running(bundles / "eta", "--bundle-root", bundles / "root", "--workers", 2) as running:
        running.ready()
        running.wait_for("model loaded", 2)
        assert httpx.post(running.url + LOAD, json={"path": "times3"}).status_code == 200
        until = time.monotonic() + 20
        found = []
        # A new connection each time: it may meet any worker.
        while found[-20:] != [3.0] * 20 and time.monotonic() < until:
            found.append(httpx.post(running.url + SCORE, json={"row": {"x": 1}}).json()["result"]["x"])
        assert found[-20:] == [3.0] * 20
        # Each worker passes on what it counted once a second.
        while (counted := rows_counted(running.url)) != len(found) and time.monotonic() < until + 10:
            time.sleep(0.1)
        assert counted == len(found)
        children = {line["process"] for line in running.log} - {running.process.pid}
        # One that cannot be replaced yet costs the others nothing.
        away = (bundles / "root/times3").rename(bundles / "away")
        os.kill(next(iter(children)), signal.SIGKILL)
        running.wait_for("worker cannot start")
        assert running.wait_for("worker exited, restarting", 2)["seconds"] == 1
        assert httpx.post(running.url + SCORE, json={"row": {"x": 1}}).json()["result"]["x"] == 3.0
        loaded = len([line for line in running.log if line["event"] == "model loaded"])
        away.rename(bundles / "root/times3")
        running.wait_for("model loaded", loaded + 1)
        for _ in range(10):
            with contextlib.suppress(httpx.TransportError):
                assert httpx.post(running.url + SCORE, json={"row": {"x": 1}}).json()["result"]["x"] == 3.0
        assert running.end() == 0


def test_workers_end_with_the_process_above(bundles, monkeypatch):
    # What it would have cleared away.
    monkeypatch.setenv("TMPDIR", str(bundles))
    with Running(bundles / "eta", "--workers", 2) as running:
        running.ready()
        running.wait_for("model loaded", 2)
        running.process.kill()
        running.process.wait(10)
        # All who write to its log are gone.
        running._reader.join(10)
        started, ended = (
            {line["process"] for line in running.log if line["event"] == event} for event in ("model loaded", "stopped")
        )
        for left in started - ended:
            os.kill(left, signal.SIGKILL)
        assert started == ended


def test_a_bundle_that_cannot_be_read_ends_it_at_once(tmp_path):
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "palette", "serve", str(tmp_path), "--port", "0", "--workers", workers]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (2, 3)
        assert "no complete bundle" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(bundles):
    with Running(bundles / "eta") as running:
        command = [sys.executable, "-m", "palette", "serve", str(bundles / "eta"), "--port", running.url.split(":")[-1]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "choose another" in done.stderr
