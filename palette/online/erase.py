"""Keys erased from online stores and saved snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from palette.errors import StoreError
from palette.online.layout import STATIC
from palette.online.snapshot.snapshot import Snapshot
from palette.online.store import OnlineStore
from palette.online.table import GroupTable
from palette.times import to_datetime

__all__ = ["erase_rows", "rows_in_snapshot"]

ROUNDS = 10


def erase_rows(store: OnlineStore, group: str, keys: Sequence[Any], at: int) -> int:
    """Delete keys up to a time in microseconds, or up to the key's own row where that is later; return how many rows.

    So a row is deleted also where the clock of its writer is ahead of ours.

    Raises
    ------
    StoreError
        If a writer puts new rows of these keys, each later than the one before, as fast as they are deleted.
    """
    erased = store.delete(group, keys, to_datetime(at))
    for _ in range(ROUNDS):
        rows = store.fetch([(group, key) for key in keys])
        ahead = [(key, row) for key, row in zip(keys, rows, strict=True) if row is not None]
        if not ahead:
            return erased
        for key, row in ahead:
            erased += store.delete(group, [key], to_datetime(row[1] if row[0] == STATIC else row[0]))
    raise StoreError(f"{group}: a writer puts rows of keys that are being erased: stop it, and erase them again")


def rows_in_snapshot(path: str | Path, group: str, keys: Iterable[Any], *, erase: bool) -> int:
    """Count the rows that a saved snapshot has of keys; with ``erase`` replace it by one without them.

    Parameters
    ----------
    path : str or Path
        The directory. It is replaced atomically; what can be mapped can be mapped afterwards.
    group : str
        ``entity:group``; the snapshot need not have it.
    keys : iterable
        Values, or tuples or mappings for composite keys.
    erase : bool
        Whether the rows are removed.

    Raises
    ------
    SnapshotError
        If there is no complete snapshot.
    """
    snapshot = Snapshot.load(path)
    if group not in snapshot.groups:
        return 0
    table = snapshot.table(group)
    assert isinstance(table, GroupTable), "it was loaded without memory_map"
    present = [key for key in table.lookup_keys(keys) if key in table.rows]
    if present and erase:
        for key in present:
            del table.rows[key]
        snapshot.save(path, memory_map=Snapshot.is_mapped(path))
    return len(present)
