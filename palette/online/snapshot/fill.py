"""Rows of a snapshot copied into an online store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.errors import SchemaError

if TYPE_CHECKING:
    from palette.online.snapshot.snapshot import Snapshot
    from palette.online.store import OnlineStore

__all__ = ["fill"]


def fill(store: OnlineStore, snapshot: Snapshot) -> int:
    """Put all rows of a snapshot into a store; newer rows there stay.

    Parameters
    ----------
    store : OnlineStore
        Knows the definitions of the snapshot's groups.
    snapshot : Snapshot
        Its rows are resolved: among rows of the same times they win.

    Returns
    -------
    int
        How many rows are now the newest of their key.

    Raises
    ------
    SchemaError
        If the store's definition of a group has other keys, times, or types.

    Examples
    --------
    >>> import datetime as dt
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> from palette.online import MemoryStore, Snapshot
    >>> menu = FeatureGroup("menu", entity="r", features=[Feature("dishes", "bigint")])
    >>> here, there = (MemoryStore({"r:menu": (Entity("r", keys={"id": "string"}), menu)}.__getitem__) for _ in "12")
    >>> here.write(menu, [{"id": "r1", "dishes": 40}])
    1
    >>> fill(there, Snapshot([here.table("r:menu")], at=dt.datetime(2026, 1, 1)))
    1
    """
    written = 0
    for name in snapshot.groups:
        table, layout = snapshot.table(name), store.layout(name)
        if table.schema != layout.schema:
            others = layout.stored.unrelated(table.stored)
            if others or layout.stored.reader_of(table.stored) is None:
                what = f"other types of {', '.join(others)}" if others else "other keys or event times"
                raise SchemaError(f"{name}: the snapshot and the store define {what}; take a new snapshot")
        written += store.put_packed(table, table, resolved=True)
    return written
