"""A process that writes: ``python -m tests.online.writers STORE ADDRESS SEED``; the rows are the same for all seeds."""

from __future__ import annotations

import datetime as dt
import random
import sys

from palette.definitions import Entity, Feature, FeatureGroup
from palette.online import LmdbStore, RedisStore

T0 = dt.datetime(2026, 1, 1)
PLACE = Entity("place", keys={"id": "string"})
GROUP = FeatureGroup(
    "counts", PLACE, [Feature("x", "double"), Feature("n", "bigint")], timestamp="ts", created="made", ttl="30d"
)
KNOWN = {GROUP.full_name: (PLACE, GROUP)}
KEYS = 10


def rows():
    """Return rows with many ties: the greatest value at the last event wins."""
    return [
        {"id": f"k{key}", "ts": T0 + dt.timedelta(hours=event), "made": T0, "x": value / 2, "n": value}
        for key in range(KEYS)
        for event in range(5)
        for value in range(6)
    ]


WINNER = {"x": 2.5, "n": 5, "ts": T0 + dt.timedelta(hours=4), "made": T0}


def open_store(kind, address):
    """Return a store of a kind at an address."""
    return (RedisStore if kind == "redis" else LmdbStore)(address, KNOWN.__getitem__)


def main(kind, address, seed):
    """Write all rows in an order of one's own, and read what others wrote."""
    store, found = open_store(kind, address), rows()
    random.Random(int(seed)).shuffle(found)
    for start in range(0, len(found), 7):
        store.write(GROUP, found[start : start + 7])
        for read in store.read({GROUP.full_name: [f"k{key}" for key in range(KEYS)]}, T0)[GROUP.full_name]:
            assert read["x"] is None or read["x"] == read["n"] / 2, read


if __name__ == "__main__":
    main(*sys.argv[1:])
