"""Stages of models: one version in production, the way there and back, on both databases."""

from __future__ import annotations

import threading

import pytest

from palette.catalog import ModelRecord, SqlCatalog
from palette.errors import ArgumentError, CatalogError, DataError, NotFoundError
from palette.store.models import ModelMethods

DISHES = "restaurant:menu:dishes"


@pytest.fixture
def eta(catalog):
    """A catalog with three versions of a model in the shadow."""
    catalog.models.record_all([ModelRecord("eta", {DISHES: 0.5}, uri=f"/models/eta/{n}") for n in range(3)], who="ada")
    return catalog


def stages(catalog, name="eta"):
    return {one.version: one.stage for one in catalog.models.versions(name)}


def test_one_version_is_in_production(eta):
    eta.models.promote("eta", 1, who="ada")
    eta.models.promote("eta", 3, who="bob")
    assert stages(eta) == {1: "retired", 2: "shadow", 3: "production"}
    told = [
        (one.version, one.before, one.stage, one.retired, one.action, one.who)
        for one in eta.models.stage_changes("eta")
    ]
    assert told == [
        (1, "shadow", "production", None, "promoted", "ada"),
        (3, "shadow", "production", 1, "promoted", "bob"),
    ]
    eta.models.promote("eta", 3)
    assert len(eta.models.stage_changes("eta")) == 2, "nothing happened"


def test_a_version_may_be_deployed_to_production(eta):
    eta.models.promote("eta", 2)
    found = ModelRecord("eta", {}, stage="production")
    assert eta.models.record_all([found, ModelRecord("other", {}, stage="production"), found]) == [4, 1, 5]
    assert stages(eta) == {1: "shadow", 2: "retired", 3: "shadow", 4: "retired", 5: "production"}
    assert stages(eta, "other") == {1: "production"}
    assert eta.models.rollback("eta") == 4


def test_rollback_goes_back_one_by_one(eta):
    for version in (1, 2, 3):
        eta.models.promote("eta", version)
    assert eta.models.rollback("eta", who="ada") == 2
    assert stages(eta) == {1: "retired", 2: "production", 3: "retired"}
    assert eta.models.stage_changes("eta")[-1].action == "rolled back"
    assert eta.models.rollback("eta") == 1
    with pytest.raises(NotFoundError, match="versions 2, 3 were in production, but rolled back or moved out"):
        eta.models.rollback("eta")
    assert stages(eta)[1] == "production"
    eta.models.promote("eta", 3)
    assert eta.models.rollback("eta") == 1


def test_what_was_taken_out_of_production_is_not_returned_to(eta):
    for version in (1, 2, 3):
        eta.models.promote("eta", version)
    eta.models.promote("eta", 3, "shadow")
    assert stages(eta) == {1: "retired", 2: "retired", 3: "shadow"}
    assert eta.models.rollback("eta") == 2
    assert eta.models.rollback("eta") == 1
    eta.models.record_all([ModelRecord("etb", {}, stage="production")])
    with pytest.raises(NotFoundError, match="no other version was in production; promote one"):
        eta.models.rollback("etb")
    eta.models.promote("etb", 1, "retired")
    with pytest.raises(NotFoundError, match="version 1 was in production, but rolled back or moved out by hand"):
        eta.models.rollback("etb")


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (lambda catalog: catalog.models.promote("eat", 1), NotFoundError, "no model 'eat'; did you mean 'eta'"),
        (lambda catalog: catalog.models.promote("eta", 9), NotFoundError, r"no version 9 \(it has 1, 2, 3\)"),
        (lambda catalog: catalog.models.promote("eta", 1, "prod"), ArgumentError, "no stage 'prod'"),
        (lambda catalog: catalog.models.rollback("eat"), NotFoundError, "did you mean 'eta'"),
        (lambda catalog: catalog.models.rollback("eta"), NotFoundError, "promote one"),
    ],
)
def test_faults_change_nothing(eta, work, error, message):
    with pytest.raises(error, match=message):
        work(eta)
    assert set(stages(eta).values()) == {"shadow"}
    assert eta.models.stage_changes("eta") == []


def test_a_model_is_recorded_with_its_statistics_or_not_at_all(eta, monkeypatch):
    found = ModelRecord("eta", {DISHES: 1.0}, stage="production")
    assert eta.models.record(found, statistics={"rows": 3}, pins={"restaurant:menu": 7}, who="ada") == 4
    assert eta.models.statistics("model:eta:4", "training") == {"rows": 3}
    assert eta.pins.all() == {"model:eta:4": {"restaurant:menu": 7}}
    (*_, last) = eta.models.versions("eta")
    assert (last.who, last.stage, last.at is not None) == ("ada", "production", True)
    with pytest.raises((CatalogError, ValueError, TypeError)):
        eta.models.record(found, statistics={"rows": float("nan")})
    with pytest.raises(CatalogError):
        eta.models.record(found, pins={"restaurant:menu": None})
    assert stages(eta)[4] == "production"
    assert len(stages(eta)) == 4


def test_promotions_at_once_leave_one_in_production(eta, url):
    def promote(version):
        SqlCatalog(url).models.promote("eta", version)

    threads = [threading.Thread(target=promote, args=(version,)) for version in (1, 2, 3) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stages(eta).values()) == ["production", "retired", "retired"]
    present = None
    for change in eta.models.stage_changes("eta"):
        assert change.retired == present
        present = change.version
    assert stages(eta)[present] == "production"


def test_a_store_tells_where_the_bundle_is(eta):
    store = ModelMethods()
    store.catalog = eta
    with pytest.raises(NotFoundError, match="deploy or promote one"):
        store.bundle("eta")
    store.promote("eta", 1)
    store.promote("eta", 2)
    assert str(store.bundle("eta")) == "/models/eta/1"
    assert str(store.bundle("eta", "shadow")) == "/models/eta/2"
    assert store.rollback("eta") == 1
    assert str(store.bundle("eta")) == "/models/eta/0"
    assert [one.version for one in store.models("eta", feature=DISHES)] == [1, 2, 3]
    eta.models.record_all([ModelRecord("bare", {}, stage="production")])
    with pytest.raises(DataError, match="without a bundle"):
        store.bundle("bare")


def test_before_there_is_a_catalog(empty):
    assert empty.models.stage_changes("eta") == []
    with pytest.raises(NotFoundError, match="no model 'eta'"):
        empty.models.promote("eta", 1)
