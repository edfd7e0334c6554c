"""Models that are exchanged while the service runs; what is told of them."""

from __future__ import annotations

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from palette.errors import ArgumentError, DataError, DefinitionError, NotFoundError, SnapshotError, StoreError
from palette.online import Snapshot
from palette.service import app
from palette.service.app import Service
from palette.service.models import stores
from palette.service.models.loaded_bundles import read_state, write_state
from palette.serving import LocalPipeline
from tests.service.asked import BODY, Asked, basis_plan, filled, saved, with_changes
from tests.service.test_scoring import Elsewhere
from tests.serving.test_plan import HOUR, KNOWN, NOW, PLAN

SCORE, LOAD = "/v1/models/eta/score", "/v1/models/eta:load"
OTHER = basis_plan({"x": "nVal('basis:x') * 2"}, x="double")


@pytest.fixture
def settings(tmp_path):
    LocalPipeline(OTHER).save(tmp_path / "root" / "other")
    return with_changes(saved(tmp_path), bundle_root=str(tmp_path / "root"))


def test_what_is_told(settings):
    asked = Asked(settings)
    (model,) = asked.get("/v1/models").json()["models"]
    assert model == asked.get("/v1/models/eta").json()
    assert model["columns"] == {"r_id": "string", "city": "string", "o": "string", "num": "bigint"}
    assert model["features"]["v"] == "route:pairs:v:city,num"
    assert asked.get("/readyz").json() == {"status": "ready", "models": {"eta": model["version"]}}
    assert asked.get("/healthz").json() == {"status": "ok"}


def test_several_models(tmp_path, settings):
    both = (*settings.bundles, ("double", str(tmp_path / "root/other")))
    asked = Asked(with_changes(settings, bundles=both))
    assert asked.post("/v1/models/double/score", {"row": {"x": 2}}).json()["result"] == {"x": 4.0}
    assert asked.post(SCORE, BODY).json()["result"]["a"] == 1.5


def test_a_bundle_takes_the_place_of_another(settings):
    asked = Asked(settings)
    before = asked.post(SCORE, BODY).json()["version"]
    loaded = asked.post(LOAD, {"path": "other"})
    assert loaded.status_code == 200
    answer = asked.post(SCORE, {"row": {"x": 2}}).json()
    assert (answer["result"], answer["version"]) == ({"x": 4.0}, loaded.json()["version"])
    assert answer["version"] != before


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nowhere", 422, "no complete bundle"),
        ("../eta", 403, "not under --bundle-root"),
        ("/etc", 403, "not under"),
        ("link", 403, "not under"),
        ("a\0b", 422, "is not a valid path"),
        ("damaged", 422, "damaged"),
    ],
)
def test_a_bundle_that_cannot_be_loaded_changes_nothing(tmp_path, settings, path, status, message):
    (tmp_path / "root/link").symlink_to(tmp_path / "eta")
    shutil.copytree(tmp_path / "root/other", tmp_path / "root/damaged")
    (tmp_path / "root/damaged/plan.json").write_text("{}")
    asked = Asked(settings)
    answer = asked.post(LOAD, {"path": path})
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert asked.post(SCORE, BODY).json()["result"]["a"] == 1.5


def test_who_may_load(settings):
    closed = Asked(with_changes(settings, bundle_root=None)).post(LOAD, {"path": "other"})
    assert (closed.status_code, closed.json()["kind"]) == (403, "forbidden")
    asked = Asked(settings)
    assert asked.post("/v1/models/eat:load", {"path": "other"}).status_code == 404
    for body in ({}, {"path": 3}, {"path": "other", "more": 1}, []):
        assert asked.post(LOAD, body).status_code == 400
    form = asked.post(LOAD, content=json.dumps({"path": "other"}), headers={"content-type": "text/plain"})
    assert form.status_code == 400
    assert asked.post(LOAD, content="{", headers={"content-type": "application/json"}).status_code == 400


def test_what_workers_load_at_once_is_all_kept(tmp_path):
    file = str(tmp_path / "bundles.json")
    names = [f"model{number}" for number in range(60)]
    # Each opens the lock anew, as processes do.
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: write_state(file, name, f"/{name}"), names))
    assert read_state(file) == {name: f"/{name}" for name in names}


def test_a_worker_takes_what_others_have_loaded(tmp_path, settings):
    settings = with_changes(settings, state=str(tmp_path / "bundles.json"))
    asked, another = Asked(settings), Asked(settings)
    assert asked.post(LOAD, {"path": "other"}).status_code == 200
    assert (asked.service.registry.stale, another.service.registry.stale) == (False, True)
    asyncio.run(another.service.registry.reload())
    assert another.post(SCORE, {"row": {"x": 2}}).json()["result"] == {"x": 4.0}


