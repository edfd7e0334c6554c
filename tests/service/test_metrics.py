"""What is counted."""

from __future__ import annotations

import pytest

from palette.errors import StoreError
from palette.online.near_cache import NearCache
from palette.service.metrics import Metrics
from palette.service.models import stores
from tests.service.asked import BODY, Asked, saved, with_changes
from tests.service.test_scoring import Elsewhere
from tests.serving.test_plan import order

SCORE = "/v1/models/eta/score"


def test_requests_rows_values_and_errors(tmp_path):
    asked = Asked(saved(tmp_path))
    asked.post(SCORE, BODY)
    asked.post(SCORE, {"rows": [BODY["row"], order(), order(r_id=5)], "now": "2026-01-01T13:00:00.000001Z"})
    asked.post(SCORE, {"row": 7})
    asked.post("/v1/models/" + "x" * 50 + "/score", BODY)
    found = asked.metrics()
    assert found['palette_requests_total{route="score",status="200"}'] == 2
    assert found['palette_requests_total{route="score",status="422"}'] == 1
    assert found['palette_requests_total{route="score",status="404"}'] == 1
    assert found['palette_request_seconds_count{route="score"}'] == 4
    assert found['palette_rows_total{model="eta"}'] == 3
    assert found['palette_errors_total{kind="row"}'] == 2
    assert found['palette_errors_total{kind="unknown_model"}'] == 1
    # Four columns of one group, one of the other: r1 present but for one, r1 expired, no key.
    values = {key.split('group="')[1]: value for key, value in found.items() if key.startswith("palette_values_total")}
    assert values == {
        'restaurant:fg",model="eta",status="present"}': 3,
        'restaurant:fg",model="eta",status="null"}': 1,
        'restaurant:fg",model="eta",status="expired"}': 4,
        'restaurant:fg",model="eta",status="missing"}': 4,
        'route:pairs",model="eta",status="present"}': 2,
        'route:pairs",model="eta",status="missing"}': 1,
    }
    assert found['palette_bundle_loads_total{model="eta",outcome="loaded"}'] == 1
    assert not any("xxx" in key for key in found)


@pytest.mark.parametrize("strict", [False, True])
def test_columns_that_the_model_does_not_know(tmp_path, strict):
    asked = Asked(with_changes(saved(tmp_path), strict=strict))
    for route in ("score", "features"):
        answer = asked.post(f"/v1/models/eta/{route}", {"row": order(r_id="r1", nmu=7, sent=1)})
        assert answer.status_code == (422 if strict else 200)
        if strict:
            assert answer.json()["kind"] == "row"
            assert "'nmu' (did you mean 'num'?), 'sent'" in answer.json()["error"]
        bad, good = asked.post(f"/v1/models/eta/{route}", {"rows": [order(nmu=7), order()]}).json()["results"]
        assert ("error" in bad) == strict
        assert "error" not in good
    found = asked.metrics()
    assert found['palette_unknown_columns_total{model="eta"}'] == 6
    assert not any("nmu" in key for key in found)


def test_levels_and_the_near_cache(monkeypatch, tmp_path):
    store = NearCache(Elsewhere(), size=100, ttl=60)
    monkeypatch.setattr(stores, "open_online", lambda uri, definitions, **options: store)
    asked = Asked(saved(tmp_path))
    for _ in range(3):
        asked.post(SCORE, BODY)
    found = asked.metrics()
    assert found['palette_level_seconds_count{level="1",model="eta"}'] == 3
    assert found['palette_level_seconds_count{level="2",model="eta"}'] == 3
    assert found["palette_near_cache_hits_total"] == 4
    assert found["palette_near_cache_misses_total"] == 2
    assert asked.get("/readyz").status_code == 200


def test_a_store_that_fails_is_counted(monkeypatch, tmp_path):
    store = Elsewhere()
    monkeypatch.setattr(stores, "open_online", lambda uri, definitions, **options: store)
    asked = Asked(saved(tmp_path))
    store.failing = StoreError("down")
    asked.post(SCORE, BODY)
    assert asked.metrics()['palette_errors_total{kind="store"}'] == 1


def test_counts_of_a_model_that_was_exchanged_are_kept(tmp_path):
    from tests.serving.test_plan import PLAN

    metrics = Metrics()
    before, after = metrics.model("eta", PLAN), metrics.model("eta", PLAN)
    statuses = ("present",) * len(before.statuses)
    before.count(statuses)
    after.count(statuses)
    text = metrics.render().decode()
    assert 'palette_values_total{group="restaurant:fg",model="eta",status="present"} 8.0' in text


@pytest.mark.parametrize("different", [5000])
def test_what_waits_to_be_counted_is_bounded(different):
    from tests.serving.test_plan import PLAN

    counts = Metrics().model("eta", PLAN)
    for number in range(different):
        counts.count((str(number % 600), *["present"] * (len(counts.statuses) - 1)))
        assert len(counts._statuses) <= 513
