"""Search and what people say about features, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest

from dsl.refs import parse_ref
from palette import BatchSource, Entity, Feature, FeatureGroup, RPCSource
from palette.catalog import ModelRecord, SqlCatalog, resolve
from palette.catalog.features.fulltext import words
from palette.catalog.feeds.state import FeedState
from palette.errors import ArgumentError, DeprecatedFeatureWarning, FeatureNotFoundError

RESTAURANT = Entity("restaurant", keys={"uuid": "string"})
MENU = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
ORDERS = FeatureGroup(
    "order_history",
    entity="restaurant",
    owner="ada",
    tags=["eta"],
    source=BatchSource(sql="SELECT 1"),
    features=[Feature("avgPrepTime_7d", "double", description="minutes in the kitchen"), Feature("n_orders", "int")],
)
COURIER = Entity("courier", keys={"a": "string", "b": "int"}, tags=["people"])
POSITION = FeatureGroup(
    "position",
    entity="courier",
    source=RPCSource(url="http://x/{a}", mapping={"lat": "lat"}),
    features=[Feature("lat", "double", owner="bob", description="Breite, für Züge; time of day")],
)


def filled(catalog):
    catalog.definitions.apply([RESTAURANT, MENU, ORDERS, COURIER, POSITION])
    catalog.models.record_all([ModelRecord("eta", {"restaurant:order_history:avgPrepTime_7d": 1.0})])
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    catalog.feeds.set_state("restaurant:order_history", FeedState(now))
    # A backfill that was broken off is no materialized group.
    catalog.feeds.set_state("restaurant:menu", FeedState(backfills={"0123456789abcdef": now}))
    return catalog


@pytest.fixture(scope="module")
def known(new_url):
    """Only to be read."""
    catalog = filled(SqlCatalog(new_url()))
    yield catalog
    catalog.database.engine.dispose()


def found(catalog, text=None, limit=50, **filters):
    return [one.expression.split(":")[2] for one in catalog.features.search(text, limit=limit, **filters)]


@pytest.mark.parametrize(
    ("text", "filters", "expected"),
    [
        pytest.param("prep time", {}, ["avgPrepTime_7d"], id="case-and-underscore"),
        pytest.param("PREP", {}, ["avgPrepTime_7d"], id="folded"),
        pytest.param("kitch", {}, ["avgPrepTime_7d"], id="beginning"),
        pytest.param("time", {}, ["avgPrepTime_7d", "lat"], id="name-before-description"),
        pytest.param("zuge fur", {}, ["lat"], id="accents"),
        pytest.param("order nonsense", {"dtype": "integer"}, ["n_orders"], id="nowhere"),
        pytest.param("prep time nonsense", {}, ["avgPrepTime_7d"], id="all-but-nowhere"),
        pytest.param("dishes kitchen", {}, ["dishes", "avgPrepTime_7d"], id="any-if-not-all"),
        pytest.param("xyzzy nonsense", {}, [], id="all-nowhere"),
        pytest.param("' OR 1=1 --", {"owner": "nobody"}, [], id="hostile"),
        pytest.param('"* NEAR(zz) : ) | & ! \\', {}, [], id="syntax"),
        pytest.param("!!!", {}, [], id="no-words"),
        pytest.param("xyzzy", {}, [], id="nothing"),
        pytest.param(None, {"entity": "courier"}, ["lat"], id="entity"),
        pytest.param(None, {"group": "menu"}, ["dishes"], id="group"),
        pytest.param(None, {"group": "restaurant:menu"}, ["dishes"], id="full-group"),
        pytest.param(None, {"group": "MENU"}, [], id="group-case"),
        pytest.param(None, {"group": "enu"}, [], id="end-of-group"),
        pytest.param(None, {"kind": "rpc"}, ["lat"], id="kind"),
        pytest.param(None, {"owner": "ada", "dtype": "double"}, ["avgPrepTime_7d"], id="owner-of-group-and-type"),
        pytest.param(None, {"owner": "bob"}, ["lat"], id="owner"),
        pytest.param(None, {"tag": "people"}, ["lat"], id="tag-of-entity"),
        pytest.param(None, {"tag": ["people"]}, ["lat"], id="tags"),
        pytest.param(None, {"tag": ["people", "eta"]}, [], id="all-tags"),
        pytest.param("lat", {"tag": []}, ["lat"], id="no-tags"),
        pytest.param("order", {"used_by": "eta", "tag": "eta"}, ["avgPrepTime_7d"], id="used-by"),
        pytest.param("prep", {"fresher_than": "1h"}, ["avgPrepTime_7d"], id="fresh"),
        pytest.param("dishes", {"fresher_than": "1h"}, [], id="only-backfilled"),
        pytest.param(None, {"fresher_than": dt.datetime(2100, 1, 1)}, [], id="not-fresh"),
        pytest.param(None, {"curated": True}, [], id="curated"),
        pytest.param(None, {"group": "%"}, [], id="wildcard"),
        pytest.param("time " * 10_000, {"kind": "near real time"}, [], id="long"),
    ],
)
def test_search(known, text, filters, expected):
    assert found(known, text, **filters) == expected


def test_found_features_carry_expressions_that_parse(known):
    lat = known.features.search("lat", limit=1)[0]
    assert lat.expression == "courier:position:lat:a,b"
    assert parse_ref(lat.expression).join_keys == ("a", "b")
    assert found(known, limit=1) == ["avgPrepTime_7d"], "what models use comes first"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"kind": "bach"}, {"dtype": "dubble"}, {"fresher_than": "soon"}, {"fresher_than": "9999999999w"}),
        *({"fresher_than": 3}, {"curated": "yes"}, {"tag": 3}, {"tag": ["a", 3]}, {"owner": ["ada"]}, {"entity": 3}),
    ],
    ids=str,
)
def test_wrong_filters_are_named(known, wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))}|{next(iter(wrong.values()))}"):
        found(known, **wrong)


def test_unknown_filters_are_named(known):
    with pytest.raises(TypeError, match="did you mean 'owner'"):
        found(known, ownr="ada")


def test_marks_are_found_and_outlive_a_change(bare):
    known = filled(bare)
    known.features.rate("courier:position:lat", 2, who="a")
    known.features.rate("courier:position:lat", 4, who="a")
    known.features.rate("courier:position:lat", 5, who="b")
    known.features.curate("courier:position")
    known.features.deprecate("restaurant:order_history:avgPrepTime_7d", "take the median")
    assert found(known, "time") == ["lat", "avgPrepTime_7d"], "the deprecated one goes down"
    wider = known.definitions.group("courier:position").model_copy(update={"features": (Feature("lat", "double"),)})
    known.definitions.apply([wider])
    (lat,) = known.features.search(curated=True)
    assert (lat.stars, lat.curated, lat.deprecated) == (4.5, True, None)
    assert known.features.describe("courier:position:lat") == lat
    assert known.features.describe("courier:position:lon") is None
    assert known.features.marks("courier:position:lat") == {"curated": ""}
    known.features.deprecate("courier", "gone")
    known.features.deprecate("courier:position", "stale")
    assert known.features.marks("courier:position:lat") == {"curated": "", "deprecated": "stale"}
    assert known.features.marks("courier") == {"deprecated": "gone"}
    known.features.deprecate("courier", None)
    known.features.deprecate("courier:position", None)
    with pytest.warns(DeprecatedFeatureWarning, match="take the median"):
        resolve(known, "restaurant:order_history:avgPrepTime_7d:k")
    known.features.deprecate("restaurant:order_history:avgPrepTime_7d", None)
    resolve(known, "restaurant:order_history:avgPrepTime_7d:k")
    known.features.curate("courier:position", False)
    assert found(known, curated=True) == []


def test_notes(bare):
    known = filled(bare)
    known.features.note("courier", "drop '; DROP TABLE notes; --", who="ada")
    assert [(one.text, one.who) for one in known.features.notes("courier")] == [("drop '; DROP TABLE notes; --", "ada")]
    with pytest.raises(FeatureNotFoundError, match="did you mean 'courier'"):
        known.features.note("courrier", "x")
    for refused in (
        lambda: known.features.note("courier", " "),
        lambda: known.features.rate("courier:position:lat", 6),
    ):
        with pytest.raises(ArgumentError, match="expected"):
            refused()


def test_words_split_names():
    assert words("XMLHttp_lastSeen") == ["xml", "http", "last", "seen"]
