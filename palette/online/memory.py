"""An online store in this process's memory."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.online.reader import AHEAD, OnlineReader, packed_rows
from palette.online.table import GroupTable
from palette.times import resolve_now

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["MemoryStore"]

Definitions: TypeAlias = "Callable[[str], tuple[Entity, FeatureGroup]]"


class MemoryStore(OnlineReader):
    """The newest row of every key, readable and writable at once by many threads.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> store = MemoryStore({"restaurant:menu": (Entity("restaurant", keys={"id": "string"}), menu)}.__getitem__)
    >>> store.write(menu, [{"id": "r1", "dishes": 40}])
    1
    >>> store.read({"restaurant:menu": ["r1"]}, status=True)
    {'restaurant:menu': [{'dishes': 40, 'dishes__status': 'present'}]}
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._tables: dict[str, GroupTable] = {}
        self._lock = threading.Lock()

    @property
    def filled(self) -> bool:
        """Whether it holds any row."""
        return any(len(table) for table in self._tables.values())

    def table(self, group: str) -> GroupTable:
        """Return the table of a feature group, empty if nothing was written yet.

        After the group was defined anew it is another table, which keeps the values of the features that are still
        there; where keys, times or a type changed it is empty.
        """
        definitions = self._definitions(group)
        with self._lock:
            found = self._tables.get(group)
            if found is None or (found.entity, found.group) != definitions:
                self.generation += found is not None
                found = self._tables[group] = (
                    GroupTable(*definitions) if found is None else found.redefined(*definitions)
                )
            return found

    def refresh(self) -> None:
        """Take up definitions that changed; of a group that was removed nothing is left."""
        for group in list(self._tables):
            try:
                self.table(group)
            except KeyError:
                with self._lock:
                    self.generation += 1
                    self._tables.pop(group, None)

    def write(
        self,
        group: str | FeatureGroup,
        rows: Iterable[Mapping[str, Any]],
        *,
        ahead: dt.timedelta | None = AHEAD,
    ) -> int:
        """Write rows; an older row never replaces a newer one.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        rows : iterable of mappings
            Key columns, event time and features by name; absent features are null; an absent created is now.
        ahead : timedelta, optional
            How far the event time (in a static group the created time) may be ahead of this clock; None: any time.

        Returns
        -------
        int
            How many rows are now the newest of their key.

        Raises
        ------
        DataError
            If a row lacks its key or event time, is too far ahead of the clock, or a value has the wrong type; then
            nothing is written.
        """
        table = self.table(group if isinstance(group, str) else group.full_name)
        return table.put(packed_rows(table, rows, ahead))

    def put(self, group: str, packed: Iterable[tuple[Any, tuple[Any, ...]]], *, settled: bool = False) -> int:
        """Put packed rows, as :meth:`palette.online.GroupTable.put` does."""
        return self.table(group).put(packed, settled=settled)

    def replace(self, group: str, packed: Iterable[tuple[Any, tuple[Any, ...]]]) -> int:
        """Put packed rows whatever is known of their keys; see :meth:`palette.online.RemoteReader.replace`."""
        return self.table(group).replace(packed)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.RemoteReader.retain`."""
        return self.table(group).retain(keys)

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a moment; a row written later with an event not after it stays dead.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable
            Values, or tuples or mappings for composite keys.
        at : datetime, optional
            Naive is UTC; default this moment.

        Returns
        -------
        int
            How many rows are gone.
        """
        table = self.table(group if isinstance(group, str) else group.full_name)
        return table.delete(table.asked(keys), resolve_now(at))
