"""Plans without Spark: look-ups, expressions, stages; what a request may hold; bundles."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import json
import math
import shutil
import types
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from dsl import Binding, DslError, parse
from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, DataError, MissingColumnError, SnapshotError, UnknownColumnError
from palette.online import MemoryStore, Snapshot
from palette.serving import LocalPipeline, RowRejectedError
from palette.serving.compile import numeric_columns, output_types, request_columns
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.stages.features.assembler import VectorAssembler
from palette.serving.stages.features.imputer import ImputerModel
from palette.serving.stages.features.indexers import StringIndexerModel

NOW = dt.datetime(2026, 1, 1, 12)
HOUR = dt.timedelta(hours=1)
ENTITY = Entity("restaurant", keys={"uuid": "string"})
GROUP = FeatureGroup(
    "fg",
    entity="restaurant",
    timestamp="ts",
    created="written",
    ttl="2h",
    features=[Feature("x", "double"), Feature("n", "int"), Feature("f", "float"), Feature("day", "date")],
)
ROUTE = Entity("route", keys={"origin": "string", "number": "bigint"})
PAIRS = FeatureGroup("pairs", entity="route", features=[Feature("v", "array<double>")])
KNOWN = {"restaurant:fg": (ENTITY, GROUP), "route:pairs": (ROUTE, PAIRS)}


def dsl_step(lambdas, **types_):
    bindings = {f"basis:{column}": asdict(Binding(column, dtype)) for column, dtype in types_.items()}
    return DslStep({name: str(parse(text)) for name, text in lambdas.items()}, bindings, {})


LOOKUP = LookupStep(ENTITY, GROUP, ("r_id",), {"a": "x", "b": "n", "when": "ts", "wrote": "written"})
PLAN = Plan(
    (
        LOOKUP,
        dsl_step({"city": "upper(sVal('basis:city'))", "o": "sVal('basis:o')"}, city="string", o="string"),
        dsl_step({"sum": "nVal('basis:a') + nVal('basis:b')"}, a="double", b="int"),
        LookupStep(ROUTE, PAIRS, ("city", "num"), {"v": "v"}),
    ),
    ("a", "b", "when", "wrote", "city", "sum", "v"),
)


def order(**columns):
    """Return a row with the columns that the plan reads; those that are not given are null."""
    return {"r_id": None, "city": None, "o": None, "num": None} | columns


@pytest.fixture
def store():
    store = MemoryStore(KNOWN.__getitem__)
    store.write("restaurant:fg", [{"uuid": "r1", "ts": NOW - HOUR, "written": None, "x": 1.5, "n": 3}])
    store.write("route:pairs", [{"origin": "EWR", "number": 7, "v": [1, 2]}])
    return store


def test_plan_reads_computes_and_looks_up_again(store):
    scored = LocalPipeline(PLAN, store).score_instance(order(r_id="r1", city="ewr", num=7), now=NOW)
    assert scored == {
        "a": 1.5, "b": 3, "when": NOW - HOUR, "wrote": None, "city": "EWR", "sum": 4.5, "v": [1.0, 2.0]
    }  # fmt: skip
    assert [type(value) for value in scored.values()] == [
        float, int, dt.datetime, type(None), str, float, list
    ]  # fmt: skip


def test_a_row_of_nulls_gives_nulls(store):
    scored = LocalPipeline(PLAN, store).score_instance(order(), now=NOW)
    assert set(scored) == set(PLAN.outputs)
    assert not any(value is not None for value in scored.values())


def test_ttl_counts_at_now_and_not_at_the_time_in_the_row(store):
    local = LocalPipeline(PLAN, store)
    row = order(r_id="r1", ts=NOW + 100 * HOUR)
    assert local.score_instance(row, now=NOW + HOUR)["a"] == 1.5
    assert local.score_instance(row, now=NOW + HOUR + dt.timedelta(microseconds=1))["a"] is None


def test_a_live_store_is_read_at_each_call(store):
    local = LocalPipeline(PLAN, store)
    local.score_instance(order(r_id="r2"), now=NOW)
    store.write("restaurant:fg", [{"uuid": "r2", "ts": NOW, "x": 7.0}])
    assert local.score_instance(order(r_id="r2"), now=NOW)["a"] == 7.0


def test_stores_take_turns(store):
    empty = MemoryStore(KNOWN.__getitem__)
    local = LocalPipeline(PLAN)
    for _ in range(3):
        assert local.score_instance(order(r_id="r1"), now=NOW, store=store)["a"] == 1.5
        assert local.score_instance(order(r_id="r1"), now=NOW, store=empty)["a"] is None
    assert local.score_instance(order(r_id="r1"), now=NOW)["a"] is None


def test_score_instances_is_score_instance_for_each(store):
    local = LocalPipeline(PLAN, store)
    rows = [order(r_id="r1"), order(r_id="nobody"), order()]
    assert local.score_instances(rows, now=NOW) == [local.score_instance(row, now=NOW) for row in rows]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(order(r_id=np.str_("r1"), city="ewr", num=np.int64(7)), id="numpy"),
        pytest.param(types.MappingProxyType(order(r_id="r1", city="ewr", num=7)), id="mapping"),
        pytest.param(order(r_id="r1", city="ewr", num=7, unused=object()), id="more"),
    ],
)
def test_rows_of_other_kinds(store, row):
    expected = LocalPipeline(PLAN, store).score_instance(order(r_id="r1", city="ewr", num=7), now=NOW)
    assert LocalPipeline(PLAN, store).score_instance(row, now=NOW) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(order(r_id=7), r"join key 'r_id'.*expected string, found int 7", id="key"),
        pytest.param(order(num="7"), r"join key 'num'.*expected bigint", id="integer-key"),
        pytest.param(order(num=1 << 63), "expected bigint", id="large-key"),
        pytest.param(order(num=True), "expected bigint", id="boolean-key"),
        pytest.param(order(city=3), r"basis:city: expected string", id="value"),
        pytest.param([("r_id", "r1")], "a row is a mapping", id="no-mapping"),
    ],
)
def test_wrong_types_are_named(store, row, message):
    with pytest.raises((DataError, DslError), match=message):
        LocalPipeline(PLAN, store).score_instance(row, now=NOW)


def test_without_a_store_the_remedy_is_told():
    with pytest.raises(DataError, match=r"pass store= \(--store\)"):
        LocalPipeline(PLAN).score_instance({})


def test_store_without_the_group_or_with_other_types_is_refused(store):
    with pytest.raises(SnapshotError, match=r"no group 'restaurant:fg'.*store\.snapshot"):
        LocalPipeline(PLAN, Snapshot([], NOW))
    changed = FeatureGroup("fg", entity="restaurant", timestamp="ts", features=[Feature("x", "string")])
    other = MemoryStore({**KNOWN, "restaurant:fg": (ENTITY, changed)}.__getitem__)
    with pytest.raises(SnapshotError, match=r"reads 'x'.*as string"):
        LocalPipeline(PLAN, other)


def test_added_and_reordered_features_do_not_matter():
    features = [Feature("new", "string"), *reversed(GROUP.features)]
    changed = FeatureGroup("fg", entity="restaurant", ttl="2h", timestamp="ts", created="written", features=features)
    store = MemoryStore({**KNOWN, "restaurant:fg": (ENTITY, changed)}.__getitem__)
    store.write("restaurant:fg", [{"uuid": "r1", "ts": NOW, "x": 1.5, "n": 3, "new": "?"}])
    scored = LocalPipeline(PLAN, store).score_instance(order(r_id="r1"), now=NOW)
    assert (scored["a"], scored["b"]) == (1.5, 3)


def test_snapshot_refuses_a_moment_before_it(store):
    snapshot = Snapshot([store.table(name) for name in KNOWN], NOW)
    local = LocalPipeline(PLAN, snapshot)
    assert local.score_instance(order(r_id="r1"), now=NOW)["a"] == 1.5
    with pytest.raises(SnapshotError, match="before the snapshot"):
        local.score_instance(order(r_id="r1"), now=NOW - dt.timedelta(seconds=1))


def test_expressions_of_a_step_see_the_columns_before_it():
    plan = Plan((dsl_step({"x": "nVal('basis:y')", "y": "nVal('basis:x')"}, x="double", y="double"),), ("x", "y"))
    assert LocalPipeline(plan).score_instance({"x": 1.0, "y": 2.0}) == {"x": 2.0, "y": 1.0}


@pytest.mark.parametrize("name", ["zero", "string", "moment", "infinity", "TypeError", "get"])
def test_columns_called_like_internals(store, name):
    step = dsl_step({name: "nVal('basis:q') * 2"}, q="double")
    plan = Plan((LOOKUP, step, VectorAssembler((name,), ("v",), "error")), (name, "v", "when"), {})
    scored = LocalPipeline(plan, store).score_instance({"r_id": "r1", "q": 1.0}, now=NOW)
    assert scored == {name: 2.0, "v": [2.0], "when": NOW - HOUR}


def test_a_join_key_called_like_an_internal(store):
    plan = Plan((LookupStep(ENTITY, GROUP, ("string",), {"a": "x"}),), ("a",))
    assert LocalPipeline(plan, store).score_instance({"string": "r1"}, now=NOW) == {"a": 1.5}


def test_equal_steps_are_computed_twice():
    step = dsl_step(
        {"x": "nVal('basis:x') + nVal('basis:y')", "y": "nVal('basis:y') - nVal('basis:x')"}, x="double", y="double"
    )
    plan = Plan((step, dsl_step(dict(step.lambdas), x="double", y="double")), ("x", "y"))
    assert LocalPipeline(plan).score_instance({"x": 1.0, "y": 10.0}) == {"x": 20.0, "y": -2.0}


def test_a_wider_integer_is_a_key_that_no_row_has():
    entity = Entity("e", keys={"k": "int"})
    group = FeatureGroup("g", entity="e", features=[Feature("x", "double")])
    narrow = MemoryStore({"e:g": (entity, group)}.__getitem__)
    plan = Plan((LookupStep(entity, group, ("k",), {"x": "x"}),), ("x",))
    assert LocalPipeline(plan, narrow).score_instance({"k": 1 << 40}) == {"x": None}
    assert narrow.read({"e:g": [1 << 40]})["e:g"] == [{"x": None}]


def test_a_group_defined_anew_is_read_anew():
    wider = FeatureGroup("g", entity="restaurant", features=[Feature("new", "string"), Feature("x", "double")])
    definitions = {"restaurant:g": (ENTITY, FeatureGroup("g", entity="restaurant", features=[Feature("x", "double")]))}
    live = MemoryStore(definitions.__getitem__)
    live.write("restaurant:g", [{"uuid": "r1", "x": 1.0}])
    local = LocalPipeline(Plan((LookupStep(*definitions["restaurant:g"], ("k",), {"x": "x"}),), ("x",)), live)
    assert local.score_instance({"k": "r1"}) == {"x": 1.0}
    definitions["restaurant:g"] = (ENTITY, wider)
    live.write("restaurant:g", [{"uuid": "r2", "x": 2.0, "new": "?"}])
    assert [local.score_instance({"k": key})["x"] for key in ("r1", "r2")] == [1.0, 2.0]


def test_a_plan_is_checked_when_it_is_loaded(tmp_path):
    with pytest.raises(DslError, match="unknown function"):
        LocalPipeline(Plan((LOOKUP, DslStep({"x": "nope(1)"}, {}, {})), ("x",)))


def test_what_is_no_store_or_no_moment_is_named(store):
    with pytest.raises(ArgumentError, match="store must be a snapshot"):
        LocalPipeline(PLAN).score_instance({}, store="/somewhere")
    with pytest.raises(DataError, match="now is a datetime, found int 7"):
        LocalPipeline(PLAN, store).score_instance({}, now=7)
    with pytest.raises(DataError, match="now: 'soon' is not a timestamp: write 2026-03-01"):
        LocalPipeline(PLAN, store).score_instance({}, now="soon")


def test_hostile_names_stay_data():
    column = 'x"]; __import__("os")\n#'
    plan = Plan((DslStep({column: "nVal('basis:a')"}, {"basis:a": asdict(Binding(column, "double"))}, {}),), (column,))
    assert LocalPipeline(plan).score_instance({column: 2.0}) == {column: 2.0}


# Rows of other libraries

FRAME_PLAN = Plan(
    (dsl_step({"n": "iVal('basis:n')", "s": "sVal('basis:s')", "x": "nVal('basis:x')", "t": "tVal('basis:t')"},
              n="bigint", s="string", x="double", t="timestamp"),),
    ("n", "s", "x", "t"),
)  # fmt: skip
COLUMNS = {"n": [1, None], "s": ["a", None], "x": [0.5, math.nan], "t": [NOW, None]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param({"n": 1}, "rows is a list of mappings.*found dict; score_instance", id="one-row"),
        pytest.param("rows", "rows is a list of mappings.*found str", id="text"),
        pytest.param(7, "rows is a list of mappings.*found int", id="number"),
        pytest.param([("n", 1)], "a row is a mapping of column to value, found tuple", id="tuples"),
        pytest.param([pa.table(COLUMNS)], "a row is a mapping of column to value, found Table", id="frames"),
        pytest.param(np.array([[1.0]]), "a row is a mapping of column to value, found ndarray", id="matrix"),
    ],
)
def test_what_are_no_rows(rows, message):
    with pytest.raises(DataError, match=message):
        LocalPipeline(FRAME_PLAN).score_instances(rows)


def test_a_time_beyond_all_years_costs_the_other_rows_nothing(store):
    late = NOW.replace(year=9999, tzinfo=dt.timezone(-dt.timedelta(hours=5)), month=12, day=31, hour=23)
    local = LocalPipeline(FRAME_PLAN)
    good, bad = local.score_instances(
        [{"n": 1, "s": "a", "x": 1, "t": NOW}, {"n": 1, "s": "a", "x": 1, "t": late}], errors="return"
    )
    assert good["t"] == NOW
    assert isinstance(bad, TypeError)
    assert "basis:t: expected timestamp" in str(bad)
    with pytest.raises(TypeError, match="column 'asked_at': expected timestamp"):
        LocalPipeline(TIMED, store).score_instance(order(asked_at=late), now=NOW)
    with pytest.raises(DataError, match="beyond the years"):
        local.score_instance({}, now=late)


# A row's own time

TIMED = Plan((replace(LOOKUP, timestamp="asked_at"), *PLAN.steps[1:]), PLAN.outputs, {"asked_at": "timestamp"})


# Bundles


def test_bundle_holds_the_plan(store, tmp_path):
    assembled = Plan(
        (*PLAN.steps, VectorAssembler(("a", "sum", "v"), ("features",), "keep")), (*PLAN.outputs, "features")
    )
    LocalPipeline(assembled).save(tmp_path / "bundle")
    loaded = LocalPipeline.load(tmp_path / "bundle", store)
    row = order(r_id="r1", city="ewr", num=7)
    assert loaded.score_instance(row, now=NOW) == LocalPipeline(assembled, store).score_instance(row, now=NOW)
    assert loaded.plan.to_json() == assembled.to_json()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda path: (path / "plan.json").write_text("{}"), "damaged", id="tampered"),
        pytest.param(lambda path: (path / "plan.json").unlink(), "bundle': there is no plan.json$", id="missing"),
        pytest.param(lambda path: (path / "bundle.json").write_text('{"format": 99}'), "format 99", id="newer"),
        pytest.param(lambda path: shutil.rmtree(path), "bundle': there is no such directory$", id="nowhere"),
        pytest.param(lambda path: (path / "bundle.json").write_text("[]"), "content that no release", id="other"),
    ],
)
def test_spoiled_bundle_is_refused(tmp_path, spoil, message):
    LocalPipeline(PLAN).save(tmp_path / "bundle")
    spoil(tmp_path / "bundle")
    with pytest.raises(DataError, match=message):
        LocalPipeline.load(tmp_path / "bundle")


def test_unknown_steps_and_stages_are_refused():
    with pytest.raises(DataError, match="newer release"):
        Plan.from_json({"steps": [{"step": "teleport"}], "outputs": [], "inputs": {}})
    with pytest.raises(DataError, match=r"os\.system"):
        Plan.from_json({"steps": [{"step": "stage", "kind": "os.system"}], "outputs": [], "inputs": {}})


def test_bundle_is_strict_json_and_keeps_infinite_constants(tmp_path):
    text = "nFill(nVal('basis:a'), mean(nVal('basis:a')))"
    bindings = {"basis:a": asdict(Binding("a", "double"))}
    step = DslStep({"x": text}, bindings, {"mean(nVal('basis:a'))": {"float": "inf"}})
    LocalPipeline(Plan((step,), ("x",))).save(tmp_path / "bundle")
    json.loads((tmp_path / "bundle" / "plan.json").read_text(), parse_constant=pytest.fail)
    assert LocalPipeline.load(tmp_path / "bundle").score_instance({"a": None}) == {"x": math.inf}


# VectorAssembler


@pytest.mark.parametrize("handle", ["error", "skip", "keep"])
@pytest.mark.parametrize("bad", [None, math.nan])
def test_assembler_meets_nulls(handle, bad):
    plan = Plan((VectorAssembler(("a", "b"), ("v",), handle),), ("v",), {"a": "double", "b": "bigint"})
    local = LocalPipeline(plan)
    assert local.score_instance({"a": -0.0, "b": 2})["v"] == [0.0, 2.0]
    assert math.copysign(1, local.score_instance({"a": -0.0, "b": 2})["v"][0]) == 1
    assert local.score_instance({"a": math.inf, "b": 2})["v"] == [math.inf, 2.0]
    if handle == "keep":
        assert math.isnan(local.score_instance({"a": bad, "b": 2})["v"][0])
    else:
        with pytest.raises(RowRejectedError if handle == "skip" else DataError, match="a is null or NaN"):
            local.score_instance({"a": bad, "b": 2})


def test_assembler_takes_infinities_of_both_signs():
    plan = Plan((VectorAssembler(("a", "b"), ("v",), "error"),), ("v",), {"a": "double", "b": "double"})
    assert LocalPipeline(plan).score_instance({"a": math.inf, "b": -math.inf})["v"] == [math.inf, -math.inf]


# Saved pipelines, whose types are not known


UNTYPED = Plan(
    (ImputerModel(("x",), ("y",), [9.0], math.nan), VectorAssembler(("y", "z"), ("v",), "error")), ("y", "v")
)


@pytest.mark.parametrize("value", ["abc", "1_0", "10", "NaN", " 1", {"a": 1}, ["1_0"], ["x", None], 10**400, b"1"])
@pytest.mark.parametrize("column", ["x", "z"])
def test_what_is_no_number_is_refused_where_stages_need_one(column, value):
    with pytest.raises(TypeError, match=f"column '{column}': expected a (number|vector)"):
        LocalPipeline(UNTYPED).score_instance({"x": 1, "z": 2} | {column: value})


@pytest.mark.parametrize("value", [3, True, np.int64(3), np.float32(0.5), decimal.Decimal("1.5"), -math.inf])
def test_numbers_of_any_kind_are_taken_where_types_are_not_known(value):
    scored = LocalPipeline(UNTYPED).score_instance({"x": value, "z": [value, 2]})
    assert scored["v"] == [float(value), float(value), 2.0]
    assert numeric_columns(UNTYPED) == {"x", "z"}


def test_types_of_requests_and_answers():
    assert request_columns(PLAN) == {"r_id": "string", "city": "string", "o": "string", "num": "bigint"}
    assert output_types(PLAN) == {
        "a": "double", "b": "int", "when": "timestamp", "wrote": "timestamp", "city": "string", "sum": "double",
        "v": "array<double>",
    }  # fmt: skip


def label_plan(handle, *others):
    """Return a plan that indexes a label and another column, and assembles what ``others`` names besides."""
    indexer = StringIndexerModel(("label", "s"), ("label_at", "s_at"), [["no", "yes"], ["u"]], handle)
    again = StringIndexerModel(("label_at",), ("again",), [["0.0", "1.0"]], handle)
    assembler = VectorAssembler(("s_at", "a", *others), ("v",), "keep")
    types_ = {"label": "string", "s": "string", "a": "double"}
    return Plan((indexer, again, assembler), ("label_at", "s_at", "again", "v"), types_)


@pytest.mark.parametrize("handle", ["error", "skip", "keep"])
def test_a_label_that_no_request_has_is_left_out(handle):
    """Spark's StringIndexerModel leaves out a column that is not there, as that of a label at serving, but no other."""
    score = LocalPipeline(label_plan(handle)).score_instance
    assert score({"a": 1.0, "s": "u"}) == {"label_at": None, "again": None, "s_at": 0.0, "v": [0.0, 1.0]}
    assert score({"a": 1.0, "s": "u", "label": "yes"}) == {
        "label_at": 1.0, "again": 1.0, "s_at": 0.0, "v": [0.0, 1.0]
    }  # fmt: skip
    with pytest.raises(MissingColumnError, match="lacks column 's'"):
        score({"a": 1.0})
    if handle == "keep":
        assert score({"a": 1.0, "s": "u", "label": None})["label_at"] == 2.0
        return
    for null in ({"label": None, "s": "u"}, {"s": None}):
        with pytest.raises(RowRejectedError if handle == "skip" else DataError, match="is null") as raised:
            score({"a": 1.0, **null})
        assert not isinstance(raised.value, MissingColumnError)


