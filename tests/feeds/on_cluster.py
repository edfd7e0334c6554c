"""Run by tests/test_cluster.py: materialize to Redis where workers lack this library."""

from __future__ import annotations

import pytest

from palette.errors import DefinitionError
from tests.feeds.shops import DAY, GROUP, HOUR, JUNE, SQL, add, event, offline, online, store_of


def prove(spark, home, url, connect):
    """Return how many rows the runs of two days sent."""
    store = store_of(home, url)
    add(spark, home, [event(f"k{number}", JUNE + number * HOUR, number / 4) for number in range(48)])
    if connect:
        with pytest.raises(DefinitionError, match=r"not over Spark Connect, where Delta loses them"):
            store.materialize(GROUP, to=JUNE)
        store = store_of(home, url, sql=SQL.partition(" WHERE")[0])
    told = [store.materialize(GROUP, to=JUNE + day * DAY) for day in (1, 2)]
    assert told[1].since == told[0].version
    assert len(offline(spark, store)) == 48
    assert online(store, ["k0", "k47"]) == {"k0": (0.0, JUNE), "k47": (11.75, JUNE + 47 * HOUR)}
    return [one.rows_dispersed for one in told]
