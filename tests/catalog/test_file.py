"""The catalog file: all or nothing, several processes, names."""

from __future__ import annotations

import multiprocessing

import pytest

from palette.catalog import FileCatalog
from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import DefinitionError, FeatureNotFoundError

RESTAURANT = Entity("restaurant", keys={"uuid": "string"})
MENU = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])


@pytest.fixture
def catalog(tmp_path):
    catalog = FileCatalog(tmp_path / "catalog.json")
    catalog.apply([RESTAURANT, MENU])
    return catalog


def test_definitions_are_read_back_by_another(catalog):
    other = FileCatalog(catalog.path)
    assert other.entities() == {"restaurant": RESTAURANT}
    assert other.groups() == {"restaurant:menu": MENU}


def test_a_change_is_seen_at_once_by_another(catalog):
    other = FileCatalog(catalog.path)
    other.entities()
    catalog.apply([Entity("region", keys={"id": "string"})])
    assert "region" in other.entities()


def test_unknown_names_offer_near_ones(catalog):
    with pytest.raises(FeatureNotFoundError, match="did you mean 'restaurant'"):
        catalog.entity("restaurnt")
    with pytest.raises(FeatureNotFoundError, match="did you mean 'restaurant:menu'"):
        catalog.group("restaurant:menus")


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        pytest.param([Entity("Restaurant", keys={"uuid": "string"})], "differ only by case", id="entity-case"),
        pytest.param([FeatureGroup("Menu", entity="restaurant", features=MENU.features)], "only by case", id="case"),
        pytest.param([FeatureGroup("g", entity="courier", features=MENU.features)], "no entity 'courier'", id="entity"),
        pytest.param(
            [FeatureGroup("g", entity="restaurant", features=[Feature("UUID", "int")])], "key 'uuid'", id="key-clash"
        ),
        pytest.param([Entity("restaurant", keys={"uuid": "bigint"})], "breaking", id="key-type"),
        pytest.param(
            [FeatureGroup("menu", entity="restaurant", features=[Feature("other", "int")])], "is removed", id="removed"
        ),
        pytest.param(
            [FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "string")])], "changes", id="type"
        ),
    ],
)
def test_refused_change_leaves_everything(catalog, definitions, message):
    before = catalog.path.read_text()
    with pytest.raises(DefinitionError, match=message):
        catalog.apply([Entity("fresh", keys={"a": "int"}), *definitions])
    assert catalog.path.read_text() == before
    assert "fresh" not in catalog.entities()


def test_new_feature_is_no_breaking_change(catalog):
    wider = FeatureGroup("menu", entity="restaurant", features=[*MENU.features, Feature("price", "double")])
    catalog.apply([wider])
    assert catalog.group("restaurant:menu") == wider


def test_breaking_change_on_demand(catalog):
    catalog.apply([Entity("restaurant", keys={"uuid": "bigint"})], allow_breaking=True)
    assert catalog.entity("restaurant").keys == {"uuid": "bigint"}


def test_catalog_has_the_usual_rights_and_a_removed_one_is_forgotten(catalog):
    assert catalog.path.stat().st_mode & 0o044 == 0o044
    catalog.path.unlink()
    assert catalog.groups() == {}


def test_feature_called_like_a_status_is_refused(catalog):
    features = [Feature("v", "int"), Feature("v__status", "string")]
    with pytest.raises(DefinitionError, match="is what the status"):
        catalog.apply([FeatureGroup("g", entity="restaurant", features=features)])


def test_pins_are_kept_and_released(catalog):
    catalog.keep("model:eta", {"restaurant:menu": 3})
    assert FileCatalog(catalog.path).pins() == {"model:eta": {"restaurant:menu": 3}}
    catalog.release("model:eta")
    assert catalog.pins() == {}
    with pytest.raises(DefinitionError, match="no pin"):
        catalog.release("model:eta")


def test_damaged_file_is_named_and_left(catalog):
    catalog.path.write_text("{")
    with pytest.raises(DefinitionError, match=r"catalog\.json"):
        FileCatalog(catalog.path).groups()
    with pytest.raises(DefinitionError, match=r"catalog\.json"):
        FileCatalog(catalog.path).apply([RESTAURANT])
    assert catalog.path.read_text() == "{"


def _apply_many(path, start):
    catalog = FileCatalog(path)
    for number in range(start, start + 20):
        catalog.apply([Entity(f"entity_{number}", keys={"id": "string"})])


def test_concurrent_appliers_lose_nothing(catalog):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_apply_many, args=(catalog.path, start)) for start in (0, 20, 40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(catalog.entities()) == 61
