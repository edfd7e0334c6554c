"""Declared properties of a store: durability, identity, and how other processes open it."""

from __future__ import annotations

from palette.online.contract.fixtures import GROUPS, TIMED, MakeStore, expect, read_one, row

__all__ = ["CHECKS"]


def a_durable_store_has_an_identity(make_store: MakeStore) -> None:
    """It is made once and stays; a store that is lost with the process has none."""
    store = make_store(GROUPS.__getitem__)
    if not store.durable:
        expect(store.identity(make=True), None, "the identity of a store that is lost with the process")
        return
    expect(store.identity(), None, "the identity of an empty store")
    identity = store.identity(make=True)
    expect(type(identity), str, "the type of an identity")
    expect((store.identity(), store.identity(make=True)), (identity, identity), "the identity afterwards")
    expect(store.holds(TIMED.full_name), False, "whether an empty store holds a group")
    store.write(TIMED, [row(1, x=1.0)])
    expect(store.holds(TIMED.full_name), True, "whether a store holds a group that was written")


def an_opener_opens_the_same_store(make_store: MakeStore) -> None:
    """Rows that the other one writes are seen here, after what is cached was invalidated."""
    store = make_store(GROUPS.__getitem__)
    opener = store.opener()
    if opener is None:
        return
    store.write(TIMED, [row(1, x=1.0)])
    other = opener(GROUPS.__getitem__)
    expect(other.identity(make=True), store.identity(), "the identity of a store that was opened again")
    expect(read_one(other, TIMED)["x"], read_one(store, TIMED)["x"], "x of a store that was opened again")
    other.write(TIMED, [row(2, x=2.0)])
    other.close()
    store.invalidate()
    expect(read_one(store, TIMED)["x"], 2.0, "x that another process wrote")


CHECKS = (a_durable_store_has_an_identity, an_opener_opens_the_same_store)
