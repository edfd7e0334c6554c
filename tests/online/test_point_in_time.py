"""The point-in-time rule online: the cases of other feature stores, and random small worlds against brute force."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.definitions import Entity, Feature, FeatureGroup
from palette.online import MemoryStore
from palette.times import to_micros
from tests.pit_cases import NAMES, load_case
from tests.pit_oracle import answer, canonical, visible, winner

T0 = dt.datetime(2026, 1, 1)


def written_until(entity, group, rows, at, mode):
    """Return a store into which the rows that count at a time were written, in the order in which they came."""
    store = MemoryStore({group.full_name: (entity, group)}.__getitem__)
    came = sorted(
        (row for row in rows if visible(row, group, at, mode)),
        key=lambda row: (row.get(group.created or "") or dt.datetime.min, row[group.timestamp]),
    )
    store.write(group.full_name, came)
    return store


@pytest.mark.parametrize("name", NAMES)
def test_case_of_another_store(name):
    case = load_case(name)
    for basis, expected in zip(case.basis, matching(case), strict=True):
        at = basis[case.timestamp]
        for view in case.views:
            store = written_until(view.entity, view.group, view.rows, at, case.point_in_time)
            key = {column: basis[column] for column in view.entity.keys}
            found = store.read({view.group.full_name: [key]}, now=at)[view.group.full_name][0]
            assert {column: found[feature] for column, feature in view.columns.items()} == {
                column: expected[column] for column in view.columns
            }


def matching(case):
    """Return the expected rows in the order of the basis."""
    waiting = list(case.expected)
    for basis in case.basis:
        found = next(row for row in waiting if all(row[column] == value for column, value in basis.items()))
        waiting.remove(found)
        yield found


ENTITY = Entity("thing", keys={"a": "string", "b": "bigint"})
GROUP = FeatureGroup(
    "fg",
    entity="thing",
    timestamp="ts",
    created="made",
    ttl=dt.timedelta(seconds=2),
    features=[Feature("x", "double"), Feature("s", "string"), Feature("v", "array<double>")],
)
NUMBERS = st.sampled_from([None, float("nan"), float("inf"), -1.0, 0.0, 2.5])
MOMENTS = st.integers(0, 4).map(lambda second: T0 + dt.timedelta(seconds=second))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.sampled_from(["", "1", "12"]),
            "b": st.sampled_from([23, 3]),
            "ts": MOMENTS,
            "made": st.none() | MOMENTS,
            "x": NUMBERS,
            "s": st.sampled_from([None, "", "a", "\U0001f600", "\uffff"]),
            "v": st.none() | st.lists(st.sampled_from([1.0, float("nan")]), max_size=2),
        }
    ),
    max_size=12,
)


@given(rows=ROWS, at=MOMENTS, later=st.integers(0, 3), mode=st.sampled_from(["event", "created"]))
def test_random_world(rows, at, later, mode):
    """Rows come in any order; reads happen at the moment of the newest or later, when ttl counts on."""
    store = MemoryStore({GROUP.full_name: (ENTITY, GROUP)}.__getitem__)
    store.write(GROUP.full_name, [row for row in rows if visible(row, GROUP, at, mode)])
    now = at + dt.timedelta(seconds=later)
    for key in [("", 23), ("1", 23), ("12", 3), ("1", 3), ("12", None)]:
        best = winner(rows, ENTITY, GROUP, key, at, mode)
        found = store.table(GROUP.full_name).read(key, to_micros(now), status=True)
        for feature in ("x", "s", "v", "ts", "made"):
            value, status = answer(best, GROUP, feature, now)
            assert (canonical(found[feature]), found[f"{feature}__status"]) == (canonical(value), status)
