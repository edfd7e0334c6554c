"""An online store in this process's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from palette.definitions import Entity, FeatureGroup
from palette.online.reader import OnlineReader, now_micros
from palette.online.table import GroupTable

__all__ = ["MemoryStore"]

Definitions = Callable[[str], tuple[Entity, FeatureGroup]]


class MemoryStore(OnlineReader):
    """The newest row of every key, readable and writable at once by many threads.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._tables: dict[str, GroupTable] = {}

    def table(self, group: str) -> GroupTable:
        """Return the table of a feature group, empty if nothing was written yet."""
        found = self._tables.get(group)
        if found is None:
            found = self._tables.setdefault(group, GroupTable(*self._definitions(group)))
        return found

    def write(self, group: str | FeatureGroup, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write rows; an older row never replaces a newer one.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        rows : iterable of mappings
            Key columns, event time and features by name; absent features are null; an absent created is now.

        Returns
        -------
        int
            How many rows are now the newest of their key.

        Raises
        ------
        DataError
            If a row lacks its key or event time, or a value has the wrong type; then nothing is written.
        """
        name = group.full_name if isinstance(group, FeatureGroup) else group
        table, stamp = self.table(name), now_micros(None)
        return table.put([table.pack(row, stamp) for row in rows])
