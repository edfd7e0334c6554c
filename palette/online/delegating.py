"""A reader in front of another one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from palette.online.remote import RemoteReader, RemoteTable, Request, Row

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup
    from palette.online.table import GroupTable

__all__ = ["DelegatingReader"]


class DelegatingReader(RemoteReader):
    """Passes everything on to another reader, whose tables and generation are its own.

    Parameters
    ----------
    store : RemoteReader
        The reader behind.
    """

    def __init__(self, store: RemoteReader) -> None:
        super().__init__(store.definitions)
        self._store = store

    @property
    def behind(self) -> RemoteReader:
        """The store behind."""
        return self._store

    @property
    def generation(self) -> int:  # type: ignore[override]
        """Grows before a table of the store behind is replaced."""
        return self._store.generation

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name."""
        return self._store.definitions(group)

    def table(self, group: str) -> GroupTable:
        """Return the table of the store behind, whose rows come through this reader."""
        behind, found = self._store.table(group), self._shapes.get(group)
        if found is None or found.entity is not behind.entity or found.group is not behind.group:
            found = self._shapes[group] = RemoteTable(self, behind.entity, behind.group)
        return found

    def refresh(self) -> None:
        """Take up definitions that changed."""
        self._store.refresh()

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what the store behind returns."""
        return self._store.fetch(requests, budget)

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what the store behind returns."""
        return await self._store.fetch_async(requests, budget)

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> int:
        """Put packed rows into the store behind."""
        return self._store.put(group, packed, settled=settled)

    def _put(self, table: GroupTable, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        return self._store._put(table, packed, settled=settled)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows into the store behind, whatever it knows of their keys."""
        return self._store.replace(group, packed)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys from the store behind."""
        return self._store.retain(group, keys)

    @property
    def can_replace(self) -> bool:
        """Whether the store behind can."""
        return self._store.can_replace

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete from the store behind."""
        return self._store.delete(group, keys, at)

    def close(self) -> None:
        """Close the store behind."""
        self._store.close()
