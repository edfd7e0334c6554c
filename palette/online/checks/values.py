"""Keys and values of all types, and groups that are defined anew."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

from palette.definitions import Feature, FeatureGroup
from palette.online.checks.worlds import (
    GROUPS,
    HOUR,
    KEYED,
    NAMED,
    PLACE,
    T0,
    TIMED,
    TYPED,
    VALUES,
    WIDE,
    MakeStore,
    expect,
    one,
    row,
)
from palette.online.remote import RemoteReader

__all__ = ["CHECKS"]

TEXTS = [
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
    """No two keys are taken for one, however they are written."""
    store = make_store(GROUPS.__getitem__)
    routes, flags, numbers = KEYED
    day = dt.date(2026, 1, 1)
    wanted: dict[str, list[Any]] = {
        NAMED.full_name: TEXTS,
        numbers.full_name: [0, 1, -1, 12, 1 << 62, -(1 << 63)],
        routes.full_name: [
            *(("1", 23, day), ("12", 3, day), ("1", 2, day), ("", 123, day), ("1:1", 1, day), ("1", 11, day)),
            *(("", 0, dt.date(1, 1, 1)), ("ü:", -1, dt.date(9999, 12, 31)), ("i", 1, day)),
        ],
        flags.full_name: [(on, at) for on in (True, False) for at in (T0, dt.datetime(1, 1, 1), T0 + HOUR)],
    }
    for number, (name, keys) in enumerate(wanted.items()):
        table = store.table(name)
        rows = [(table.key(key), (1 << 62, None, number * 100.0 + at)) for at, key in enumerate(keys)]
        expect(store.put(name, rows), len(keys), f"taken of {len(keys)} different keys of {name}")
    found = store.read(wanted)
    for number, (name, keys) in enumerate(wanted.items()):
        values = [number * 100.0 + at for at in range(len(keys))]
        expect([each["x"] for each in found[name]], values, f"x of the keys {keys} of {name}")
    mapping = {"day": day, "number": 3, "origin": "12"}
    expect(one(store, routes, mapping)["x"], 201.0, "x of a key given as a mapping")
    for key in (("12", None, day), ("12", 3, dt.date(2026, 1, 2))):
        expect(one(store, routes, key)["x__status"], "missing", f"status of {key}")


def values_come_back_as_they_went(make_store: MakeStore) -> None:
    """All types, null, NaN, infinities, empty texts and arrays included."""
    store = make_store(GROUPS.__getitem__)
    most = max(map(len, VALUES.values()))
    rows: list[dict[str, Any]] = [{"id": "null"}]
    for number in range(most):
        values = {f"f{at}": values[number % len(values)] for at, values in enumerate(VALUES.values())}
        rows += [{"id": f"k{number}", **values}, {"id": f"h{number}", **dict(list(values.items())[number % 2 :: 2])}]
    store.write(TYPED, rows)
    table = store.table(TYPED.full_name)
    found = store.read({TYPED.full_name: [each["id"] for each in rows]})[TYPED.full_name]
    for each, back in zip(rows, found, strict=True):
        wanted = table.unpack(table.pack(each, 0)[1])
        expect(back, wanted, f"the row {each['id']}")
    expect(type(found[1]["f10"]), decimal.Decimal, "the type of a decimal")


def wide_rows_come_back(make_store: MakeStore) -> None:
    """More features than bits in a word."""
    store = make_store(GROUPS.__getitem__)
    full: dict[str, Any] = {f"f{at}": float(at) for at in range(len(WIDE.features))}
    half = {name: value for name, value in full.items() if int(value) % 3}
    store.write(WIDE, [{"id": "full", **full}, {"id": "half", **half}])
    found = store.read({WIDE.full_name: ["full", "half"]})[WIDE.full_name]
    expect(found, [full, dict.fromkeys(full) | half], "wide rows")


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
    found = {name: value for name, value in one(store, later).items() if not name.endswith("__status")}
    wanted = {"first": None, "x": 1.0, "n": 1, "last": None, "ts": T0 + HOUR, "made": T0}
    expect(found, wanted, "a row written before a feature was added")
    expect(store.write(later, [row(0.5, x=9.0)]), 0, "taken of a late row, over an older definition's")
    expect(store.write(later, [row(1, x=1.0, n=1)]), 0, "taken of the same values")
    expect(store.write(later, [row(1, x=1.0, n=1, last=0.0)]), 1, "taken of greater values")
    expect(store.write(later, [row(1, 9, x=9.0, key="i")]), 0, "taken after a deletion under the older definition")
    expect(store.delete(later, ["j"], T0 + HOUR), 1, "rows gone that an older definition wrote")
    expect(one(store, later)["last"], 0.0, "the added feature")


def rows_have_the_layout_of_the_table(make_store: MakeStore) -> None:
    """A definition that changed counts for rows when it counts for the table, with another generation."""
    known = {TIMED.full_name: (PLACE, TIMED)}
    store = make_store(known.__getitem__)
    if not isinstance(store, RemoteReader):
        return
    name, table = TIMED.full_name, store.table(TIMED.full_name)
    store.put(name, [table.pack(row(1, x=1.0, n=7, s="a"), 0)])
    generation = store.generation
    order = [*reversed(TIMED.features), Feature("first", "double")]
    changed = FeatureGroup("timed", PLACE, [order[-1], *order[:-1]], timestamp="ts", created="made", ttl="2h")
    known[name] = (PLACE, changed)
    (found,) = store.fetch([(name, "k")])
    if store.generation == generation:
        values = [] if found is None else [table.unpack(found)[column] for column in "xns"]
        expect(values, [1.0, 7, "a"], "a row while the table is the same")

    later = store.table(name)

    def values_now() -> list[Any]:
        (packed,) = store.fetch([(name, "k")])
        return [] if packed is None else [later.unpack(packed)[column] for column in ("first", "x", "n", "s")]

    expect(store.generation > generation, True, "whether a new table has a new generation")
    expect(values_now(), [None, 1.0, 7, "a"], "a row by the new table")
    store.put(name, [later.pack(row(2, x=2.0, n=8, s="b"), 0)])
    expect(values_now(), [None, 2.0, 8, "b"], "a row that the new table packed")


def other_types_and_times_begin_anew(make_store: MakeStore) -> None:
    """Of rows with another type, or other times, nothing is left; what is written then counts."""
    for number, changed in enumerate(
        (
            FeatureGroup("timed", PLACE, [Feature("x", "string")], timestamp="ts", created="made", ttl="2h"),
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
        expect(one(store, changed)["x__status"], "missing", f"status after change {number}")
        value = "text" if number == 0 else 2.0
        fresh: dict[str, Any] = {"x": value}
        if changed.timestamp is not None:
            fresh[changed.timestamp] = T0
        for key in ("k", "dead"):
            expect(store.write(changed, [{"id": key, **fresh}]), 1, f"taken of {key} after change {number}")
            expect(one(store, changed, key)["x"], value, f"x of {key} after change {number}")


CHECKS = (
    keys_are_typed_values,
    values_come_back_as_they_went,
    wide_rows_come_back,
    features_are_added_and_dropped,
    rows_have_the_layout_of_the_table,
    other_types_and_times_begin_anew,
)
