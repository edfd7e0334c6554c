"""Keys erased from online stores: gone whatever the clock of who wrote them said."""

from __future__ import annotations

import datetime as dt

import pytest

from palette.errors import StoreError
from palette.online import MemoryStore
from palette.online.contract.fixtures import DATED, GROUPS, STATIC, TIMED, read_one, row
from palette.online.erase import erase_rows
from palette.times import resolve_now
from tests.online.test_contract import STORES

NOW = dt.datetime(2026, 1, 1, 12)
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    "make", [store for store in STORES if store.__name__ != "redis_tcp"], ids=lambda one: one.__name__
)
def test_a_row_ahead_of_the_clock_is_gone_and_stays_dead(make, request):
    store = make(request)(GROUPS.__getitem__)
    ahead = {"ts": NOW + 5 * MINUTE, "made": NOW, "x": 1.0}
    store.write(TIMED, [{"id": "a", **ahead}, {"id": "b", **ahead, "ts": NOW}, {"id": "other", **ahead}])
    store.write(DATED, [{"id": "a", "made": NOW + 5 * MINUTE, "seats": 4}])
    store.write(STATIC, [{"id": "a", "seats": 4}])
    at = resolve_now(NOW)
    gone = [erase_rows(store, group.full_name, ["a", "b", "nobody"], at) for group in (TIMED, DATED, STATIC)]
    assert gone == [2, 1, 1]
    for group, feature in ((TIMED, "x"), (DATED, "seats"), (STATIC, "seats")):
        assert read_one(store, group, "a", NOW)[f"{feature}__status"] == "missing"
    assert store.write(TIMED, [{"id": "a", **ahead}]) == store.write(DATED, [{"id": "a", "made": NOW + MINUTE}]) == 0
    assert store.write(TIMED, [{"id": "b", **ahead}]) == 1, "of another key only what was known by then is dead"
    assert read_one(store, TIMED, "other", NOW)["x"] == 1.0


def test_a_writer_that_does_not_stop_is_told():
    class Refilled(MemoryStore):
        def delete(self, group, keys, at=None):
            gone = super().delete(group, keys, at)
            self.write(group, [row(1, x=1.0) | {"ts": at + MINUTE}])
            return gone

    with pytest.raises(StoreError, match="place:timed: a writer puts rows of keys that are being erased"):
        erase_rows(Refilled(GROUPS.__getitem__), TIMED.full_name, ["k"], resolve_now(NOW))
