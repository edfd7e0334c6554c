"""Deletions, and what may be written after them."""

from __future__ import annotations

from palette.errors import StoreError
from palette.online.contract.fixtures import (
    DATED,
    GROUPS,
    HOUR,
    OTHER,
    STATIC,
    T0,
    TIMED,
    MakeStore,
    expect,
    read_one,
    row,
)

__all__ = ["CHECKS"]


def a_late_write_does_not_undo_a_deletion(make_store: MakeStore) -> None:
    """Up to the time of the deletion nothing comes back, whatever its created time; after it a row lives."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(1, x=1.0), row(1, x=1.0, key="j")])
    expect(store.delete(TIMED, ["k", "absent"], T0 + 2 * HOUR), 1, "rows deleted")
    expect(read_one(store, TIMED)["x__status"], "missing", "status of a deleted row")
    expect(read_one(store, TIMED, "j")["x"], 1.0, "x of another key")
    late = [row(1.5, 9, x=2.0), row(2, 9, x=2.0), row(2, 9, x=2.0, key="absent")]
    expect(store.write(TIMED, late), 0, "written: rows not after a deletion")
    expect(
        store.put(TIMED.full_name, [store.layout(TIMED.full_name).pack(late[1], 0)], resolved=True), 0, "resolved too"
    )
    expect(read_one(store, TIMED)["x__status"], "missing", "status after late writes")
    expect(store.write(TIMED, [row(2 + 1e-3, None, x=3.0)]), 1, "written: a row after a deletion")
    expect(read_one(store, TIMED)["x"], 3.0, "x after a deletion")


def only_what_was_known_is_deleted(make_store: MakeStore) -> None:
    """A row after the time of the deletion stays; the latest of several deletions counts."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(3, x=1.0)])
    store.write(OTHER, [{"id": "k", "ts": T0, "x": 5.0}])
    expect(store.delete(TIMED, ["k"], T0 + 2 * HOUR), 0, "rows deleted that are newer")
    expect(read_one(store, TIMED)["x"], 1.0, "x of a row after the deletion")
    for hours, count in ((5, 1), (4, 0), (5, 0)):
        expect(store.delete(TIMED, ["k"], T0 + hours * HOUR), count, f"rows deleted at {hours} hours")
    expect(store.write(TIMED, [row(4.5, x=2.0)]), 0, "rows written between two deletions")
    expect(store.write(TIMED, [row(6, x=2.0)]), 1, "rows written after both")
    expect(store.delete(TIMED, ["k"], T0 + 6 * HOUR), 1, "rows deleted at their very event time")
    expect(read_one(store, OTHER)["x"], 5.0, "x of another group of the same key")
    store.delete(TIMED, ["k"])
    expect(store.write(TIMED, [row(7, x=2.0)]), 0, "rows written after a deletion now")


def static_rows_are_deleted_by_created(make_store: MakeStore) -> None:
    """Without times a deletion just removes; with a created time a row created later lives."""
    store = make_store(GROUPS.__getitem__)
    store.write(STATIC, [{"id": "k", "seats": 5}])
    expect((store.delete(STATIC, ["k"], T0), store.delete(STATIC, ["k"], T0)), (1, 0), "static rows deleted")
    expect(read_one(store, STATIC)["seats__status"], "missing", "status of a deleted static row")
    expect(store.write(STATIC, [{"id": "k", "seats": 6}]), 1, "written: a static row after a deletion")
    store.write(DATED, [{"id": "k", "made": T0 + HOUR, "seats": 5}])
    expect(store.delete(DATED, ["k"], T0), 0, "rows deleted that were created later")
    expect(store.delete(DATED, ["k"], T0 + HOUR), 1, "rows deleted that were created then")
    for hours, written in ((None, 0), (1, 0), (2, 1)):
        made = None if hours is None else T0 + hours * HOUR
        expect(
            store.write(DATED, [{"id": "k", "made": made, "seats": 7}]),
            written,
            f"rows written, created after {hours} hours",
        )
    expect(read_one(store, DATED)["seats"], 7, "seats")


def what_was_rolled_back_is_replaced(make_store: MakeStore) -> None:
    """Newer rows and deletions of keys that are given go, and rows of keys that are not; other deletions stay."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(5, x=9.0, key=key) for key in ("bad", "gone", "same", "dead", "erased", "k" * 3000)])
    store.write(OTHER, [{"id": "gone", "ts": T0, "x": 5.0}])
    store.write(DATED, [{"id": "bad", "made": T0 + 5 * HOUR, "seats": 5}, {"id": "gone", "made": T0, "seats": 5}])
    store.write(STATIC, [{"id": "bad", "seats": 5}, {"id": "gone", "seats": 5}])
    store.delete(TIMED, ["dead", "erased"], T0 + 9 * HOUR)
    name, layout = TIMED.full_name, store.layout(TIMED.full_name)
    rows = [row(1, x=1.0, key="bad"), row(1, x=1.0, key="dead"), row(5, x=9.0, key="same"), row(1, x=1.0, key="new")]
    packed = [layout.pack(each, 0) for each in rows]
    if not store.can_replace:
        for call in (lambda: store.replace(name, packed), lambda: store.retain(name, [])):
            try:
                call()
            except StoreError:
                continue
            raise AssertionError("a store that cannot replace rows says that it did")
        return
    expect(store.replace(name, packed[:2]), 2, "keys replaced")
    expect(store.replace(name, packed[2:]), 2, "keys replaced, others too")
    expect(store.retain(name, [key for key, _ in packed]), 2, "rows deleted of other keys")
    actual = {
        key: read_one(store, TIMED, key)["x"] for key in ("bad", "dead", "same", "new", "gone", "erased", "k" * 3000)
    }
    expected = {"bad": 1.0, "dead": 1.0, "same": 9.0, "new": 1.0, "gone": None, "erased": None, "k" * 3000: None}
    expect(actual, expected, "x of all keys")
    late = [row(0.5, x=2.0, key=key) for key in ("bad", "gone", "erased")]
    expect(store.write(TIMED, late), 1, "written: keys that were replaced, removed, and deleted")
    expect(read_one(store, OTHER, "gone")["x"], 5.0, "x of another group of a key that is removed")
    for group, seats in ((DATED, 3), (STATIC, 4)):
        made = {"made": T0} if group is DATED else {}
        fresh = store.layout(group.full_name).pack({"id": "bad", "seats": seats, **made}, 0)
        expect(store.replace(group.full_name, [fresh]), 1, f"keys replaced of {group.name}")
        expect(store.retain(group.full_name, ["bad"]), 1, f"rows deleted of {group.name}")
        expect(
            [read_one(store, group, key)["seats"] for key in ("bad", "gone")], [seats, None], f"seats of {group.name}"
        )
    expect(store.retain(name, []), 5, "rows deleted, of all")


CHECKS = (
    a_late_write_does_not_undo_a_deletion,
    only_what_was_known_is_deleted,
    static_rows_are_deleted_by_created,
    what_was_rolled_back_is_replaced,
)
