"""Keys and values of all types, and groups whose definition changes."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
from typing import Any

from palette.definitions import Feature, FeatureGroup
from palette.errors import ArgumentError
from palette.online.contract.fixtures import (
    GROUPS,
    HOUR,
    KEYED,
    NAMED,
    OTHER,
    PLACE,
    T0,
    TIMED,
    TYPED,
    VALUES,
    WIDE,
    MakeStore,
    expect,
    read_one,
    row,
)

__all__ = ["CHECKS"]

STRINGS = [
    "",
    "1",
    "-1",
    "12",
    ":",
    "1:1",
    "a\x00",
    "a",
    "ü",
    "u\u0308",
    "{k}",
    " ",
    "k" * 3000,
    "k" * 3001,
    "\ud800",
    "*",
]


def keys_are_typed_values(make_store: MakeStore) -> None:
    """No two keys are confused, however they are written."""
    store = make_store(GROUPS.__getitem__)
    routes, flags, numbers = KEYED
    day = dt.date(2026, 1, 1)
    expected: dict[str, list[Any]] = {
        NAMED.full_name: STRINGS,
        numbers.full_name: [0, 1, -1, 12, 1 << 62, -(1 << 63)],
        routes.full_name: [
            *(("1", 23, day), ("12", 3, day), ("1", 2, day), ("", 123, day), ("1:1", 1, day), ("1", 11, day)),
            *(("", 0, dt.date(1, 1, 1)), ("ü:", -1, dt.date(9999, 12, 31)), ("i", 1, day)),
        ],
        flags.full_name: [(on, at) for on in (True, False) for at in (T0, dt.datetime(1, 1, 1), T0 + HOUR)],
    }
    for number, (name, keys) in enumerate(expected.items()):
        layout = store.layout(name)
        rows = [(layout.key(key), (1 << 62, None, number * 100.0 + at)) for at, key in enumerate(keys)]
        expect(store.put(name, rows), len(keys), f"written: {len(keys)} different keys of {name}")
    actual = store.read(expected)
    for number, (name, keys) in enumerate(expected.items()):
        values = [number * 100.0 + at for at in range(len(keys))]
        expect([each["x"] for each in actual[name]], values, f"x of the keys {keys} of {name}")
    mapping = {"day": day, "number": 3, "origin": "12"}
    expect(read_one(store, routes, mapping)["x"], 201.0, "x of a key given as a mapping")
    for key in (("12", None, day), ("12", 3, dt.date(2026, 1, 2))):
        expect(read_one(store, routes, key)["x__status"], "missing", f"status of {key}")


def one_key_is_no_list_of_keys(make_store: MakeStore) -> None:
    """A bare key, whose letters or columns would be read as keys, raises where keys are read and deleted."""
    store = make_store(GROUPS.__getitem__)
    for key in ("k", b"k", {"id": "k"}, 7):
        calls: list[Any] = [lambda key=key: store.read({NAMED.full_name: key})]
        calls.append(lambda key=key: store.delete(NAMED, key))
        calls.append(lambda key=key: asyncio.run(store.read_async({NAMED.full_name: key})))
        for call in calls:
            try:
                call()
            except ArgumentError as error:
                expect("keys is a list of keys" in str(error), True, f"whether {error} says what keys are")
            else:
                raise AssertionError(f"{key!r} is accepted as a list of keys")


def values_come_back_as_they_went(make_store: MakeStore) -> None:
    """All types, null, NaN, infinities, empty strings and arrays included."""
    store = make_store(GROUPS.__getitem__)
    most = max(map(len, VALUES.values()))
    rows: list[dict[str, Any]] = [{"id": "null"}]
    for number in range(most):
        values = {f"f{at}": values[number % len(values)] for at, values in enumerate(VALUES.values())}
        rows += [{"id": f"k{number}", **values}, {"id": f"h{number}", **dict(list(values.items())[number % 2 :: 2])}]
    store.write(TYPED, rows)
    layout = store.layout(TYPED.full_name)
    actual = store.read({TYPED.full_name: [each["id"] for each in rows]})[TYPED.full_name]
    for each, back in zip(rows, actual, strict=True):
        expected = layout.unpack(layout.pack(each, 0)[1])
        expect(back, expected, f"the row {each['id']}")
    expect(type(actual[1]["f10"]), decimal.Decimal, "the type of a decimal")


def wide_rows_come_back(make_store: MakeStore) -> None:
    """More features than bits in a word."""
    store = make_store(GROUPS.__getitem__)
    full: dict[str, Any] = {f"f{at}": float(at) for at in range(len(WIDE.features))}
    half = {name: value for name, value in full.items() if int(value) % 3}
    store.write(WIDE, [{"id": "full", **full}, {"id": "half", **half}])
    actual = store.read({WIDE.full_name: ["full", "half"]})[WIDE.full_name]
    expect(actual, [full, dict.fromkeys(full) | half], "wide rows")


def features_are_added_and_dropped(make_store: MakeStore) -> None:
    """Rows of an older definition keep what they have; what they lack is null; ties are compared so."""
    known = {TIMED.full_name: (PLACE, TIMED)}
    store = make_store(known.__getitem__)
    store.write(TIMED, [row(1, x=1.0, n=1, s="a"), row(1, x=1.0, key="j"), row(1, x=1.0, key="i")])
    store.delete(TIMED, ["i"], T0 + HOUR)
    added = (Feature("first", "string"), *TIMED.features[:2], Feature("last", "double"))
    later = FeatureGroup("timed", PLACE, added, timestamp="ts", created="made", ttl="2h")
    known[TIMED.full_name] = (PLACE, later)
    store.refresh()
    actual = {name: value for name, value in read_one(store, later).items() if not name.endswith("__status")}
    expected = {"first": None, "x": 1.0, "n": 1, "last": None, "ts": T0 + HOUR, "made": T0}
    expect(actual, expected, "a row written before a feature was added")
    expect(store.write(later, [row(0.5, x=9.0)]), 0, "written: a late row, over an older definition's")
    expect(store.write(later, [row(1, x=1.0, n=1)]), 0, "written: the same values")
    expect(store.write(later, [row(1, x=1.0, n=1, last=0.0)]), 1, "written: greater values")
    expect(
        store.write(later, [row(1, 9, x=9.0, key="i")]), 0, "rows written after a deletion under the older definition"
    )
    expect(store.delete(later, ["j"], T0 + HOUR), 1, "rows deleted that an older definition wrote")
    expect(read_one(store, later)["last"], 0.0, "the added feature")


def rows_have_the_layout_of_the_store(make_store: MakeStore) -> None:
    """A definition that changed counts for rows when it counts for the layout, with another generation."""
    known = {TIMED.full_name: (PLACE, TIMED)}
    store = make_store(known.__getitem__)
    name, layout = TIMED.full_name, store.layout(TIMED.full_name)
    store.put(name, [layout.pack(row(1, x=1.0, n=7, s="a"), 0)])
    generation = store.generation
    order = [*reversed(TIMED.features), Feature("first", "double")]
    changed = FeatureGroup("timed", PLACE, [order[-1], *order[:-1]], timestamp="ts", created="made", ttl="2h")
    known[name] = (PLACE, changed)
    (actual,) = store.fetch([(name, "k")])
    if store.generation == generation:
        values = [] if actual is None else [layout.unpack(actual)[column] for column in "xns"]
        expect(values, [1.0, 7, "a"], "a row while the layout is the same")

    later = store.layout(name)

    def values_now() -> list[Any]:
        (packed,) = store.fetch([(name, "k")])
        return [] if packed is None else [later.unpack(packed)[column] for column in ("first", "x", "n", "s")]

    expect(store.generation > generation, True, "whether a new layout has a new generation")
    expect(values_now(), [None, 1.0, 7, "a"], "a row by the new layout")
    store.put(name, [later.pack(row(2, x=2.0, n=8, s="b"), 0)])
    expect(values_now(), [None, 2.0, 8, "b"], "a row that the new layout packed")


def types_widen_and_created_appears(make_store: MakeStore) -> None:
    """Rows of narrower types are read as wider ones; a created time comes and goes; times and deletions count on."""
    known = {OTHER.full_name: (PLACE, OTHER)}
    store = make_store(known.__getitem__)
    store.write(OTHER, [{"id": key, "ts": T0 + HOUR, "x": 1.5, "m": 7} for key in ("k", "j", "dead")])
    store.delete(OTHER, ["dead"], T0 + 5 * HOUR)
    features = [Feature("new", "float"), Feature("m", "double"), Feature("x", "double")]
    wider = FeatureGroup("other", PLACE, features, timestamp="ts", created="made")
    known[OTHER.full_name] = (PLACE, wider)
    store.refresh()
    actual = {name: value for name, value in read_one(store, wider).items() if not name.endswith("__status")}
    expect(actual, {"new": None, "m": 7.0, "x": 1.5, "ts": T0 + HOUR, "made": None}, "a row of narrower types")
    for key, hours, written in (("k", 0.5, 0), ("dead", 4, 0), ("dead", 6, 1), ("j", 2, 1)):
        fresh = {"id": key, "ts": T0 + hours * HOUR, "made": T0, "m": 8.0}
        expect(store.write(wider, [fresh]), written, f"written: {key} at {hours} hours over narrower types")
    expect(store.write(wider, [{"id": "k", "ts": T0 + HOUR, "made": T0, "m": 8.0}]), 1, "written: a created time")
    known[OTHER.full_name] = (PLACE, OTHER)
    store.refresh()
    for key in ("k", "j", "dead"):
        expect(read_one(store, OTHER, key)["m"], 8, f"m of {key} by the narrower type again")
    expect(store.write(OTHER, [{"id": "j", "ts": T0 + HOUR, "m": 9}]), 0, "written: a late row over wider types")


def other_types_are_null(make_store: MakeStore) -> None:
    """A feature with an unrelated type is null in rows that have it with another; all else of them stays."""
    known = {OTHER.full_name: (PLACE, OTHER)}
    store = make_store(known.__getitem__)
    store.write(OTHER, [{"id": key, "ts": T0 + HOUR, "x": 1.5, "m": 7} for key in ("k", "dead")])
    store.delete(OTHER, ["dead"], T0 + HOUR)
    features = [Feature("x", "double"), Feature("m", "string")]
    changed = FeatureGroup("other", PLACE, features, timestamp="ts")
    known[OTHER.full_name] = (PLACE, changed)
    store.refresh()
    actual = read_one(store, changed)
    expect((actual["x"], actual["m"], actual["m__status"]), (1.5, None, "null"), "a row with another type")
    for key, hours, written in (("k", 0.5, 0), ("dead", 1, 0), ("k", 1, 1), ("dead", 2, 1)):
        fresh = {"id": key, "ts": T0 + hours * HOUR, "x": 1.5, "m": "text"}
        expect(store.write(changed, [fresh]), written, f"written: {key} at {hours} hours over another type")
    expect(read_one(store, changed)["m"], "text", "m")


def other_times_discard_the_rows(make_store: MakeStore) -> None:
    """Rows with another event time column are discarded; later writes are kept."""
    for number, changed in enumerate(
        (
            FeatureGroup("timed", PLACE, TIMED.features, timestamp="when", created="made", ttl="2h"),
            FeatureGroup("timed", PLACE, TIMED.features),
            FeatureGroup("timed", PLACE, TIMED.features, created="made"),
        )
    ):
        known = {TIMED.full_name: (PLACE, TIMED)}
        store = make_store(known.__getitem__)
        store.write(TIMED, [row(5, x=1.0), row(5, x=1.0, key="dead")])
        store.delete(TIMED, ["dead"], T0 + 9 * HOUR)
        known[TIMED.full_name] = (PLACE, changed)
        store.refresh()
        expect(read_one(store, changed)["x__status"], "missing", f"status after change {number}")
        fresh: dict[str, Any] = {"x": 2.0}
        if changed.timestamp is not None:
            fresh[changed.timestamp] = T0
        for key in ("k", "dead"):
            expect(store.write(changed, [{"id": key, **fresh}]), 1, f"written: {key} after change {number}")
            expect(read_one(store, changed, key)["x"], 2.0, f"x of {key} after change {number}")


def a_removed_group_is_unknown(make_store: MakeStore) -> None:
    """Reads of a removed group fail; once it is defined again, it is read again."""
    known = {group.full_name: (PLACE, group) for group in (TIMED, OTHER)}
    store = make_store(known.__getitem__)
    store.write(TIMED, [row(1, x=1.0)])
    store.write(OTHER, [{"id": "k", "ts": T0, "x": 5.0}])
    removed, generation = known.pop(TIMED.full_name), store.generation
    for _ in range(2):
        store.refresh()
        expect(read_one(store, OTHER)["x"], 5.0, "x of a group that stays")
    expect(store.generation > generation, True, "whether what was prepared on the group is prepared again")
    try:
        store.layout(TIMED.full_name)
    except KeyError:
        pass
    else:
        raise AssertionError("a removed group is known")
    known[TIMED.full_name] = removed
    store.refresh()
    store.write(TIMED, [row(2, x=2.0)])
    expect(read_one(store, TIMED)["x"], 2.0, "x of a group that came back")


CHECKS = (
    keys_are_typed_values,
    one_key_is_no_list_of_keys,
    values_come_back_as_they_went,
    wide_rows_come_back,
    features_are_added_and_dropped,
    rows_have_the_layout_of_the_store,
    types_widen_and_created_appears,
    other_types_are_null,
    other_times_discard_the_rows,
    a_removed_group_is_unknown,
)
