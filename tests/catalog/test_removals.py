"""Groups and features that are removed and renamed, in the catalog on both databases."""

from __future__ import annotations

import datetime as dt

import pytest

from palette.catalog import ModelRecord
from palette.catalog.definitions.resolve import resolve
from palette.catalog.features.lineage import lineage
from palette.catalog.feeds.state import FeedState
from palette.definitions import Aggregate, BatchSource, Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError
from tests.catalog.test_contract import MENU


def test_single_features_and_groups_are_removed(catalog):
    prices = FeatureGroup("prices", entity="restaurant", features=[Feature(name, "double") for name in "abc"])
    catalog.definitions.apply([Entity("courier", keys={"id": "int"}), prices])
    catalog.models.record_all([ModelRecord("eta", {"restaurant:prices:b": 0.5, "restaurant:menu:dishes": None})])
    plan = catalog.definitions.plan([], remove=["restaurant:prices:b", "restaurant:menu", "courier"])
    assert str(plan).splitlines()[-1] == "0 added, 0 changed, 3 removed; 3 breaking, which hit eta"
    assert "not in these files" not in str(plan)
    assert {one.name: one.models for one in plan.items} == {
        "restaurant:prices:b": ("eta",), "restaurant:menu": ("eta",), "courier": (),
    }  # fmt: skip
    with pytest.raises(DefinitionError, match=r"models that use them: eta \(use another name, or apply"):
        catalog.definitions.apply(plan)
    with pytest.raises(DefinitionError, match=r"'courier' is removed \(apply"):
        catalog.definitions.apply([], remove=["courier"])
    catalog.definitions.apply(plan, allow_breaking=True, who="ada")
    assert [*catalog.definitions.entities(), *catalog.definitions.groups()] == ["restaurant", "restaurant:prices"]
    assert [one.name for one in catalog.definitions.group("restaurant:prices").features] == ["a", "c"]
    assert [(one.action, one.who) for one in catalog.definitions.history("restaurant:menu")][-1] == ("removed", "ada")
    assert [one.action for one in catalog.definitions.history("restaurant:prices")] == ["added", "changed"]
    assert catalog.features.search("b") == []
    told = str(lineage(catalog, "eta"))
    assert "restaurant:prices:b is not in the catalog any more" in told
    assert "restaurant:menu:dishes is not in the catalog any more" in told
    catalog.definitions.apply([MENU], remove=["restaurant:prices"], allow_breaking=True)
    assert list(catalog.definitions.groups()) == ["restaurant:menu"]


@pytest.mark.parametrize(
    ("definitions", "remove", "error", "told"),
    [
        ([], ["restaurant:mneu"], FeatureNotFoundError, "no feature group 'restaurant:mneu'; did you mean"),
        ([], ["restaurant:menu:dihses"], FeatureNotFoundError, "has no feature 'dihses'; did you mean 'dishes'"),
        ([], ["resturant"], FeatureNotFoundError, "no entity 'resturant'; did you mean 'restaurant'"),
        ([], ["restaurant:menu:dishes"], DefinitionError, "without features: remove the group"),
        ([], ["restaurant"], DefinitionError, "still has feature groups: remove restaurant:menu"),
        ([], ["restaurant:menu:dishes:r_id"], ArgumentError, "expected entity, entity:group or"),
        ([MENU], ["restaurant:menu"], DefinitionError, "delete it there"),
        ([MENU], ["restaurant:menu:dishes"], DefinitionError, "delete it there"),
    ],
)  # fmt: skip
def test_what_cannot_be_removed_is_refused(catalog, definitions, remove, error, told):
    with pytest.raises(error, match=told):
        catalog.definitions.apply(definitions, remove=remove, allow_breaking=True)
    assert list(catalog.definitions.groups()) == ["restaurant:menu"]


def test_computed_features_are_removed_from_their_source(catalog):
    aggregates = [Aggregate("n", "count", ["7d"]), Aggregate("m", "count", ["1d"])]
    source = BatchSource(sql="SELECT * FROM orders", time="at", by=["uuid"], every="1d", aggregates=aggregates)
    catalog.definitions.apply([FeatureGroup("orders", entity="restaurant", timestamp="window_end", source=source)])
    with pytest.raises(DefinitionError, match="remove the aggregate from its definition"):
        catalog.definitions.apply([], remove=["restaurant:orders:n_count_7d"], allow_breaking=True)


