"""Plans on a store elsewhere: one round trip a level, budgets, failures, many rows at once, statuses.

The store here counts and fails on demand; tests/online run the real ones.
"""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from palette.errors import ArgumentError, DataError, StoreError, StoreTimeoutError
from palette.online import LmdbStore, MemoryStore, OnlineStore, Snapshot
from palette.serving import LocalPipeline
from palette.serving.executors import STORE_ERROR
from palette.serving.plan import DslStep, Plan
from tests.serving.test_plan import KNOWN, NOW, PLAN, order

HOUR = dt.timedelta(hours=1)
ROWS = [
    order(r_id="r1", city="ewr", num=7),
    order(r_id="r2", city="ewr", num=7),
    order(r_id="r9", num=7),
    order(),
    order(num=7),
]


class Elsewhere(OnlineStore):
    """A store behind ``fetch``, whose rows are a MemoryStore's."""

    def __init__(self):
        super().__init__(KNOWN.__getitem__)
        self.rows = MemoryStore(KNOWN.__getitem__)
        self.rows.write("restaurant:fg", [{"uuid": "r1", "ts": NOW - HOUR, "written": None, "x": 1.5, "n": 3}])
        self.rows.write("restaurant:fg", [{"uuid": "r2", "ts": NOW - 3 * HOUR, "x": 1.5, "n": 3}])
        self.rows.write("route:pairs", [{"origin": "EWR", "number": 7, "v": [1, 2]}])
        self.asked = []
        self.budgets = []
        self.failing = None

    def fetch(self, requests, budget=None):
        self.asked.append(list(requests))
        self.budgets.append(budget)
        if self.failing is not None and len(self.asked) in self.failing:
            raise StoreError("the store is down")
        if budget is not None and budget <= 0:
            raise StoreTimeoutError("no time left")
        return [self.rows.table(group).get(key) for group, key in requests]

    def put(self, group, packed, *, resolved=False):
        return self.rows.table(group).put(packed, resolved=resolved)

    def delete(self, group, keys, at=None):
        raise NotImplementedError


@pytest.fixture
def elsewhere():
    return Elsewhere()


@pytest.fixture
def expected(elsewhere):
    local = LocalPipeline(PLAN, elsewhere.rows)
    return [local.score_instance(row, now=NOW) for row in ROWS]


def test_scores_what_tables_in_memory_give(elsewhere, expected):
    pipeline = LocalPipeline(PLAN, elsewhere)
    assert [pipeline.score_instance(row, now=NOW) for row in ROWS] == expected
    assert pipeline.score_instances(ROWS, now=NOW) == expected

    async def one_by_one():
        return [await pipeline.score_instance_async(row, now=NOW) for row in ROWS]

    assert asyncio.run(one_by_one()) == expected
    assert asyncio.run(pipeline.score_instances_async(ROWS, now=NOW)) == expected
    assert expected[0]["v"] == [1.0, 2.0]
    assert expected[1]["a"] is None


def test_one_round_trip_a_level_however_many_rows(elsewhere):
    pipeline = LocalPipeline(PLAN, elsewhere)
    pipeline.score_instance(ROWS[0], now=NOW)
    assert elsewhere.asked == [[("restaurant:fg", "r1")], [("route:pairs", ("EWR", 7))]]
    elsewhere.asked.clear()
    pipeline.score_instances(ROWS * 10, now=NOW)
    assert len(elsewhere.asked) == 2
    assert all(len(set(asked)) == len(asked) for asked in elsewhere.asked), "what several rows want is fetched once"


def test_a_store_that_fails(elsewhere, expected):
    elsewhere.failing = {1}
    with pytest.raises(StoreError, match="down"):
        LocalPipeline(PLAN, elsewhere).score_instance(ROWS[0], now=NOW)
    elsewhere.asked.clear()
    degraded = LocalPipeline(PLAN, elsewhere, on_store_error="default").score_instance(ROWS[0], now=NOW)
    assert degraded.pop(STORE_ERROR) == "the store is down"
    assert degraded == {**expected[0], **dict.fromkeys(("a", "b", "when", "wrote", "sum"))}
    elsewhere.asked.clear()
    many = LocalPipeline(PLAN, elsewhere, on_store_error="default").score_instances(ROWS, now=NOW)
    assert all(STORE_ERROR in answer for answer in many)
    elsewhere.failing = None
    assert STORE_ERROR not in LocalPipeline(PLAN, elsewhere, on_store_error="default").score_instance(ROWS[0], now=NOW)


