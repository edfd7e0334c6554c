"""Definitions that change while processes serve: each value under its own name, whatever changes beside it."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from palette.definitions import Entity, Feature, FeatureGroup
from palette.online import LmdbStore, MemoryStore, NearCache, RedisStore
from palette.online.remote import RemoteReader
from palette.service.stores import TimedReader
from palette.serving import LocalPipeline
from palette.serving.steps import LookupStep, Plan

NOW = dt.datetime(2026, 1, 1, 12)
SHOP = Entity("shop", keys={"id": "string"})
NAME = "shop:sales"
ROW = {"id": "a", "ts": NOW, "z": 99.0, "x": 8, "y": 3.5}
VALUES = {"z": 99.0, "x": 8, "y": 3.5}


def group(**features):
    return FeatureGroup("sales", "shop", [Feature(*one) for one in features.items()], timestamp="ts")


BEFORE = group(x="bigint", y="double")
LATER = {
    "added": group(z="double", x="bigint", y="double"),
    "between": group(x="bigint", z="double", y="double"),
    "reordered": group(y="double", x="bigint"),
}


class Own(RemoteReader):
    """A store of somebody else, which keeps columns by name."""

    def __init__(self, definitions, kept):
        super().__init__(definitions)
        self.kept = kept

    def fetch(self, requests, budget=None):
        return [self._packed(self.table(group), self.kept.get((group, key))) for group, key in requests]

    def _packed(self, table, row):
        return row and (row["event"], None, *(row.get(feature.name) for feature in table.group.features))

    def put(self, group, packed, *, settled=False):
        names = [feature.name for feature in self.table(group).group.features]
        for key, (event, _, *values) in packed:
            self.kept[group, key] = {"event": event, **dict(zip(names, values, strict=True))}
        return 1

    def delete(self, group, keys, at=None):
        raise NotImplementedError


def memory(request, tmp_path):
    made = []
    return lambda definitions: made[0] if made else made.append(MemoryStore(definitions)) or made[0]


def lmdb(request, tmp_path):
    return lambda definitions: LmdbStore(tmp_path, definitions, size=1 << 24)


def redis(request, tmp_path):
    url = request.getfixturevalue("redis_server").unix_url
    return lambda definitions: RedisStore(url, definitions, prefix=f"redefined{tmp_path.name}")


def cached(request, tmp_path):
    make = lmdb(request, tmp_path)
    return lambda definitions: NearCache(make(definitions), size=10, ttl=60.0)


def timed(request, tmp_path):
    make = cached(request, tmp_path)
    return lambda definitions: TimedReader(make(definitions), lambda *_: None)


def own(request, tmp_path):
    kept = {}
    return lambda definitions: Own(definitions, kept)


@pytest.fixture(params=[memory, lmdb, redis, cached, timed, own], ids=lambda one: one.__name__)
def make_store(request, tmp_path):
    return request.param(request, tmp_path)


def reading(group):
    names = [feature.name for feature in group.features]
    step = LookupStep(SHOP, group, ("k",), {f"f{name}": name for name in names})
    return Plan((step,), tuple(step.columns))


def expected(group):
    return {f"f{feature.name}": VALUES[feature.name] for feature in group.features}


def every_way(pipeline):
    """Return what all ways of scoring give."""
    from palette.service.stores import LEVEL

    row = {"k": "a"}

    async def awaited():
        LEVEL.set([0])
        return [await pipeline.score_instance_async(row, NOW), *await pipeline.score_instances_async([row], NOW)]

    return [pipeline.score_instance(row, NOW), *pipeline.score_instances([row], NOW), *asyncio.run(awaited())]


@pytest.mark.parametrize("later", LATER)
def test_a_group_is_applied_anew_while_a_process_serves(make_store, later):
    """Loaded before and first asked after; loaded after; asked before; and rows that another process writes."""
    later, known = LATER[later], {NAME: (SHOP, BEFORE)}
    store = make_store(known.__getitem__)
    silent = LocalPipeline(reading(BEFORE), store)
    known[NAME] = SHOP, later
    there = make_store({NAME: (SHOP, later)}.__getitem__)
    there.write(NAME, [{name: ROW[name] for name in ("id", "ts", *(one.name for one in later.features))}])
    assert every_way(silent) == [expected(BEFORE)] * 4
    new = LocalPipeline(reading(later), store)
    for pipeline, wanted in ((new, later), (silent, BEFORE), (new, later)):
        assert every_way(pipeline) == [expected(wanted)] * 4
    found = store.read({NAME: ["a"]}, NOW)[NAME]
    assert found == [{**{one.name: VALUES[one.name] for one in later.features}, "ts": NOW}]


@pytest.mark.parametrize("back", [False, True])
def test_a_definition_changes_in_the_middle_of_a_request(tmp_path, back):
    """Rows of one definition never meet the columns of another, whichever thread brings the change."""
    known = {NAME: (SHOP, BEFORE)}
    changes = []

    class Changing(LmdbStore):
        def fetch(self, requests, budget=None):
            found = [] if back else super().fetch(requests, budget)
            if changes:
                known[NAME] = SHOP, changes.pop()
                self.table(NAME)
            return super().fetch(requests, budget) if back else found

    store = Changing(tmp_path, known.__getitem__, size=1 << 24)
    pipeline = LocalPipeline(reading(BEFORE), store)
    store.write(NAME, [{name: ROW[name] for name in ("id", "ts", "x", "y")}])
    for ask in (
        lambda: pipeline.score_instance({"k": "a"}, NOW),
        lambda: pipeline.score_instances([{"k": "a"}], NOW)[0],
        lambda: asyncio.run(pipeline.score_instance_async({"k": "a"}, NOW)),
        lambda: asyncio.run(pipeline.score_instances_async([{"k": "a"}], NOW))[0],
    ):
        changes += [BEFORE, LATER["added"], LATER["reordered"]]
        assert ask() == expected(BEFORE)
        changes.clear()
    assert LocalPipeline(reading(BEFORE), f"lmdb:{tmp_path}").score_instance({"k": "a"}, NOW) == expected(BEFORE)
    cached = NearCache(store, size=10, ttl=60.0)
    changes += [LATER["added"]]
    assert cached.read({NAME: ["a"]}, NOW)[NAME][0] == {"z": None, "x": 8, "y": 3.5, "ts": NOW}
    changes += [LATER["reordered"]]
    cached.clear()
    assert asyncio.run(cached.read_async({NAME: ["a"]}, NOW))[NAME][0] == {"y": 3.5, "x": 8, "ts": NOW}
