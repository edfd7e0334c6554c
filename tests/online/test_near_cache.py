"""The near cache: what it asks for, what it forgets, and when."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pytest

from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, StoreError
from palette.online import MemoryStore, NearCache, OnlineStore

T0 = dt.datetime(2026, 1, 1)
PLACE = Entity("place", keys={"id": "string"})
GROUP = FeatureGroup("fg", PLACE, [Feature("x", "double")], timestamp="ts")
NAME = GROUP.full_name


class Elsewhere(OnlineStore):
    """A store in memory that notes what it is asked for."""

    def __init__(self):
        self.known = {NAME: (PLACE, GROUP)}
        super().__init__(self.known.__getitem__)
        self.memory = MemoryStore(self.known.__getitem__)
        self.asked = []
        self.before_answer = lambda: None
        self.fails = False

    def fetch(self, requests, budget=None):
        self.asked.append([key for _, key in requests])
        if self.fails:
            raise StoreError("down")
        found = [self.memory.table(group).get(key) for group, key in requests]
        self.before_answer()
        return found

    def put(self, group, packed, *, resolved=False):
        taken = self.memory.put(group, packed, resolved=resolved)
        if self.fails:
            raise StoreError("down")
        return taken

    def delete(self, group, keys, at=None):
        return self.memory.delete(group, keys, at)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def store():
    return Elsewhere()


@pytest.fixture
def clock():
    return Clock()


def cache_of(store, clock, size=10, ttl=5.0, **options):
    return NearCache(store, size, ttl, clock=clock, **options)


def write(store, key, x, event=0):
    store.write(GROUP, [{"id": key, "ts": T0 + dt.timedelta(hours=event), "x": x}])


def xs(cache, *keys):
    return [row and row[2] for row in cache.fetch([(NAME, key) for key in keys])]


def test_only_what_is_not_held_is_asked_for_and_each_once(store, clock):
    cache = cache_of(store, clock)
    write(store, "a", 1.0)
    assert xs(cache, "a", "b", "a", None) == [1.0, None, 1.0, None]
    assert xs(cache, "a", "c", "b") == [1.0, None, None]
    assert xs(cache) == []
    assert store.asked == [["a", "b"], ["c"]]
    assert cache.counts == (2, 4, 3)


def test_rows_go_when_their_time_is_over(store, clock):
    cache = cache_of(store, clock, negative_ttl=1.0)
    write(store, "a", 1.0)
    xs(cache, "a", "none")
    write(store, "a", 2.0, event=1)
    write(store, "none", 3.0)
    clock.now = 0.9
    assert xs(cache, "a", "none") == [1.0, None]
    clock.now = 1.0
    assert xs(cache, "a", "none") == [1.0, 3.0]
    clock.now = 5.0
    assert xs(cache, "a", "none") == [2.0, 3.0]
    assert store.asked == [["a", "none"], ["none"], ["a"]]


def test_negative_entries_can_be_left_out(store, clock):
    cache = cache_of(store, clock, negative_ttl=0)
    xs(cache, "none")
    xs(cache, "none")
    assert store.asked == [["none"], ["none"]]
    assert cache.counts.size == 0


def test_the_row_not_asked_for_the_longest_goes_first(store, clock):
    cache = cache_of(store, clock, size=2)
    for keys in (["a"], ["b"], ["a"], ["c"]):
        xs(cache, *keys)
    store.asked.clear()
    xs(cache, "a", "c")
    assert store.asked == []
    xs(cache, "b")
    assert store.asked == [["b"]]
    assert cache.counts.size == 2


def test_what_is_written_or_deleted_through_it_is_seen_at_once(store, clock):
    cache = cache_of(store, clock)
    assert xs(cache, "a") == [None]
    write(cache, "a", 1.0)
    assert xs(cache, "a") == [1.0]
    write(cache, "a", 2.0, event=1)
    assert xs(cache, "a") == [2.0]
    cache.delete(GROUP, ["a"], T0 + dt.timedelta(hours=2))
    assert xs(cache, "a") == [None]


def test_a_write_that_fails_forgets_too(store, clock):
    cache = cache_of(store, clock)
    xs(cache, "a")
    store.fails = True
    with pytest.raises(StoreError, match="down"):
        write(cache, "a", 1.0)
    store.fails = False
    assert xs(cache, "a") == [1.0]


@pytest.mark.parametrize("awaited", [False, True], ids=["fetch", "fetch_async"])
def test_what_is_written_while_a_fetch_is_under_way_is_not_forgotten(store, clock, awaited):
    cache = cache_of(store, clock)
    write(store, "a", 1.0)
    write(store, "b", 1.0)

    def written_meanwhile():
        store.before_answer = lambda: None
        thread = threading.Thread(target=write, args=(cache, "a", 2.0, 1))
        thread.start()
        thread.join()

    store.before_answer = written_meanwhile
    requests = [(NAME, "a"), (NAME, "b")]
    found = asyncio.run(cache.fetch_async(requests)) if awaited else cache.fetch(requests)
    assert [row[2] for row in found] == [1.0, 1.0]
    assert xs(cache, "a", "b") == [2.0, 1.0]
    assert store.asked[1:] == [["a"]]


def test_a_failure_is_passed_on_and_not_kept(store, clock):
    cache = cache_of(store, clock)
    store.fails = True
    with pytest.raises(StoreError, match="down"):
        xs(cache, "a")
    with pytest.raises(StoreError, match="down"):
        asyncio.run(cache.fetch_async([(NAME, "a")]))
    store.fails = False
    assert xs(cache, "a") == [None]


def test_rows_of_a_former_definition_are_dropped(store, clock):
    cache = cache_of(store, clock)
    write(store, "a", 1.0)
    before = cache.layout(NAME), cache.generation
    xs(cache, "a")
    later = FeatureGroup("fg", PLACE, [Feature("y", "double"), Feature("x", "double")], timestamp="ts")
    store.known[NAME] = (PLACE, later)
    cache.refresh()
    assert cache.fetch([(NAME, "a")])[0][2:] == (None, 1.0)
    assert cache.layout(NAME) is not before[0]
    assert cache.generation > before[1]


def test_threads_share_it(store, clock):
    cache = cache_of(store, clock, size=5)
    for key in range(20):
        write(store, str(key), float(key))
    wrong = []

    def work(number):
        for turn in range(300):
            keys = [str((number * 7 + turn * step) % 20) for step in (1, 3)]
            if xs(cache, *keys) != [float(key) for key in keys]:
                wrong.append(keys)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.counts.hits + cache.counts.misses == 2400
    assert cache.counts.size <= 5


@pytest.mark.parametrize(("size", "ttl"), [(0, 1.0), (1, 0.0)])
def test_a_cache_of_nothing_is_refused(store, size, ttl):
    with pytest.raises(ArgumentError, match="positive size and ttl"):
        NearCache(store, size, ttl)
