"""The newest row of every key of one feature group, in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from palette.online.layout import STATIC, Row
from palette.online.local import LocalTable
from palette.online.order import newer, not_older, outlives

if TYPE_CHECKING:
    from palette.definitions import GroupSchema

__all__ = ["GroupTable"]


class GroupTable(LocalTable):
    """Packed rows of one feature group, one a key.

    Parameters
    ----------
    schema : GroupSchema
        The definition of the group; see :class:`palette.online.RowLayout`.

    Attributes
    ----------
    rows : dict
        Key to packed row.
    """

    def __init__(self, schema: GroupSchema) -> None:
        super().__init__(schema)
        self.rows: dict[Any, Row] = {}
        # Key to the event and created time up to which it was deleted.
        self._deletions: dict[Any, tuple[int, int | None]] = {}
        self._lock = threading.Lock()

    @property
    def get(self) -> Callable[[Any], Row | None]:
        """The method ``get`` of the dictionary of rows."""
        return self.rows.get

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        return iter(list(self.rows.items()))

    def put(self, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows, never an older one over a newer one; return how many are now the newest of their key.

        Of rows with the same times the greater values win; if the rows are ``resolved``, they win: the point-in-time
        rule picked them out of all that was written. Static rows without created time replace each other in the order
        of their writing.
        """
        written = 0
        with self._lock:
            rows = self.rows
            for key, row in packed:
                if self._deletions and not self._revives(key, row):
                    continue
                old = rows.get(key)
                if old is None or (not_older(row, old) if resolved else newer(row, old)):
                    rows[key] = row
                    written += 1
        return written

    def replace(self, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows over newer rows and deletions of their keys; return the number of keys."""
        rows = dict(packed)
        with self._lock:
            self.rows |= rows
            for key in rows:
                self._deletions.pop(key, None)
        return len(rows)

    def retain(self, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys without recording a deletion; return how many."""
        retained = set(keys)
        with self._lock:
            others = [key for key in self.rows if key not in retained]
            for key in others:
                del self.rows[key]
        return len(others)

    def delete(self, keys: Iterable[Any], at: int) -> int:
        """Delete what is known of keys up to ``at`` (microseconds); return how many rows were deleted.

        Rows written later are ignored unless their event time is after ``at``; in a static group unless their created
        time is. A static row without created time is just removed.
        """
        removed = 0
        with self._lock:
            for key in keys:
                row = self.rows.get(key)
                if self.stored.without_times:
                    removed += self.rows.pop(key, None) is not None
                    continue
                stamp = (STATIC, at) if self.group.timestamp is None else (at, None)
                if row is not None and not outlives(row, stamp):
                    del self.rows[key]
                    removed += 1
                if row is None or key not in self.rows:
                    self._deletions[key] = max(stamp, self._deletions.get(key, stamp))
        return removed

    def _revives(self, key: Any, row: Row) -> bool:
        """Return whether a row is newer than the deletion of its key, which is then dropped."""
        stamp = self._deletions.get(key)
        if stamp is None:
            return True
        if not outlives(row, stamp):
            return False
        del self._deletions[key]
        return True

    def redefine(self, schema: GroupSchema) -> GroupTable:
        """Return a table with another definition of the same group, and the values that it still has.

        :meth:`palette.online.codec.schema.StoredSchema.reader_of` says which.
        """
        table = GroupTable(schema)
        if (read := table.stored.reader_of(self.stored)) is not None:
            table._deletions = {} if table.stored.without_times else dict(self._deletions)
            table.rows = {key: read(row) for key, row in self}
        return table