def test_reload_reads_bundle_and_snapshot_again(tmp_path, settings):
    asked = Asked(settings)
    store = filled()
    store.write("restaurant:fg", [{"uuid": "r1", "ts": NOW - HOUR / 2, "x": 2.5, "n": 3}])
    Snapshot([store.table(group) for group in KNOWN], NOW).save(tmp_path / "snapshot")
    assert asked.post(SCORE, BODY).json()["result"]["a"] == 1.5
    asyncio.run(asked.service.registry.reload())
    assert asked.post(SCORE, BODY).json()["result"]["a"] == 2.5
    LocalPipeline(OTHER).save(tmp_path / "eta")
    asyncio.run(asked.service.registry.reload())
    assert asked.post(SCORE, {"row": {"x": 2}}).json()["result"] == {"x": 4.0}


def test_reload_of_something_broken_changes_nothing(tmp_path, settings, caplog):
    asked = Asked(settings)
    (tmp_path / "eta/plan.json").write_text("{}")
    asyncio.run(asked.service.registry.reload())
    assert asked.post(SCORE, BODY).json()["result"]["a"] == 1.5
    (failed,) = [record for record in caplog.records if record.getMessage() == "model not reloaded"]
    assert "damaged" in failed.fields["reason"]


def test_tokens_are_read_again_and_never_go(tmp_path, settings):
    file = tmp_path / "tokens"
    file.write_text("the-first-token-of-ours\n")
    asked = Asked(with_changes(settings, token_file=str(file)), None)

    def status(token):
        return asked.get("/v1/models", headers={"authorization": f"Bearer {token}"}).status_code

    assert status("the-first-token-of-ours") == 200
    file.write_text("the-second-token-of-ours\n")
    asyncio.run(asked.service.registry.reload())
    assert (status("the-first-token-of-ours"), status("the-second-token-of-ours")) == (401, 200)
    file.write_text("")
    asyncio.run(asked.service.registry.reload())
    assert (status(""), status("the-second-token-of-ours")) == (401, 200)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"store": None}, DefinitionError, "reads features of restaurant:fg, route:pairs: pass --store"),
        ({"store": "nowhere"}, ArgumentError, "no online store at 'nowhere'"),
        ({"store": "lmdb:nowhere"}, NotFoundError, "no online store at 'lmdb:nowhere'"),
        ({"bundles": (("eta", "nowhere"),)}, DataError, "no complete bundle at 'nowhere'"),
    ],
)
def test_what_cannot_be_served_is_told_at_the_start(settings, change, error, message):
    with pytest.raises(error, match=message):
        Service(with_changes(settings, **change), ())


def test_a_snapshot_without_the_group_is_told_at_the_start(tmp_path, settings):
    Snapshot([filled().table("restaurant:fg")], NOW).save(tmp_path / "snapshot")
    with pytest.raises(SnapshotError, match="no group 'route:pairs'"):
        Service(settings, ())


def test_ready_only_while_the_store_answers(monkeypatch, settings):
    store = Elsewhere()
    monkeypatch.setattr(stores, "open_online", lambda uri, definitions, **options: store)
    monkeypatch.setattr(app, "PERIOD", 60)
    asked = Asked(settings)
    assert asked.get("/readyz").status_code == 200
    store.failing = StoreError("it is down")
    assert asked.get("/readyz").status_code == 200, "an answer counts for a while"
    asked.service._checked = None
    answer = asked.get("/readyz")
    assert (answer.status_code, answer.json()["error"]) == (503, "it is down")
    assert asked.get("/healthz").status_code == 200


def test_models_that_know_a_group_differently_have_stores_of_their_own(monkeypatch):
    opened = []

    def open_online(uri, definitions, **options):
        opened.append(definitions)
        return Elsewhere()

    monkeypatch.setattr(stores, "open_online", open_online)
    all_of_them = stores.Stores("redis://x")
    first, again = all_of_them.reader(PLAN, "a"), all_of_them.reader(PLAN, "b")
    step = PLAN.steps[0]
    group = step.group.model_copy(update={"features": step.group.features[:2]})
    other = replace(PLAN, steps=(replace(step, group=group), *PLAN.steps[1:]))
    third = all_of_them.reader(other, "c")
    assert first is again is not third
    assert len(opened) == 2
    assert opened[0]("restaurant:fg")[1] != opened[1]("restaurant:fg")[1]
    assert all_of_them.reopen() is all_of_them