@pytest.mark.parametrize("read", ["label", "label_at", "again"])
def test_a_label_that_a_later_step_reads_is_not_left_out(read):
    score = LocalPipeline(label_plan("keep", read)).score_instance
    with pytest.raises(MissingColumnError, match="lacks column 'label'"):
        score({"a": 1.0, "s": "u"})
    if read != "label":
        assert score({"a": 1.0, "s": "u", "label": "yes"})["v"] == [0.0, 1.0, 1.0]


# Absent is not null, and what is not known


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"rid": "r1"}, r"lacks column 'r_id' \(did you mean 'rid'\?\); send null", id="join-key"),
        pytest.param({"CITY": "ewr"}, r"'city' \(did you mean 'CITY'\?\)", id="expression"),
        pytest.param({"nm": 7}, r"'num' \(did you mean 'nm'\?\)", id="second-level"),
        pytest.param({}, "lacks column '", id="nothing-near"),
    ],
)
@pytest.mark.parametrize(
    "score",
    [
        pytest.param(lambda local, row: local.score_instance(row, NOW), id="one"),
        pytest.param(lambda local, row: local.score_instances([order(), row], NOW), id="many"),
        pytest.param(lambda local, row: asyncio.run(local.score_instance_async(row, NOW)), id="async"),
        pytest.param(lambda local, row: asyncio.run(local.score_instances_async([row], NOW)), id="many-async"),
    ],
)
def test_a_row_that_lacks_a_column_is_refused(store, row, message, score):
    local = LocalPipeline(PLAN, store)
    missing = {"rid": "r_id", "CITY": "city", "nm": "num"}.get(next(iter(row), None), "o")
    row = {column: value for column, value in order(r_id="r1").items() if column != missing} | row
    with pytest.raises(MissingColumnError, match=message):
        score(local, row)
    good, bad = local.score_instances([order(), row], now=NOW, errors="return")
    assert isinstance(bad, MissingColumnError)
    assert good == local.score_instance(order(), now=NOW)


