"""Keys taken out of online stores and saved snapshots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.errors import StoreError
from palette.online.delegating import DelegatingReader
from palette.online.memory import MemoryStore
from palette.online.remote import RemoteReader, Row
from palette.online.snapshot.snapshot import Snapshot
from palette.online.table import STATIC
from palette.times import to_datetime

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["defined", "erase_rows", "rows_in_snapshot"]

Store = MemoryStore | RemoteReader
ROUNDS = 10


def erase_rows(store: Store, group: str, keys: Sequence[Any], at: int) -> int:
    """Delete keys up to a time in microseconds, or up to the key's own row where that is later; count rows gone.

    So a row is gone also where the clock of who wrote it is ahead of ours.

    Raises
    ------
    StoreError
        If a writer puts new rows of these keys, each later than the one before, as fast as they are deleted.
    """
    gone = store.delete(group, keys, to_datetime(at))
    for _ in range(ROUNDS):
        ahead = [(key, row) for key, row in zip(keys, _rows(store, group, keys), strict=True) if row is not None]
        if not ahead:
            return gone
        for key, row in ahead:
            gone += store.delete(group, [key], to_datetime(row[1] if row[0] == STATIC else row[0]))
    raise StoreError(f"{group}: a writer puts rows of keys that are being erased: stop it, and erase them again")


def _rows(store: Store, group: str, keys: Sequence[Any]) -> list[Row | None]:
    if isinstance(store, RemoteReader):
        return store.fetch([(group, key) for key in keys])
    return [*map(store.table(group).rows.get, keys)]


@contextlib.contextmanager
def defined(store: Store, entity: Entity, group: FeatureGroup) -> Iterator[None]:
    """Let a store know a group in a block, also if it was removed from the store's definitions."""
    while isinstance(store, DelegatingReader):
        store = store.behind
    before, name = store._definitions, group.full_name
    store._definitions = lambda asked: (entity, group) if asked == name else before(asked)
    try:
        yield
    finally:
        store._definitions = before
        store.refresh()


def rows_in_snapshot(path: str | Path, group: str, keys: Iterable[Any], *, erase: bool) -> int:
    """Count the rows that a saved snapshot has of keys; with ``erase`` replace it by one without them.

    Parameters
    ----------
    path : str or Path
        The directory. It is replaced whole; what can be mapped can be mapped afterwards.
    group : str
        ``entity:group``; the snapshot need not have it.
    keys : iterable
        Values, or tuples or mappings for composite keys.
    erase : bool
        Whether the rows go.

    Raises
    ------
    SnapshotError
        If there is no whole snapshot.
    """
    snapshot = Snapshot.load(path)
    if group not in snapshot.groups:
        return 0
    table = snapshot.table(group)
    found = [key for key in table.asked(keys) if key in table.rows]
    if found and erase:
        for key in found:
            del table.rows[key]
        snapshot.save(path, memory_map=Snapshot.is_mapped(path))
    return len(found)
