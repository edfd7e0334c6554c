"""Many writers, many rows, many requests at once."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

from palette.errors import StoreTimeoutError
from palette.online.contract.fixtures import GROUPS, HOUR, OTHER, STATIC, T0, TIMED, MakeStore, expect, read_one, row
from palette.online.local import LocalReader
from palette.online.memory import MemoryStore
from palette.online.snapshot.fill import fill
from palette.online.snapshot.snapshot import Snapshot

__all__ = ["CHECKS"]


def writers_at_once_agree(make_store: MakeStore) -> None:
    """Threads that write the same keys in any order leave the winners, ties included, and readers see complete rows."""
    store = make_store(GROUPS.__getitem__)
    chance = random.Random(7)  # noqa: S311  (no secret)
    rows = [
        {"id": f"k{key}", "ts": T0 + event * HOUR, "made": T0, "x": float(value), "n": value, "s": str(value)}
        for key in range(8)
        for event in range(4)
        for value in range(6)
    ]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        own = chance.sample(rows, len(rows))
        try:
            for start in range(0, len(own), 5 + number):
                store.write(TIMED, own[start : start + 5 + number])
                actual = store.read({TIMED.full_name: [own[start]["id"]]}, T0)[TIMED.full_name][0]
                expect((actual["n"], actual["s"]), (int(actual["x"]), str(int(actual["x"]))), "a row that was read")
        except BaseException as error:  # noqa: BLE001  (raised below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    actual = store.read({TIMED.full_name: [f"k{key}" for key in range(8)]}, T0)[TIMED.full_name]
    expect([(each["ts"], each["x"]) for each in actual], [(T0 + 3 * HOUR, 5.0)] * 8, "the winners")


def random_histories_agree_with_the_rule(make_store: MakeStore) -> None:
    """Writes, repeats and deletions in any order leave what the rule says, worked out by brute force."""
    chance = random.Random(11)  # noqa: S311  (no secret)
    for _ in range(5):
        store = make_store(GROUPS.__getitem__)
        rows = [
            (chance.randrange(5), event, chance.choice([None, 0, 1]), chance.choice([None, 1.0, 2.0]))
            for event in range(6)
            for _ in range(4)
        ]
        deleted = {key: chance.randrange(4) for key in range(2)}
        actions: list[Any] = [*rows, *rows[::3], *deleted.items()]
        chance.shuffle(actions)
        for action in actions:
            if len(action) == 2:
                store.delete(OTHER, [f"k{action[0]}"], T0 + action[1] * HOUR)
            else:
                key, event, m, x = action
                store.write(OTHER, [{"id": f"k{key}", "ts": T0 + event * HOUR, "x": x, "m": m}])
        for key in range(5):
            alive = [each for each in rows if each[0] == key and each[1] > deleted.get(key, -1)]
            best = max(
                alive, key=lambda each: (each[1], each[3] or 0.0, -1 if each[2] is None else each[2]), default=None
            )
            expected = (None, None, None) if best is None else (T0 + best[1] * HOUR, best[3], best[2])
            actual = read_one(store, OTHER, f"k{key}")
            expect(
                (actual["ts"], actual["x"], actual["m"]), expected, f"the winner of {[r for r in rows if r[0] == key]}"
            )


def batches_may_be_big(make_store: MakeStore) -> None:
    """Thousands of rows in a write, thousands of keys in a read, in the order of the requests."""
    store = make_store(GROUPS.__getitem__)
    count = 3000
    rows = [row(at % 7, x=float(at), key=f"k{at}", s="s" * (at % 50)) for at in range(count)]
    expect(store.write(TIMED, rows), count, "written: many rows")
    expect(store.write(TIMED, rows), 0, "written: the same rows")
    keys = [f"k{at}" for at in range(count + 100)]
    random.Random(1).shuffle(keys)  # noqa: S311  (no secret)
    actual = store.read({TIMED.full_name: keys}, T0)[TIMED.full_name]
    expected = [float(key[1:]) if int(key[1:]) < count else None for key in keys]
    expect([each["x"] for each in actual], expected, "x of many keys")


def snapshots_fill_it(make_store: MakeStore) -> None:
    """A snapshot's rows come in, resolved; newer ones stay."""
    here, there = MemoryStore(GROUPS.__getitem__), make_store(GROUPS.__getitem__)
    here.write(TIMED, [row(1, x=1.0), row(1, x=1.0, key="newer")])
    here.write(STATIC, [{"id": "k", "seats": 4}])
    there.write(TIMED, [row(1, x=9.0), row(2, x=9.0, key="newer")])
    snapshot = Snapshot([here.table(TIMED.full_name), here.table(STATIC.full_name)], T0 + 3 * HOUR)
    expect(fill(there, snapshot), 2, "written: a snapshot")
    actual = [read_one(there, TIMED)["x"], read_one(there, TIMED, "newer")["x"], read_one(there, STATIC)["seats"]]
    expect(actual, [1.0, 9.0, 4], "values of a filled store")


def fetch_gives_rows_in_order(make_store: MakeStore) -> None:
    """Many groups and keys at once, the same one twice, null keys; awaited as well; nothing without time."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(1, x=1.0), row(1, x=2.0, key="j")])
    store.write(STATIC, [{"id": "k", "seats": 4}])
    timed, static = TIMED.full_name, STATIC.full_name
    requests = [(timed, "j"), (static, "k"), (timed, None), (timed, "k"), (static, "j"), (timed, "j")]
    for actual in (
        store.fetch(requests),
        store.fetch(tuple(requests), 5.0),
        store.fetch(requests, budget=5.0),
        asyncio.run(store.fetch_async(requests)),
        asyncio.run(store.fetch_async(requests, budget=5.0)),
    ):
        expect(
            [each and each[2] for each in actual], [2.0, 4, None, 1.0, None, 2.0], "values of rows that were fetched"
        )
    expect(type(store.fetch([(static, "k")])[0]), tuple, "the type of a packed row")
    expect(store.fetch([]), [], "rows of no requests")
    awaited = asyncio.run(store.read_async({timed: ["j"], static: ["k"]}, T0, status=True))
    expect(awaited, store.read({timed: ["j"], static: ["k"]}, T0, status=True), "an awaited read")
    if isinstance(store, LocalReader):
        expect(store.table(timed).get("j"), store.fetch([(timed, "j")])[0], "a row of the table")
        return  # nothing takes time there
    store.close()  # a cache is empty, connections are opened again
    for call in (
        lambda: store.fetch(requests, budget=-1.0),
        lambda: asyncio.run(store.fetch_async(requests, budget=0.0)),
    ):
        try:
            call()
        except StoreTimeoutError:
            continue
        raise AssertionError("a fetch without time is answered")


CHECKS = (
    writers_at_once_agree,
    random_histories_agree_with_the_rule,
    batches_may_be_big,
    snapshots_fill_it,
    fetch_gives_rows_in_order,
)
