"""The catalog on both databases: all or nothing, several processes, names, plans, records."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import multiprocessing
import os
import re

import pytest
import sqlalchemy as sa

from palette.catalog import ModelRecord, SqlCatalog
from palette.catalog.definitions import definitions as definitions_module
from palette.catalog.feeds.state import FeedState
from palette.definitions import Aggregate, BatchSource, Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError, NotFoundError

RESTAURANT = Entity("restaurant", keys={"uuid": "string"})
MENU = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
ORDERS = BatchSource(
    sql="SELECT 1", every="1h", time="at", by=["a", "b"], aggregates=[Aggregate("dishes", "sum", ["1h"])]
)


def test_definitions_are_read_back_by_another(catalog, url):
    other = SqlCatalog(url)
    assert other.definitions.entities() == {"restaurant": RESTAURANT}
    assert other.definitions.groups() == {"restaurant:menu": MENU}


def test_a_change_is_seen_at_once_by_another(catalog, url):
    other = SqlCatalog(url)
    other.definitions.entities()
    catalog.definitions.apply([Entity("region", keys={"id": "string"})])
    assert "region" in other.definitions.entities()


def test_unknown_names_offer_near_ones(catalog):
    with pytest.raises(FeatureNotFoundError, match="did you mean 'restaurant'"):
        catalog.definitions.entity("restaurnt")
    with pytest.raises(FeatureNotFoundError, match="did you mean 'restaurant:menu'"):
        catalog.definitions.group("restaurant:menus")
    with pytest.raises(FeatureNotFoundError, match=r"no feature group 'menu'; did you mean 'restaurant:menu'\?"):
        catalog.definitions.group("menu")


def test_where_nothing_is_applied_names_are_told_how(empty):
    remedy = r"none is applied yet \(palette apply, or store\.apply"
    with pytest.raises(FeatureNotFoundError, match=f"no entity 'restaurant': {remedy}"):
        empty.definitions.group("restaurant:menu")
    empty.definitions.apply([RESTAURANT])
    with pytest.raises(FeatureNotFoundError, match=f"no feature group 'restaurant:menu': {remedy}"):
        empty.definitions.group("restaurant:menu")


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
        pytest.param(
            [FeatureGroup("g", entity="restaurant", features=[Feature("v", dtype)]) for dtype in ("int", "string")],
            "feature group 'restaurant:g' is given twice, and differently",
            id="group-twice",
        ),
        pytest.param(
            [MENU.model_copy(update={"source": ORDERS})], "by names 2 columns .*'restaurant' has 1 keys", id="keys"
        ),
        pytest.param(
            [Entity("courier", keys={"id": dtype}) for dtype in ("int", "string")],
            "entity 'courier' is given twice",
            id="entity-twice",
        ),
    ],
)
def test_refused_change_leaves_everything(catalog, definitions, message):
    before = catalog.definitions.entities(), catalog.definitions.groups(), catalog.definitions.history("restaurant")
    with pytest.raises(DefinitionError, match=message):
        catalog.definitions.apply([Entity("fresh", keys={"a": "int"}), *definitions])
    assert (
        catalog.definitions.entities(),
        catalog.definitions.groups(),
        catalog.definitions.history("restaurant"),
    ) == before


def test_the_same_given_twice_counts_once(catalog):
    courier = Entity("courier", keys={"id": "int"})
    assert [one.name for one in catalog.definitions.plan([courier, courier.model_copy()]).items] == ["courier"]


def test_new_feature_is_no_breaking_change(catalog):
    wider = FeatureGroup("menu", entity="restaurant", features=[*MENU.features, Feature("price", "double")])
    catalog.definitions.apply([wider])
    assert catalog.definitions.group("restaurant:menu") == wider


def test_breaking_change_on_demand(catalog):
    catalog.definitions.apply([Entity("restaurant", keys={"uuid": "bigint"})], allow_breaking=True)
    assert catalog.definitions.entity("restaurant").keys == {"uuid": "bigint"}


def test_feature_called_like_a_status_is_refused(catalog):
    features = [Feature("v", "int"), Feature("v__status", "string")]
    with pytest.raises(DefinitionError, match="is the name of another feature's status column"):
        catalog.definitions.apply([FeatureGroup("g", entity="restaurant", features=features)])


def test_pins_are_kept_and_released(catalog, url):
    catalog.pins.keep("model:eta", {"restaurant:menu": 3})
    assert SqlCatalog(url).pins.all() == {"model:eta": {"restaurant:menu": 3}}
    catalog.pins.release("model:eta")
    assert catalog.pins.all() == {}
    with pytest.raises(NotFoundError, match="no pin"):
        catalog.pins.release("model:eta")


def test_plan_is_carried_out_exactly_or_refused(catalog):
    wider = FeatureGroup("menu", entity="restaurant", features=[*MENU.features, Feature("price", "double")])
    plan = catalog.definitions.plan([RESTAURANT, wider])
    assert [(one.action, one.name, one.breaking) for one in plan.items] == [("added", "restaurant:menu:price", False)]
    assert catalog.definitions.group("restaurant:menu") == MENU, "a plan changes nothing"
    catalog.definitions.apply(plan, who="ada")
    assert not catalog.definitions.plan([RESTAURANT, wider])
    assert [(one.version, one.action, one.definition) for one in catalog.definitions.history("restaurant:menu")] == [
        (1, "added", MENU),
        (2, "changed", wider),
    ]
    assert catalog.definitions.history("restaurant:menu")[1].who == "ada"
    with pytest.raises(DefinitionError, match="plan again"):
        catalog.definitions.apply(plan)
    with pytest.raises(ArgumentError, match=r"give prune=True to plan\(\)"):
        catalog.definitions.apply(catalog.definitions.plan([RESTAURANT]), prune=True, allow_breaking=True)
    assert catalog.definitions.groups() == {"restaurant:menu": wider}


def menu(*features, **times):
    return FeatureGroup("menu", entity="restaurant", features=[*MENU.features, *features], **times)


@pytest.mark.parametrize(
    ("before", "after", "breaking", "told"),
    [
        pytest.param(menu(Feature("x", "string")), menu(Feature("x", "bigint")), True, "be rewritten", id="another"),
        pytest.param(menu(Feature("x", "int")), menu(Feature("x", "bigint")), False, "tables follow", id="wider"),
        pytest.param(menu(Feature("x", "int")), menu(Feature("x", "int")), False, None, id="the-same"),
        pytest.param(menu(Feature("x", "double")), menu(created="x"), True, "timestamp now: .*rewr", id="to-created"),
        pytest.param(menu(created="x"), menu(Feature("x", "double")), True, "was timestamp .*rewr", id="from-created"),
        pytest.param(menu(Feature("x", "double")), menu(timestamp="x"), True, "timestamp now: .*rewr", id="to-event"),
    ],
)
@pytest.mark.parametrize("removed", ["column", "group"])
def test_a_column_that_comes_back_with_another_type_breaks(catalog, before, after, breaking, told, removed):
    """The table still has it as it was, also where the group itself was removed."""
    catalog.definitions.apply([before], allow_breaking=True)
    if removed == "column":
        catalog.definitions.apply([MENU], allow_breaking=True)
    else:
        catalog.definitions.apply([RESTAURANT], prune=True, allow_breaking=True)
    plan = catalog.definitions.plan([RESTAURANT, after])
    changes = [change for change in plan.items if any("in an earlier form" in line for line in change.details)]
    assert len(changes) == (told is not None)
    assert all(change.breaking == breaking and re.search(told, str(change)) for change in changes)
    if breaking:
        with pytest.raises(DefinitionError, match="must be rewritten"):
            catalog.definitions.apply(plan)


def test_a_feature_that_becomes_the_created_time_breaks(catalog):
    catalog.definitions.apply([menu(Feature("x", "double"))])
    changes = catalog.definitions.plan([menu(created="x")]).items
    assert "'x' was double in an earlier form, and is timestamp now: a written table must be rewritten" in str(
        changes[0]
    )


def test_features_that_change_places_are_shown(catalog):
    price, size = Feature("price", "double"), Feature("size", "int")
    wider = MENU.model_copy(update={"features": (*MENU.features, price)})
    catalog.definitions.apply([wider])
    (other,) = catalog.definitions.plan([MENU.model_copy(update={"features": (price, *MENU.features)})]).items
    assert (other.action, other.name, other.breaking) == ("changed", "restaurant:menu", False)
    assert other.details == ("order of features: dishes, price -> price, dishes",)
    (added,) = catalog.definitions.plan([MENU.model_copy(update={"features": (size, *wider.features)})]).items
    assert (added.action, added.name) == ("added", "restaurant:menu:size")


def test_breaking_changes_name_the_models_that_they_hit(catalog):
    catalog.models.record_all([ModelRecord("eta", {"restaurant:menu:dishes": 0.5}), ModelRecord("other", {})])
    renamed = FeatureGroup("menu", entity="restaurant", features=[Feature("n_dishes", "bigint")])
    plan = catalog.definitions.plan([renamed])
    assert plan.models == ("eta",)
    assert "renamed to 'n_dishes'?" in str(plan)
    assert json.loads(plan.to_json())["changes"][1]["breaking"] is True
    with pytest.raises(DefinitionError, match="eta"):
        catalog.definitions.apply(plan)
    catalog.definitions.apply(plan, allow_breaking=True)
    assert catalog.definitions.group("restaurant:menu") == renamed
    assert catalog.definitions.plan([Entity("restaurant", keys={"uuid": "int"})]).models == ("eta",)


@pytest.mark.parametrize(
    ("entity", "group"),
    [("shop", "_spark_metadata"), ("shop", "_delta_log"), ("_spark_metadata", "facts"), ("_Delta_Log", "facts")],
)
def test_names_that_spark_and_delta_take_for_their_own_are_refused(catalog, entity, group):
    """Of what is written below the one nothing would be erased; what is beside the other would seem part of a table."""
    definitions = [Entity(entity, keys={"id": "string"}), FeatureGroup(group, entity, [Feature("x", "double")])]
    with pytest.raises(DefinitionError, match="must not be called '_"):
        catalog.definitions.plan(definitions)
    named = FeatureGroup("_facts", "_shop", [Feature("x", "double")])
    assert catalog.definitions.plan([Entity("_shop", keys={"id": "string"}), named]).added


def test_a_changed_ttl_names_the_models_that_keep_the_old_one(catalog):
    """It breaks nothing, and does not reach them."""
    timed = MENU.model_copy(update={"timestamp": "ts"})
    catalog.definitions.apply([RESTAURANT, timed], allow_breaking=True)
    feature = f"restaurant:menu:{timed.features[0].name}"
    catalog.models.record_all([ModelRecord("eta", {feature: 0.5}), ModelRecord("other", {})])
    plan = catalog.definitions.plan([timed.model_copy(update={"ttl": dt.timedelta(days=7)})])
    assert plan.items[0].details == ("ttl: null -> '7d'", "models keep the ttl that they were fitted with: eta")
    assert (plan.breaking, plan.models) == ((), ())
    (described,) = catalog.definitions.plan([timed.model_copy(update={"description": "of a restaurant"})]).items
    assert "eta" not in str(described)


def test_a_changed_source_is_shown_in_the_plan(catalog):
    def filled(schedule):
        return MENU.model_copy(update={"source": BatchSource(sql="SELECT 1 AS x " * 20, schedule=schedule)})

    catalog.definitions.apply([filled("0 3 * * *")])
    plan = catalog.definitions.plan([filled("0 4 * * *")])
    (change,) = plan.items
    assert (change.name, change.breaking, change.details) == (
        "restaurant:menu",
        False,
        ("source.schedule: '0 3 * * *' -> '0 4 * * *'",),
    )
    (told,) = json.loads(plan.to_json())["changes"]
    assert told["values"] == [{"field": "source.schedule", "was": "0 3 * * *", "now": "0 4 * * *"}]


def test_what_is_not_among_the_definitions_is_told_with_who_uses_it(catalog):
    """A group that is called otherwise in a file is a new one, and the old one stays."""
    catalog.definitions.apply([Entity("region", keys={"id": "string"})])
    catalog.models.record_all([ModelRecord("eta", {"restaurant:menu:dishes": 0.5})])
    renamed = MENU.model_copy(update={"name": "dishes"})
    plan = catalog.definitions.plan([RESTAURANT, renamed])
    assert str(plan).splitlines()[2:] == [
        "not in these files: group restaurant:menu (renamed to 'dishes'?) (used by eta); --prune removes it",
        "not in these files: entity region; --prune removes it",
        "1 added, 0 changed, 0 removed; none breaking",
    ]
    assert json.loads(plan.to_json())["not_in_these_files"] == [
        {"kind": "group", "name": "restaurant:menu", "models": ["eta"], "renamed": "dishes"},
        {"kind": "entity", "name": "region", "models": [], "renamed": None},
    ]
    pruned = catalog.definitions.plan([RESTAURANT, renamed], prune=True)
    assert "group 'restaurant:menu' is removed (renamed to 'dishes'?)" in str(pruned)
    assert (pruned.unreferenced, pruned.models) == ((), ("eta",))
    assert not catalog.definitions.plan([RESTAURANT]), "nothing to do"


def test_plan_asks_once_for_the_models_of_all_that_goes(catalog):
    groups = [MENU.model_copy(update={"name": f"menu_{number}"}) for number in range(30)]
    catalog.definitions.apply(groups)
    gone, used = "restaurant:menu_7:gone", "restaurant:menu_8:dishes"
    catalog.models.record_all([ModelRecord("eta", {gone: 0.5}), ModelRecord("churn", {used: 0.5, gone: 0.5})])
    statements = []
    sa.event.listen(catalog.database.engine, "before_cursor_execute", lambda *about: statements.append(about[2]))
    plan = catalog.definitions.plan([], prune=True)
    assert len(statements) < 20
    hit = {"restaurant:menu_7": ("churn", "eta"), "restaurant:menu_8": ("churn",), "restaurant": ("churn", "eta")}
    assert {one.name: one.models for one in plan.removed if one.models} == hit
    assert {one.name: one.models for one in catalog.definitions.plan([]).unreferenced if one.models} == hit


def test_prune_removes_what_is_not_named(catalog):
    assert {one.name for one in catalog.definitions.plan([], prune=True).removed} == {"restaurant", "restaurant:menu"}
    with pytest.raises(DefinitionError, match=r"is removed \(do not prune, or apply\(\.\.\., allow_breaking=True"):
        catalog.definitions.apply([RESTAURANT], prune=True)
    with pytest.raises(DefinitionError, match=r"\(use another name, do not prune, or apply"):
        catalog.definitions.apply([Entity("restaurant", keys={"uuid": "bigint"})], prune=True)
    catalog.definitions.apply([RESTAURANT], prune=True, allow_breaking=True)
    assert catalog.definitions.groups() == {}
    assert [one.action for one in catalog.definitions.history("restaurant:menu")] == ["added", "removed"]
    catalog.definitions.apply([MENU])
    assert catalog.definitions.history("restaurant:menu")[-1].version == 3


def test_records_are_kept(catalog):
    eta = ModelRecord("eta", {"restaurant:menu:dishes": 0.5}, stage="production", details={"auc": 0.9})
    assert catalog.models.record_all([eta, eta]) == [1, 2]
    assert [one.version for one in catalog.models.versions(feature="restaurant:menu:dishes")] == [1, 2]
    assert catalog.models.versions("eta")[1].features == {"restaurant:menu:dishes": 0.5}
    run = catalog.feeds.start_run("restaurant:menu", "materialize")
    catalog.feeds.end_run(run, "done", details={"rows": 3})
    assert [(one["status"], one["details"]) for one in catalog.feeds.runs("restaurant:menu")] == [("done", {"rows": 3})]
    with pytest.raises(NotFoundError, match="no run"):
        catalog.feeds.end_run(run + 1, "done")
    assert catalog.feeds.state("restaurant:menu") == FeedState()
    for day in (1, 2):
        catalog.feeds.set_state("restaurant:menu", FeedState(dt.datetime(2026, 1, day)))
    assert catalog.feeds.state("restaurant:menu") == FeedState(dt.datetime(2026, 1, 2))
    catalog.models.set_statistics("restaurant:menu:dishes", "model:eta:1", {"count": 3})
    assert catalog.models.statistics("restaurant:menu:dishes", "model:eta:1") == {"count": 3}


@pytest.mark.parametrize("wrong", [{"rows": float("nan")}, {"rows": {1}}], ids=["nan", "set"])
def test_records_that_json_cannot_hold_are_the_callers_fault(catalog, wrong):
    number = catalog.feeds.start_run("restaurant:menu", "materialize")
    for record in (
        lambda: catalog.models.record(ModelRecord("eta", {}), statistics=wrong),
        lambda: catalog.models.set_statistics("a", "b", wrong),
        lambda: catalog.feeds.start_run("restaurant:menu", "materialize", details=wrong),
        lambda: catalog.feeds.end_run(number, "done", details=wrong),
    ):
        with pytest.raises(ArgumentError, match=r"(statistics|details): cannot be serialized as JSON"):
            record()
    assert (catalog.models.versions(), [run["status"] for run in catalog.feeds.runs()]) == ([], ["running"])


def test_errors_of_what_is_done_in_a_transaction_stay_what_they_are(catalog):
    with pytest.raises(ValueError, match="mine"):
        catalog.database.change(lambda _: int("mine"))


def test_nothing_there_reads_as_empty(empty):
    assert (
        empty.definitions.entities(),
        empty.definitions.groups(),
        empty.pins.all(),
        empty.models.versions(),
        empty.feeds.runs(),
    ) == ({}, {}, {}, [], [])
    assert empty.database.path is None or not empty.database.path.exists(), "reading makes no file"


def _apply_many(url, start):
    catalog = SqlCatalog(url)
    for number in range(start, start + 10):
        catalog.definitions.apply([Entity(f"entity_{number}", keys={"id": "string"})])


def _widen(url, start):
    catalog = SqlCatalog(url)
    for number in range(start, start + 5):
        done = False
        while not done:
            menu = catalog.definitions.group("restaurant:menu")
            wider = menu.model_copy(update={"features": (*menu.features, Feature(f"v_{number}", "int"))})
            # Refused where another was faster: its feature is not in ours.
            with contextlib.suppress(DefinitionError):
                catalog.definitions.apply(catalog.definitions.plan([wider]))
                done = True


def _die_in_the_middle(url, _):
    definitions_module.bump_revision = lambda _: os._exit(9)
    SqlCatalog(url).definitions.apply([Entity("courier", keys={"id": "string"})], prune=True, allow_breaking=True)


def in_processes(target, url, *starts):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=target, args=(url, start)) for start in starts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        worker.kill()
    return [worker.exitcode for worker in workers]


def test_concurrent_appliers_lose_nothing(empty, url):
    assert in_processes(_apply_many, url, 0, 10, 20) == [0, 0, 0]
    assert len(empty.definitions.entities()) == 30


def test_concurrent_appliers_to_one_group_lose_nothing(catalog, url):
    assert in_processes(_widen, url, 0, 5, 10) == [0, 0, 0]
    assert {one.name for one in catalog.definitions.group("restaurant:menu").features} == {
        "dishes",
        *(f"v_{n}" for n in range(15)),
    }
    assert [one.version for one in catalog.definitions.history("restaurant:menu")] == list(range(1, 17))


def test_applier_that_dies_leaves_everything(catalog, url):
    assert in_processes(_die_in_the_middle, url, 0) == [9]
    assert (catalog.definitions.entities(), catalog.definitions.groups()) == (
        {"restaurant": RESTAURANT},
        {"restaurant:menu": MENU},
    )
    assert [one.expression for one in catalog.features.search("dishes")] == ["restaurant:menu:dishes:uuid"]


HOSTILE = ("'; DROP TABLE features; --", '"', "a\nb", "%_\\", "\\u0000", "$1 :x ?", "😀", " ", "{}[]")


def test_hostile_texts_come_back_as_they_are(catalog):
    group = FeatureGroup(
        "g", entity="restaurant", owner=HOSTILE[0], features=[Feature("v", "int", tags=HOSTILE, description=HOSTILE[0])]
    )
    catalog.definitions.apply([group])
    assert catalog.definitions.group("restaurant:g") == group
    (found,) = catalog.features.search(owner=HOSTILE[0])
    assert set(found.tags) == set(HOSTILE)
    for tag in HOSTILE:
        assert [one.expression for one in catalog.features.search(tag=tag)] == [found.expression]
    hostile = ModelRecord(HOSTILE[0], {HOSTILE[1]: 1.0}, details={"a": HOSTILE[0]})
    assert catalog.models.record_all([hostile]) == [1]
    assert catalog.models.versions(HOSTILE[0])[0].details == {"a": HOSTILE[0]}


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["nul", "surrogate"])
def test_texts_that_no_database_holds_are_refused(catalog, text):
    with pytest.raises(DefinitionError, match="remove it"):
        catalog.definitions.apply([Entity("other", keys={"id": "int"}, description=text)])
    assert list(catalog.definitions.entities()) == ["restaurant"]
