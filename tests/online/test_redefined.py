"""Definitions that change while processes serve: each value under its own name, whatever changes beside it."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import DataError, SchemaError, SnapshotError
from palette.online import LmdbStore, MemoryStore, NearCache, OnlineStore, RedisStore, Snapshot, fill
from palette.service.models.stores import LEVEL, TimedReader
from palette.service.settings import Settings
from palette.serving import LocalPipeline
from palette.serving.plan import LookupStep, Plan
from tests.service.asked import Asked

NOW = dt.datetime(2026, 1, 1, 12)
HOUR = dt.timedelta(hours=1)
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


class Own(OnlineStore):
    """A store of somebody else, which keeps columns by name."""

    def __init__(self, definitions, kept):
        super().__init__(definitions)
        self.kept = kept

    def fetch(self, requests, budget=None):
        return [self._packed(self.layout(group), self.kept.get((group, key))) for group, key in requests]

    def _packed(self, table, row):
        return row and (row["event"], None, *(row.get(feature.name) for feature in table.group.features))

    def put(self, group, packed, *, resolved=False):
        names = [feature.name for feature in self.layout(group).group.features]
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

    def opened(definitions):
        store = make(definitions)
        reader = TimedReader(store, lambda *_: None)
        reader.write = store.write  # rows come into the store behind, as another process writes them
        return reader

    return opened


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


FITTED = group(x="int", y="float", s="string")
WIDENED = FeatureGroup(
    "sales",
    "shop",
    [Feature("s", "string"), Feature("y", "double"), Feature("x", "bigint")],
    timestamp="ts",
    created="w",
)
# A value of the wider type, and what the model that was fitted on the narrower one is given.
FITS = {"id": "a", "ts": NOW, "x": 8, "y": 0.1, "s": "beside"}
SERVED = {"fx": 8, "fy": 0.10000000149011612, "fs": "beside"}
UNFIT = {"id": "b", "ts": NOW, "x": 1 << 40, "y": 0.5, "s": "beside"}


def serves_what_fits(pipeline, others):
    """Check a model that was fitted before its features were widened, and those that read others beside them."""
    assert pipeline.score_instance({"k": "a"}, NOW) == SERVED
    fits, error = pipeline.score_instances([{"k": "a"}, {"k": "b"}], NOW, errors="return")
    assert (fits, type(error)) == (SERVED, DataError)
    assert "shop:sales: 'x' is 1099511627776, a bigint that does not fit into int" in str(error)

    async def awaited():
        LEVEL.set([0])
        return await pipeline.score_instance_async({"k": "b"}, NOW)

    with pytest.raises(DataError, match="'x' is"):
        asyncio.run(awaited())
    assert others.score_instance({"k": "b"}, NOW) == {"fy": 0.5, "fs": "beside"}


def test_models_keep_the_types_they_were_fitted_on(make_store):
    known = {NAME: (SHOP, FITTED)}
    store = make_store(known.__getitem__)
    plans = reading(FITTED), Plan((LookupStep(SHOP, FITTED, ("k",), {"fy": "y", "fs": "s"}),), ("fy", "fs"))
    before = [LocalPipeline(plan, store) for plan in plans]
    store.write(NAME, [{**FITS, "id": "old"}])
    known[NAME] = SHOP, WIDENED
    make_store({NAME: (SHOP, WIDENED)}.__getitem__).write(NAME, [FITS, UNFIT])
    if not isinstance(store, Own):
        serves_what_fits(*before)
    store.refresh()
    serves_what_fits(*before)
    serves_what_fits(*(LocalPipeline(plan, store) for plan in plans))
    new = LocalPipeline(reading(WIDENED), store)
    rows = new.score_instances([{"k": "old"}, {"k": "a"}, {"k": "b"}], NOW)
    assert [row["fx"] for row in rows] == [8, 8, 1 << 40]
    assert [row["fy"] for row in rows] == [0.10000000149011612, 0.1, 0.5]


def test_a_model_keeps_the_ttl_that_it_was_fitted_with(make_store):
    """Whatever the group has by now; what is read without a model follows the group."""

    def lasting(ttl):
        return FeatureGroup("sales", "shop", BEFORE.features, timestamp="ts", ttl=ttl)

    known = {NAME: (SHOP, lasting("2h"))}
    store = make_store(known.__getitem__)
    store.write(NAME, [{"id": "a", "ts": NOW - 3 * HOUR, "x": 8, "y": 3.5}])
    plans = {ttl: reading(lasting(ttl)) for ttl in ("2h", "4h", None)}
    for now in ("2h", "4h", None, "1h", "2h"):
        known[NAME] = SHOP, lasting(now)
        store.refresh()
        for fitted, plan in plans.items():
            assert (
                every_way(LocalPipeline(plan, store, status=True))
                == [
                    {"fx": None, "fy": None, "fx__status": "expired", "fy__status": "expired"}
                    if fitted == "2h"
                    else {"fx": 8, "fy": 3.5, "fx__status": "present", "fy__status": "present"}
                ]
                * 4
            )
        (found,) = store.read({NAME: ["a"]}, NOW, status=True)[NAME]
        assert found["x__status"] == ("present" if now in ("4h", None) else "expired")


@pytest.mark.parametrize("memory_map", [False, True])
def test_snapshots_of_before_and_after_a_type_was_widened(tmp_path, memory_map):
    plans = reading(FITTED), Plan((LookupStep(SHOP, FITTED, ("k",), {"fy": "y", "fs": "s"}),), ("fy", "fs"))
    snapshots = []
    for number, (definition, rows) in enumerate([(WIDENED, [FITS, UNFIT]), (FITTED, [FITS])]):
        store = MemoryStore({NAME: (SHOP, definition)}.__getitem__)
        store.write(NAME, rows)
        Snapshot([store.table(NAME)], NOW).save(tmp_path / str(number), memory_map=memory_map)
        snapshots.append(Snapshot.load(tmp_path / str(number), memory_map=memory_map))
    serves_what_fits(*(LocalPipeline(plan, snapshots[0]) for plan in plans))
    assert LocalPipeline(reading(WIDENED), snapshots[1]).score_instance({"k": "a"}, NOW) == SERVED
    if not memory_map:
        assert fill(MemoryStore({NAME: (SHOP, WIDENED)}.__getitem__), snapshots[1]) == 1
    unrelated = {NAME: (SHOP, group(x="string", y="double"))}
    with pytest.raises(SchemaError, match="other types of x; take a new snapshot"):
        fill(MemoryStore(unrelated.__getitem__), snapshots[1])
    with pytest.raises(SnapshotError, match=r"'x' \(string\), the store has it as int"):
        LocalPipeline(reading(unrelated[NAME][1]), snapshots[1])


def test_the_service_tells_features_by_the_ttl_of_the_model(tmp_path):
    """Of a snapshot that was taken under another one."""
    ttls = {"model": "2h", "snapshot": "4h"}
    groups = {
        name: FeatureGroup("sales", "shop", BEFORE.features, timestamp="ts", ttl=ttl) for name, ttl in ttls.items()
    }
    LocalPipeline(reading(groups["model"])).save(tmp_path / "model")
    store = MemoryStore({NAME: (SHOP, groups["snapshot"])}.__getitem__)
    store.write(NAME, [{"id": "a", "ts": NOW - 3 * HOUR, "x": 8, "y": 3.5}])
    Snapshot([store.table(NAME)], NOW).save(tmp_path / "snapshot")
    service = Asked(Settings((("m", str(tmp_path / "model")),), store=str(tmp_path / "snapshot")))
    body = {"row": {"k": "a"}, "now": NOW.isoformat()}
    assert service.post("/v1/models/m/score", body).json()["result"] == {"fx": None, "fy": None}
    told = service.post("/v1/models/m/features", body).json()["result"]["fx"]
    assert (told["value"], told["status"], told["age_seconds"]) == (None, "expired", 3 * 3600)


def test_the_service_goes_on_after_a_type_was_widened(tmp_path):
    """As it runs, and after a restart; a model that does not read what was widened as well."""
    home, uri = tmp_path / "store", f"lmdb:{tmp_path / 'store'}"
    before = LmdbStore(home, {NAME: (SHOP, FITTED)}.__getitem__, size=1 << 24)
    before.write(NAME, [FITS])
    plans = {"x": reading(FITTED), "y": Plan((LookupStep(SHOP, FITTED, ("k",), {"fy": "y", "fs": "s"}),), ("fy", "fs"))}
    for name, plan in plans.items():
        LocalPipeline(plan).save(tmp_path / name)
    settings = Settings(tuple((name, str(tmp_path / name)) for name in plans), store=uri)
    running = Asked(settings)
    now = NOW.isoformat()

    def served(service, key):
        body = {"row": {"k": key}, "now": now}
        answers = [service.post(f"/v1/models/{name}/score", body) for name in plans]
        return [(answer.status_code, answer.json().get("result", answer.json().get("error"))) for answer in answers]

    wanted = [(200, SERVED), (200, {"fy": SERVED["fy"], "fs": "beside"})]
    assert served(running, "a") == wanted
    LmdbStore(home, {NAME: (SHOP, WIDENED)}.__getitem__, size=1 << 24).write(NAME, [{**FITS, "w": NOW}, UNFIT])
    for service in (running, Asked(settings)):
        assert served(service, "a") == wanted
        (status, error), other = served(service, "b")
        assert (status, error[:40], other) == (
            422,
            "shop:sales: 'x' is 1099511627776, a bigi",
            (200, {"fy": 0.5, "fs": "beside"}),
        )
        bodies = [
            service.post(f"/v1/models/{name}/features", {"rows": [{"k": "b"}, {"k": "a"}], "now": now})
            for name in plans
        ]
        (bad, good), (other, _) = (body.json()["results"] for body in bodies)
        assert ("does not fit" in bad["error"], good["fx"]["value"], other["fy"]["value"]) == (True, 8, 0.5)


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
                self.layout(NAME)
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
    cached.invalidate()
    assert asyncio.run(cached.read_async({NAME: ["a"]}, NOW))[NAME][0] == {"y": 3.5, "x": 8, "ts": NOW}
