"""The service on a real Redis: its answers, its end, and its return."""

from __future__ import annotations

import httpx
import pytest

from palette.online.redis.store import RedisStore
from tests.servers.redis import RedisServer
from tests.service.asked import BODY, Asked, filled, saved, with_changes
from tests.service.running import Running
from tests.service.test_scoring import ANSWER, SCORE
from tests.serving.test_plan import KNOWN


@pytest.fixture
def redis():
    server = RedisServer().start()
    store = RedisStore(server.url, KNOWN.__getitem__)
    filled(store)
    store.close()
    yield server
    server.close()


def test_rows_batches_features_and_health(redis, tmp_path):
    (bundle,) = saved(tmp_path).bundles
    with Running(bundle[1], "--store", redis.url, "--budget", 0.5, "--cache-size", 0) as running:
        with httpx.Client(base_url=running.url) as client:
            assert client.get("/readyz").status_code == 200
            assert client.post(SCORE, json=BODY).json()["result"] == ANSWER
            batch = client.post(SCORE, json={"rows": [BODY["row"]] * 100, "now": BODY["now"]}).json()["results"]
            assert batch == [ANSWER] * 100
            features = client.post("/v1/models/eta/features", json=BODY).json()["result"]
            assert features["a"]["age_seconds"] == 3600.0
            redis.stop()
            answer = client.post(SCORE, json=BODY)
            assert (answer.status_code, answer.json()["kind"]) == (503, "store")
            assert "cannot be reached" in answer.json()["error"]
            redis.start()
            answer = client.post(SCORE, json=BODY)
            assert answer.status_code == 200
            assert answer.json()["result"]["a"] is None, "it came back empty"
            filled(RedisStore(redis.url, KNOWN.__getitem__))
            assert client.post(SCORE, json=BODY).json()["result"] == ANSWER
            with redis.paused():
                slow = client.post(SCORE, json=BODY)
                assert (slow.status_code, slow.json()["kind"]) == (503, "store_timeout")
            assert client.post(SCORE, json=BODY).json()["result"] == ANSWER
        assert running.end() == 0


def test_defaults_while_it_is_down(redis, tmp_path):
    asked = Asked(with_changes(saved(tmp_path), store=redis.url, on_store_error="default", cache_size=100))
    redis.stop()
    answer = asked.post(SCORE, BODY)
    assert answer.status_code == 200
    assert "__store_error" in answer.json()["result"]
    assert asked.get("/readyz").status_code == 503
