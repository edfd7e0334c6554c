"""POST /score: what a row and a batch are answered, and what JSON has no form for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from palette.errors import StoreError, StoreTimeoutError
from palette.online import OnlineStore
from palette.service.models import stores
from palette.serving import LocalPipeline
from palette.serving.executors import STORE_ERROR
from palette.serving.plan import Plan
from palette.serving.stages.features.assembler import VectorAssembler
from palette.serving.stages.features.imputer import ImputerModel
from palette.serving.stages.features.indexers import StringIndexerModel
from palette.serving.stages.vectors import Sparse
from tests.service.asked import BODY, Asked, basis_plan, filled, saved, with_changes
from tests.serving.test_plan import KNOWN, PLAN, order

SCORE = "/v1/models/eta/score"
ANSWER = {
    "a": 1.5, "b": 3, "when": "2026-01-01T11:00:00Z", "wrote": None, "city": "EWR", "sum": 4.5, "v": [1.0, 2.0]
}  # fmt: skip


class Elsewhere(OnlineStore):
    """A store behind ``fetch`` that fails on demand."""

    def __init__(self):
        super().__init__(KNOWN.__getitem__)
        self.rows = filled()
        self.failing = None
        self.asked = []
        self.budgets = []

    def fetch(self, requests, budget=None):
        self.asked.append(requests)
        self.budgets.append(budget)
        if self.failing is not None:
            raise self.failing
        return [self.rows.table(group).get(key) for group, key in requests]

    def put(self, group, packed, *, resolved=False):
        raise NotImplementedError

    def delete(self, group, keys, at=None):
        raise NotImplementedError


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


def test_one_row(asked):
    answer = asked.post(SCORE, BODY)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"] == ANSWER
    assert answer.json()["model"] == "eta"
    assert len(answer.json()["version"]) == 12


def test_a_batch_tells_errors_in_their_place(asked):
    rows = [BODY["row"], order(r_id=5), 7, order(), None, {"rid": "r1"}]
    results = asked.post(SCORE, {"rows": rows, "now": BODY["now"]}).json()["results"]
    assert results[0] == ANSWER
    assert [result.get("kind") for result in results] == [None, "row", "row", None, "row", "row"]
    assert "join key 'r_id'" in results[1]["error"]
    assert results[3] == dict.fromkeys(ANSWER)
    assert "'r_id' (did you mean 'rid'?)" in results[5]["error"]
    assert asked.post(SCORE, {"rows": []}).json()["results"] == []


def test_a_large_batch_is_that_many_rows(asked):
    results = asked.post(SCORE, {"rows": [BODY["row"]] * 500, "now": BODY["now"]}).json()["results"]
    assert results == [ANSWER] * 500


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        pytest.param({"row": order(r_id=5)}, 422, "row", "expected string, found int", id="type"),
        pytest.param({"row": order(r_id={"a": 1})}, 422, "row", "join key", id="object"),
        pytest.param({"row": {"rid": "r1"}}, 422, "row", "'r_id' (did you mean 'rid'?)", id="absent"),
        pytest.param({"row": [1]}, 422, "row", "expected a row as a JSON object, found list", id="list"),
        pytest.param({"row": {}, "now": "2020-01-01"}, 422, "now", "before the snapshot", id="early"),
        pytest.param({"rows": [{}], "now": "2020-01-01"}, 422, "now", "before the snapshot", id="early-batch"),
        pytest.param({"row": {}, "now": "soon"}, 400, "request", "'soon' is not an ISO 8601", id="no-time"),
        pytest.param({"row": {}, "now": 7}, 400, "request", "found int", id="number-for-time"),
        pytest.param({"row": {}, "now": "0001-01-01T00:00:00+23:00"}, 400, "request", "not an ISO", id="first-year"),
        pytest.param({"row": {}, "rows": []}, 400, "request", "expected the body", id="both"),
        pytest.param({}, 400, "request", "expected the body", id="neither"),
        pytest.param([], 400, "request", "expected the body", id="no-object"),
        pytest.param({"rows": {}}, 400, "request", "rows: expected a list", id="rows"),
        pytest.param({"row": {}, "nwo": ""}, 400, "request", "did you mean 'now'", id="misspelled"),
        pytest.param({"rows": [{}] * 1001}, 413, "too_large", "1,001 rows", id="too-many"),
    ],
)
def test_what_cannot_be_answered_is_named(tmp_path, body, status, kind, message):
    answer = Asked(saved(tmp_path)).post(SCORE, body)
    assert (answer.status_code, answer.json()["kind"]) == (status, kind)
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"row": NaN}', b'{"row": {"r_id": "\xff"}}', b'{"row": {"r_id": "\\ud800"}}', b"[" * 100_000,
     b'{"row":' + b'{"a":' * 5000 + b"1" + b"}" * 5001],
    ids=["empty", "cut", "NaN", "bytes", "surrogate", "deep", "deep-row"],
)  # fmt: skip
def test_what_is_no_json_is_refused(tmp_path, content):
    answer = Asked(saved(tmp_path)).post(SCORE, content=content)
    assert (answer.status_code, answer.json()["kind"]) == (400, "request")


def test_values_that_json_has_no_form_for(tmp_path):
    plan = basis_plan(
        {"x": "nVal('basis:x') * 2", "at": "tVal('basis:at')", "v": "vVal('basis:v')"},
        x="double", at="timestamp", v="array<double>",
    )  # fmt: skip
    asked = Asked(saved(tmp_path, plan))

    def result(**row):
        return asked.post(SCORE, {"row": {"x": None, "at": None, "v": None} | row}).json()["result"]

    assert result(x="NaN", at="2026-01-31T12:00:00+01:00", v=[1, "-Infinity", "NaN"]) == {
        "x": "NaN", "at": "2026-01-31T11:00:00Z", "v": [1.0, "-Infinity", "NaN"]
    }  # fmt: skip
    assert result(x="-Infinity", at="2026-01-31T12:00:00.000001") == {
        "x": "-Infinity", "at": "2026-01-31T12:00:00.000001Z", "v": None
    }  # fmt: skip
    assert result(x=1e308)["x"] == "Infinity"
    assert result(x=0.1)["x"] == 0.2
    assert result(x=1 << 70)["x"] == float(1 << 71)
    for row, message in [({"x": "three"}, "basis:x"), ({"at": "noon"}, "column 'at'"), ({"at": 3}, "basis:at")]:
        answer = asked.post(SCORE, {"row": {"x": None, "at": None, "v": None} | row})
        assert answer.status_code == 422
        assert message in answer.json()["error"]


def test_a_pipeline_whose_types_are_not_known(tmp_path):
    """One that Spark saved: NaN and the infinities come as strings where a stage needs numbers, and only there."""
    steps = (
        ImputerModel(("x",), ("y",), [9.0], math.nan),
        StringIndexerModel(("s",), ("at",), [["NaN", "b"]], "error"),
        VectorAssembler(("y", "z", "at"), ("v",), "error"),
    )
    asked = Asked(saved(tmp_path, Plan(steps, ("y", "v"))))

    def answer(**row):
        return asked.post(SCORE, {"row": {"x": 1, "z": 2, "s": "NaN"} | row})

    assert answer(x="NaN").json()["result"] == {"y": 9.0, "v": [9.0, 2.0, 0.0]}
    assert answer(z="-Infinity").json()["result"]["v"] == [1.0, "-Infinity", 0.0]
    assert answer(z=["Infinity", 1]).json()["result"]["v"] == [1.0, "Infinity", 1.0, 0.0]
    for row, message in [
        ({"z": "NaN"}, "z is null or NaN"), ({"z": "1_0"}, "column 'z': expected a number"),
        ({"x": "abc"}, "column 'x': expected a number"), ({"z": ["1_0"]}, "column 'z': expected a vector"),
    ]:  # fmt: skip
        refused = answer(**row)
        assert (refused.status_code, refused.json()["kind"]) == (422, "row")
        assert message in refused.json()["error"]


def test_vectors_come_and_go_as_lists_or_sparse(tmp_path):
    plan = Plan((VectorAssembler(("x", "w"), ("v",), "skip"),), ("v",), {"x": "double", "w": "vector"})
    asked = Asked(saved(tmp_path, plan))
    wide = {"size": 5000, "indices": [7], "values": ["Infinity"]}
    assert asked.post(SCORE, {"row": {"x": 1, "w": [2, 3]}}).json()["result"] == {"v": [1.0, 2.0, 3.0]}
    found = asked.post(SCORE, {"row": {"x": 1, "w": wide}}).json()["result"]["v"]
    expected = LocalPipeline(plan).score_instance({"x": 1.0, "w": Sparse(5000, [7], [math.inf])})["v"]
    assert isinstance(expected, Sparse)
    assert found == {"size": 5001, "indices": [0, 8], "values": [1.0, "Infinity"]}
    rejected = asked.post(SCORE, {"row": {"x": None, "w": [1]}})
    assert (rejected.status_code, rejected.json()["kind"]) == (422, "rejected")
    batch = asked.post(SCORE, {"rows": [{"x": None, "w": [1]}, {"x": 1, "w": [1]}]}).json()["results"]
    assert [one.get("kind") for one in batch] == ["rejected", None]
    assert asked.metrics()['palette_rows_rejected_total{model="eta"}'] == 2


@pytest.mark.parametrize(
    "vector",
    [{"size": 2, "indices": [2], "values": [1]}, {"size": 1 << 40, "indices": [], "values": []},
     {"size": 2, "indices": [1, 0], "values": [1, 1]}, {"size": 2, "indices": [0], "values": ["x"]},
     {"size": 2, "indices": [0], "values": []}, {"size": True, "indices": [], "values": []}, {"size": 1}, ["x"]],
    ids=["index", "size", "order", "value", "length", "boolean", "entries", "text"],
)  # fmt: skip
def test_vectors_that_are_none_are_refused(tmp_path, vector):
    plan = Plan((VectorAssembler(("w",), ("v",), "keep"),), ("v",), {"w": "vector"})
    answer = Asked(saved(tmp_path, plan)).post(SCORE, {"row": {"w": vector}})
    assert (answer.status_code, answer.json()["kind"]) == (422, "row")


def test_a_store_that_fails_is_503(tmp_path, elsewhere):
    asked = Asked(saved(tmp_path))
    for error, kind in [(StoreError("it is down"), "store"), (StoreTimeoutError("it is slow"), "store_timeout")]:
        elsewhere.failing = error
        for path in (SCORE, "/v1/models/eta/features"):
            for body in (BODY, {"rows": [BODY["row"]]}):
                answer = asked.post(path, body)
                assert (answer.status_code, answer.json()["kind"]) == (503, kind)
                assert answer.headers["retry-after"] == "1"
    elsewhere.failing = None
    assert asked.post(SCORE, BODY).json()["result"] == ANSWER


def test_a_store_that_fails_gives_defaults_where_that_was_chosen(tmp_path, elsewhere):
    asked = Asked(with_changes(saved(tmp_path), on_store_error="default"))
    elsewhere.failing = StoreError("it is down")
    answer = asked.post(SCORE, BODY)
    assert answer.status_code == 200
    assert answer.json()["result"] == {**dict.fromkeys(ANSWER), "city": "EWR", STORE_ERROR: "it is down"}
    (batch,) = asked.post(SCORE, {"rows": [BODY["row"]]}).json()["results"]
    assert batch == answer.json()["result"]
    assert asked.metrics()['palette_rows_degraded_total{model="eta"}'] == 2


@pytest.mark.parametrize("route", ["score", "features"])
def test_a_row_of_another_time_is_an_error_in_its_place(tmp_path, elsewhere, route):
    steps = (replace(PLAN.steps[0], timestamp="at"), *PLAN.steps[1:])
    asked = Asked(saved(tmp_path, replace(PLAN, steps=steps)))
    times = [None, "2026-01-01T11:55:00Z", "2026-01-01T11:54:59Z", "2026-01-01T14:05:01+02:00", "soon"]
    body = {"rows": [order(r_id="r1", at=time) for time in times], "now": BODY["now"]}
    results = asked.post(f"/v1/models/eta/{route}", body).json()["results"]
    assert [result.get("kind") for result in results] == [None, None, "now", "now", "row"]
    assert "column 'at'" in results[4]["error"]
    single = asked.post(f"/v1/models/eta/{route}", {**BODY, "row": order(at=times[2])})
    assert (single.status_code, single.json()["kind"]) == (422, "now")


def test_an_error_within_is_500_and_tells_no_values(tmp_path, monkeypatch, caplog):
    asked = Asked(saved(tmp_path))

    def broken(*_):
        raise KeyError("secret")

    monkeypatch.setattr(asked.service.registry.models["eta"].pipeline, "score_instance", broken)
    answer = asked.post(SCORE, BODY)
    assert (answer.status_code, answer.json()["kind"]) == (500, "internal")
    assert "secret" not in answer.text
    assert any(record.getMessage() == "request failed" for record in caplog.records)


def test_outputs_called_like_a_status_are_kept(tmp_path):
    plan = basis_plan({"a__status": "sVal('basis:s')"}, s="string")
    from tests.serving.test_plan import LOOKUP

    both = Plan((LOOKUP, *plan.steps), ("a", "a__status"))
    asked = Asked(saved(tmp_path, both))
    assert asked.post(SCORE, {"row": {"r_id": "r1", "s": "mine"}, "now": BODY["now"]}).json()["result"] == {
        "a": 1.5, "a__status": "mine"
    }  # fmt: skip