def test_all_that_a_row_lacks_is_named_but_not_without_end(store):
    with pytest.raises(MissingColumnError) as raised:
        LocalPipeline(PLAN, store).score_instance({"x" * 10_000: 1, 7: 2}, now=NOW)
    assert str(raised.value) == (
        "the row lacks columns 'r_id', 'city', 'o', 'num'; send null for a value that is not known"
    )
    plan = Plan((VectorAssembler(tuple(f"c{at}" for at in range(9)), ("v",), "keep"),), ("v",))
    with pytest.raises(MissingColumnError, match="'c4' and 4 more"):
        LocalPipeline(plan).score_instance({})


def test_unknown_columns_are_refused_where_that_was_chosen(store):
    plan = Plan(PLAN.steps, PLAN.outputs, {"order_id": "string"})
    strict = LocalPipeline(plan, store, strict=True)
    row = order(r_id="r1", order_id="o1")
    assert strict.score_instance(row, now=NOW) == LocalPipeline(plan, store).score_instance(row, now=NOW)
    with pytest.raises(UnknownColumnError, match=r"column 'nmu' \(did you mean 'num'\?\); leave it out"):
        strict.score_instance({**row, "nmu": 7}, now=NOW)
    _, bad = strict.score_instances([row, {**row, "z" * 999: 1}], now=NOW, errors="return")
    assert isinstance(bad, UnknownColumnError)
    assert len(str(bad)) < 200