def test_the_budget_is_for_all_levels(elsewhere):
    LocalPipeline(PLAN, elsewhere, budget=5.0).score_instance(ROWS[0], now=NOW)
    first, second = elsewhere.budgets
    assert 0 < second < first <= 5.0
    with pytest.raises(StoreTimeoutError):
        LocalPipeline(PLAN, elsewhere, budget=1e-9).score_instance(ROWS[0], now=NOW)


@pytest.mark.parametrize("options", [{"budget": 0}, {"budget": float("nan")}, {"on_store_error": "ignore"}])
def test_options_are_checked(elsewhere, options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        LocalPipeline(PLAN, elsewhere, **options)


@pytest.mark.parametrize("where", ["elsewhere", "in memory"])
def test_a_bad_row_costs_the_others_nothing(elsewhere, expected, where):
    pipeline = LocalPipeline(PLAN, elsewhere if where == "elsewhere" else elsewhere.rows)
    rows = [ROWS[0], order(r_id="r1", city=5), ROWS[1]]
    with pytest.raises(TypeError, match="basis:city"):
        pipeline.score_instances(rows, now=NOW)
    good, bad, other = pipeline.score_instances(rows, now=NOW, errors="return")
    assert (good, other) == (expected[0], expected[1])
    assert isinstance(bad, TypeError)
    with pytest.raises(ArgumentError, match="'raise' or 'return'"):
        pipeline.score_instances(rows, errors="hide")


@pytest.mark.parametrize("row", [{"rid": "r1"}, {**ROWS[0], "x": 1}], ids=["absent", "unknown"])
def test_a_row_with_other_columns_asks_no_store(elsewhere, row):
    pipeline = LocalPipeline(PLAN, elsewhere, strict=True)
    with pytest.raises(DataError, match=r"the row (lacks|has unknown) column"):
        pipeline.score_instance(row, now=NOW)
    good, bad = pipeline.score_instances([ROWS[2], row], now=NOW, errors="return")
    assert good["city"] is None
    assert isinstance(bad, DataError)
    assert elsewhere.asked == [[("restaurant:fg", "r9")], [("route:pairs", (None, 7))]]


@pytest.mark.parametrize("where", ["elsewhere", "in memory"])
def test_statuses(elsewhere, where):
    pipeline = LocalPipeline(PLAN, elsewhere if where == "elsewhere" else elsewhere.rows, status=True)
    answers = pipeline.score_instances(ROWS, now=NOW)
    assert [answer["a__status"] for answer in answers] == ["present", "expired", "missing", "missing", "missing"]
    assert answers[0]["wrote__status"] == "null"
    assert answers[0]["v__status"] == "present"


def test_what_a_request_holds(elsewhere):
    assert LocalPipeline(PLAN, elsewhere).request_columns == {
        "r_id": "string",
        "city": "string",
        "o": "string",
        "num": "bigint",
    }


def test_a_plan_without_lookups_asks_no_store(elsewhere):
    step = DslStep({"y": "nVal('basis:x') * 2"}, {"basis:x": {"column": "x", "type": "double"}}, {})
    pipeline = LocalPipeline(Plan((step,), ("y",)), elsewhere)
    assert pipeline.score_instance({"x": 1.5}) == {"y": 3.0}
    assert asyncio.run(pipeline.score_instances_async([{"x": 1.5}, {"x": None}])) == [{"y": 3.0}, {"y": None}]
    assert not elsewhere.asked


def test_a_store_by_its_uri(elsewhere, expected, tmp_path):
    Snapshot([elsewhere.rows.table(group) for group in KNOWN], at=NOW).save(tmp_path / "snapshot", memory_map=True)
    LocalPipeline(PLAN).save(tmp_path / "bundle")
    pipeline = LocalPipeline.load(tmp_path / "bundle", store=tmp_path / "snapshot")
    assert pipeline.score_instances(ROWS, now=NOW) == expected
    store = LmdbStore(tmp_path / "lmdb", KNOWN.__getitem__)
    for group in KNOWN:
        store.put(group, elsewhere.rows.table(group), resolved=True)
    store.close()
    pipeline = LocalPipeline.load(tmp_path / "bundle", store=f"lmdb:{tmp_path / 'lmdb'}")
    assert pipeline.score_instances(ROWS, now=NOW) == expected
