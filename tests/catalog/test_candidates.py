"""What a question about many features means."""

from __future__ import annotations

import pytest

from dsl.errors import RefError
from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.catalog.features.candidates import candidates, check_names
from palette.definitions.expressions import named_columns
from palette.errors import ArgumentError, FeatureNotFoundError, SchemaError

COLUMNS = {"airport": "string", "origin": "string", "dest": "string", "number": "int", "delay": "double"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    store.apply(
        Entity("airport", keys={"airport": "string"}),
        Entity("route", keys={"from": "string", "to": "string"}),
        Entity("gate", keys={"number": "bigint"}),
        Entity("runway", keys={"number": "string"}),
        FeatureGroup("weather", entity="airport", features=[Feature("wind", "double"), Feature("rain", "double")]),
        FeatureGroup("flown", entity="route", timestamp="at", features=[Feature("minutes", "double")]),
        FeatureGroup("use", entity="gate", features=[Feature("share", "double")]),
        FeatureGroup("state", entity="runway", features=[Feature("wet", "boolean")]),
    )
    store.catalog.features.deprecate("airport:weather:rain", "use wind")
    return store.catalog


def test_lists_of_features_take_all_of_a_group(catalog):
    named = named_columns(["airport:weather:*:dest", "route:flown:minutes:origin,dest"], catalog.definitions.group)
    assert named == {
        "wind": "airport:weather:wind:dest",
        "rain": "airport:weather:rain:dest",
        "minutes": "route:flown:minutes:origin,dest",
    }
    assert named_columns(["@palette:route:flown:*:origin,dest"], catalog.definitions.group) == {
        "minutes": named["minutes"]
    }


@pytest.mark.parametrize(
    ("features", "error", "told"),
    [
        (["airport:wether:*:dest"], FeatureNotFoundError, "did you mean 'airport:weather'"),
        (["airport:weather:*:dest", "airport:weather:wind:origin"], SchemaError, "both fill column 'wind'"),
        ({"all": "airport:weather:*:dest"}, SchemaError, "column 'all' cannot be .*pass a list"),
        (["airport:weather:*:"], RefError, "join key is empty"),
        (["airport:*:*:dest"], FeatureNotFoundError, r"airport:\*"),
    ],
)
def test_what_all_of_a_group_cannot_mean(catalog, features, error, told):
    with pytest.raises(error, match=told):
        named_columns(features, catalog.definitions.group)


def test_all_of_a_group_needs_the_store_that_knows_it(catalog):
    with pytest.raises(SchemaError, match="pass store="):
        named_columns(["airport:weather:*:dest"])


def names(catalog, *arguments):
    return [one.ref.name for one in candidates(catalog, COLUMNS, *arguments)]


@pytest.mark.parametrize(
    ("wanted", "join", "expected"),
    [
        (None, None, ["airport:weather:rain:airport", "airport:weather:wind:airport", "gate:use:share:number"]),
        (None, {"airport": ["origin", "dest"], "route": "origin,dest"}, [
            "airport:weather:rain:dest", "airport:weather:rain:origin", "airport:weather:wind:dest",
            "airport:weather:wind:origin", "gate:use:share:number", "route:flown:minutes:origin,dest",
        ]),
        (["airport:weather:*:dest"], None, ["airport:weather:rain:dest", "airport:weather:wind:dest"]),
        (["@palette:airport:weather:*:dest", "airport:weather:wind:dest"], None,
         ["airport:weather:rain:dest", "airport:weather:wind:dest"]),
        (["basis:*"], None, [f"basis:{name}" for name in sorted(COLUMNS)]),
        (["@basis:delay", "basis:delay"], None, ["basis:delay"]),
        (["gate:use:share:number", "*"], None,
         ["airport:weather:rain:airport", "airport:weather:wind:airport", "gate:use:share:number"]),
    ],
)  # fmt: skip
def test_what_is_meant(catalog, wanted, join, expected):
    assert sorted(names(catalog, wanted, join)) == expected


def test_found_and_named_ones_differ(catalog):
    found = {one.ref.name: one for one in candidates(catalog, COLUMNS, ["airport:weather:*:dest"])}
    assert found["airport:weather:rain:dest"].deprecated == "use wind"
    assert not any(one.named for one in found.values())
    for wanted in (["*", "airport:weather:rain:airport"], ["airport:weather:rain:airport", "*"]):
        found = {one.ref.name: one for one in candidates(catalog, COLUMNS, wanted)}
        assert found["airport:weather:rain:airport"] == (found["airport:weather:rain:airport"].ref, True, None)


@pytest.mark.parametrize(
    ("wanted", "join", "error", "message"),
    [
        ([], None, ArgumentError, "there are no candidates: name some"),
        ("basis:delay", None, ArgumentError, "expected a list of names"),
        (["airport:wether:*:dest"], None, FeatureNotFoundError, "did you mean 'airport:weather'"),
        (["airport:weather:*:no key"], None, RefError, "the join key 'no key' must be"),
        (["airport:*:dest"], None, RefError, "found 3 parts"),
        ([3], None, RefError, "expected a feature name as a string, found int"),
        (["basis:dely"], None, SchemaError, "did you mean 'delay'"),
        (None, {"aeroport": "dest"}, FeatureNotFoundError, "did you mean 'airport'"),
        (None, {"airport": "dst"}, SchemaError, "join key 'dst' of airport: .*did you mean 'dest'"),
        (None, {"route": "origin"}, SchemaError, "has the keys from, to, .* 2 join keys.*found 1"),
    ],
)
def test_what_is_not(catalog, wanted, join, error, message):
    with pytest.raises(error, match=message):
        candidates(catalog, COLUMNS, wanted, join)


@pytest.mark.parametrize(
    ("wanted", "join", "message"),
    [
        (["airport:wether:*:dest"], {}, "did you mean 'airport:weather'"),
        (["airport:weather:wnd:dest"], {}, "did you mean 'wind'"),
        (["airport:weather"], {}, "found 2 parts"),
        (["*"], {"aeroport": "dest"}, "did you mean 'airport'"),
        (["*"], {"route": ["origin,dest", "to,origin"]}, "join: .*expected origin,to, found to,origin"),
        (["route:flown:*:to,from"], {}, "expected from,to, found to,from"),
        (["route:flown:minutes:to,from"], {}, "expected from,to, found to,from"),
        (["route:flown:minutes:from"], {}, "2 join keys"),
    ],
)
def test_what_is_not_is_told_without_a_basis(catalog, wanted, join, message):
    with pytest.raises((RefError, FeatureNotFoundError, SchemaError), match=message):
        check_names(catalog, wanted, join)


def test_what_may_be_is_not_refused_without_a_basis(catalog):
    names = ["*", "basis:*", "basis:what", "airport:weather:*:there", "@palette:airport:weather:wind:there"]
    check_names(catalog, names, {"route": "here,there"})


def test_no_entity_suits(catalog):
    with pytest.raises(ArgumentError, match=r"\(join="):
        candidates(catalog, {"delay": "double"})
