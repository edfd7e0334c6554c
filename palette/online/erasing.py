"""Keys taken out of saved snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from palette.online.snapshot import Snapshot

__all__ = ["rows_in_snapshot"]


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
    found = [key for key in (table.key(key, asked=True) for key in keys) if key in table.rows]
    if found and erase:
        for key in found:
            del table.rows[key]
        snapshot.save(path, memory_map=Snapshot.is_mapped(path))
    return len(found)