def test_a_renamed_group_keeps_what_is_said_and_kept_of_it(catalog):
    catalog.features.note("restaurant:menu", "by hand")
    catalog.features.curate("restaurant:menu:dishes")
    catalog.features.rate("restaurant:menu:dishes", 5)
    catalog.pins.keep("mine", {"restaurant:menu": 3})
    catalog.feeds.set_state("restaurant:menu", FeedState(dt.datetime(2026, 1, 1)))
    catalog.models.record_all([ModelRecord("eta", {"restaurant:menu:dishes": 0.5})])
    plan = catalog.definitions.plan([], rename={"restaurant:menu": "card"})
    assert str(plan).splitlines() == [
        "> group restaurant:menu (breaking)",
        "    group 'restaurant:menu' is renamed to 'restaurant:card': its table is moved; models look for the old name",
        "    used by eta",
        "0 added, 0 changed, 0 removed, 1 renamed; 1 breaking, which hit eta",
    ]
    with pytest.raises(DefinitionError, match=r"models that use them: eta \(apply"):
        catalog.definitions.apply(plan)
    catalog.definitions.apply(plan, allow_breaking=True, who="ada")
    assert list(catalog.definitions.groups()) == ["restaurant:card"]
    assert [(one.action, one.who) for one in catalog.definitions.history("restaurant:menu")][-1] == ("renamed", "ada")
    assert [one.text for one in catalog.features.notes("restaurant:card")] == ["by hand"]
    assert catalog.features.marks("restaurant:card:dishes") == {"curated": ""}
    assert (catalog.features.search("dishes")[0].stars, catalog.features.search("dishes")[0].curated) == (5.0, True)
    assert catalog.pins.all() == {"mine": {"restaurant:card": 3}}
    assert catalog.feeds.state("restaurant:card") == FeedState(dt.datetime(2026, 1, 1))
    assert catalog.feeds.state("restaurant:menu") == FeedState()
    with pytest.raises(FeatureNotFoundError, match="it was renamed to 'restaurant:card'"):
        catalog.definitions.group("restaurant:menu")
    with pytest.raises(FeatureNotFoundError, match="the feature was renamed to 'restaurant:card:dishes'"):
        resolve(catalog, "restaurant:menu:dishes:r_id")
    assert "restaurant:menu:dishes is not in the catalog any more: it was renamed to restaurant:card:dishes" in str(
        lineage(catalog, "eta")
    )
    catalog.definitions.apply([MENU])
    assert catalog.definitions.renamed_to("restaurant:menu") is None
    assert catalog.definitions.group("restaurant:menu") == MENU


def test_a_renamed_feature_keeps_its_place(catalog):
    prices = FeatureGroup("prices", entity="restaurant", features=[Feature(name, "double") for name in "abc"])
    catalog.definitions.apply([prices])
    catalog.features.deprecate("restaurant:prices:b", "old")
    catalog.definitions.apply([], rename={"restaurant:prices:b": "x", "restaurant:prices:c": "b"}, allow_breaking=True)
    assert [one.name for one in catalog.definitions.group("restaurant:prices").features] == ["a", "x", "b"]
    assert catalog.features.marks("restaurant:prices:x") == {"deprecated": "old"}
    assert "deprecated" not in catalog.features.marks("restaurant:prices:b")
    assert catalog.definitions.renamed_to("restaurant:prices:c") == "restaurant:prices:b"
    # Its new definition may come along, with other changes.
    given = FeatureGroup(
        "prices", entity="restaurant", features=[Feature("a", "double", default=1.0), Feature("y", "double")]
    )
    plan = catalog.definitions.plan([given], rename={"restaurant:prices:x": "y"})
    assert {(one.action, one.name) for one in plan.items} == {
        ("changed", "restaurant:prices:a"), ("removed", "restaurant:prices:b"), ("renamed", "restaurant:prices:x"),
    }  # fmt: skip
    catalog.definitions.apply(plan, allow_breaking=True)
    assert catalog.definitions.group("restaurant:prices") == given


@pytest.mark.parametrize(
    ("definitions", "rename", "error", "told"),
    [
        ([], {"restaurant:mneu": "x"}, FeatureNotFoundError, "did you mean 'restaurant:menu'"),
        ([], {"restaurant:menu:dihses": "x"}, FeatureNotFoundError, "did you mean 'dishes'"),
        ([], {"restaurant": "x"}, ArgumentError, "expected entity:group or entity:group:feature"),
        ([], {"restaurant:menu": "a b"}, DefinitionError, "must match"),
        ([], {"restaurant:menu:dishes": "uuid"}, DefinitionError, "has the name of key 'uuid'"),
        ([], {"restaurant:menu": "menu"}, DefinitionError, "already"),
        ([], {"restaurant:menu": "x", "restaurant:menu:dishes": "y"}, ArgumentError, "one after the other"),
        ([MENU], {"restaurant:menu": "x"}, DefinitionError, "give it its new name there"),
        ([MENU], {"restaurant:menu:dishes": "x"}, DefinitionError, "rename it in its definition too"),
    ],
)  # fmt: skip
def test_what_cannot_be_renamed_is_refused(catalog, definitions, rename, error, told):
    with pytest.raises(error, match=told):
        catalog.definitions.apply(definitions, rename=rename, allow_breaking=True)
    assert list(catalog.definitions.groups()) == ["restaurant:menu"]


def test_what_a_source_fills_is_renamed_with_its_source(catalog):
    def filled(name):
        source = BatchSource(sql=f"SELECT uuid, price AS {name} FROM menus")
        return FeatureGroup("prices", entity="restaurant", features=[Feature(name, "double")], source=source)

    catalog.definitions.apply([filled("price")])
    with pytest.raises(DefinitionError, match="change the definition, including the source"):
        catalog.definitions.apply([], rename={"restaurant:prices:price": "cost"}, allow_breaking=True)
    catalog.definitions.apply([filled("cost")], rename={"restaurant:prices:price": "cost"}, allow_breaking=True)
    assert catalog.definitions.group("restaurant:prices") == filled("cost")


def test_dropped_tables_lose_their_pins(catalog):
    catalog.pins.keep("model:eta:1", {"restaurant:menu": 3})
    plan = catalog.definitions.plan([], remove=["restaurant:menu"], drop_tables=True)
    assert "its table with all versions is deleted; versions pinned for model:eta:1 are lost" in str(plan)
    catalog.definitions.apply(plan, allow_breaking=True)
    assert catalog.pins.all() == {}
