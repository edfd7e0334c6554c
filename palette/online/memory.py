"""An online store in this process's memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from palette.online.layout import Row, RowLayout
from palette.online.local import LocalReader
from palette.online.reader import FeatureReader
from palette.online.store import OnlineStore
from palette.online.table import GroupTable
from palette.times import resolve_now

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup, GroupSchema

__all__ = ["MemoryStore"]


class MemoryStore(LocalReader, OnlineStore):
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

    @property
    def filled(self) -> bool:
        """Whether it holds any row."""
        return any(len(cast("GroupTable", table)) for table in self._layouts.values())

    def table(self, group: str) -> GroupTable:
        """Return the table of a feature group, empty if nothing was written yet.

        After the definition of the group changed it is another table, which keeps the values of the features that are
        still there; where keys, times or a type changed it is empty.
        """
        return cast("GroupTable", FeatureReader.layout(self, group))

    def _make_layout(self, schema: GroupSchema, before: RowLayout | None) -> GroupTable:
        return GroupTable(schema) if before is None else cast("GroupTable", before).redefine(schema)

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows, as :meth:`palette.online.GroupTable.put` does."""
        return self.table(group).put(packed, resolved=resolved)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows over whatever is known of their keys; see :meth:`palette.online.OnlineStore.replace`."""
        return self.table(group).replace(packed)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.OnlineStore.retain`."""
        return self.table(group).retain(keys)

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a time; see :meth:`palette.online.OnlineStore.delete`.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable
            Values, or tuples or mappings for composite keys.
        at : datetime, optional
            Naive is UTC; default now.

        Returns
        -------
        int
            How many rows were deleted.
        """
        table = self.table(group if isinstance(group, str) else group.full_name)
        return table.delete(table.lookup_keys(keys), resolve_now(at))
