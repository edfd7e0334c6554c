"""POST /features: values, statuses and ages of what a model looks up."""

from __future__ import annotations

import pytest

from palette.service.models import stores
from tests.service.asked import BODY, Asked, basis_plan, saved, with_changes
from tests.service.test_scoring import Elsewhere
from tests.serving.test_plan import order

FEATURES = "/v1/models/eta/features"


@pytest.fixture
def elsewhere(monkeypatch):
    store = Elsewhere()
    monkeypatch.setattr(stores, "open_online", lambda uri, definitions, **options: store)
    return store


@pytest.fixture(params=["in memory", "elsewhere"])
def asked(request, tmp_path):
    if request.param == "elsewhere":
        request.getfixturevalue("elsewhere")
    return Asked(saved(tmp_path))


def test_values_with_status_and_age(asked):
    answer = asked.post(FEATURES, {**BODY, "now": "2026-01-01T12:30:00Z"}).json()
    assert answer["now"] == "2026-01-01T12:30:00Z"
    assert answer["result"]["a"] == {
        "value": 1.5,
        "status": "present",
        "feature": "restaurant:fg:x:r_id",
        "key": {"uuid": "r1"},
        "event_time": "2026-01-01T11:00:00Z",
        "age_seconds": 5400.0,
    }
    assert (answer["result"]["wrote"]["value"], answer["result"]["wrote"]["status"]) == (None, "null")
    assert answer["result"]["v"] == {
        "value": [1.0, 2.0],
        "status": "present",
        "feature": "route:pairs:v:city,num",
        "key": {"origin": "EWR", "number": 7},
        "event_time": None,
        "age_seconds": None,
    }


def test_expired_and_missing(asked):
    late = asked.post(FEATURES, {**BODY, "now": "2026-01-01T13:00:00.000001Z"}).json()["result"]["a"]
    assert (late["value"], late["status"], late["age_seconds"]) == (None, "expired", 7200.000001)
    unknown = asked.post(FEATURES, {"row": order(r_id="r9"), "now": BODY["now"]}).json()["result"]["a"]
    assert (unknown["value"], unknown["status"], unknown["age_seconds"]) == (None, "missing", None)
    assert unknown["key"] == {"uuid": "r9"}


def test_a_batch(asked):
    rows = [BODY["row"], order(r_id=5), 7, order(), order(r_id="r1", city=3), {"rid": "r1"}]
    results = asked.post(FEATURES, {"rows": rows, "now": BODY["now"]}).json()["results"]
    assert [result.get("kind") for result in results] == [None, "row", "row", None, "row", "row"]
    assert results[0]["v"]["value"] == [1.0, 2.0]
    assert results[3]["a"]["status"] == "missing"
    answer = asked.post(FEATURES, {"row": order(r_id=5)})
    assert (answer.status_code, answer.json()["kind"]) == (422, "row")
    assert asked.post(FEATURES, {"rows": [], "now": BODY["now"]}).json()["results"] == []


def test_the_budget_is_for_all_levels(tmp_path, elsewhere):
    asked = Asked(with_changes(saved(tmp_path), budget=5.0))
    for route in ("features", "score"):
        asked.post(f"/v1/models/eta/{route}", BODY)
        first, second = elsewhere.budgets
        assert 0 < second < first <= 5
        elsewhere.budgets.clear()
    asked.post(FEATURES, {"rows": [7]})
    assert elsewhere.budgets == [], "nothing is wanted, so nobody is asked"


def test_a_moment_before_the_snapshot(tmp_path):
    answer = Asked(saved(tmp_path)).post(FEATURES, {"row": {}, "now": "2020-01-01"})
    assert (answer.status_code, answer.json()["kind"]) == (422, "now")


def test_a_model_that_looks_nothing_up(tmp_path):
    settings = saved(tmp_path, basis_plan({"x": "nVal('basis:x')"}, x="double"))
    assert Asked(settings).post(FEATURES, {"row": {"x": 1}}).json()["result"] == {}
