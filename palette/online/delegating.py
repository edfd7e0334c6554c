"""Readers and stores in front of others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from palette.online.layout import Request, Row, RowLayout
from palette.online.reader import FeatureReader
from palette.online.store import OnlineStore, Opener

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup, GroupSchema

__all__ = ["DelegatingReader", "DelegatingStore"]


class DelegatingReader(FeatureReader):
    """Passes everything on to another reader, whose layouts and generation are its own.

    Parameters
    ----------
    reader : FeatureReader
        The reader behind.
    """

    def __init__(self, reader: FeatureReader) -> None:
        super().__init__(reader.definitions)
        self._reader = reader

    @property
    def at(self) -> int | None:  # type: ignore[override]
        """The time of the reader behind."""
        return self._reader.at

    @property
    def generation(self) -> int:  # type: ignore[override]
        """Grows before a layout of the reader behind is replaced."""
        return self._reader.generation

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name."""
        return self._reader.definitions(group)

    def layout(self, group: str) -> RowLayout:
        """Return the layout of the reader behind."""
        return self._reader.layout(group)

    def refresh(self) -> None:
        """Let the reader behind read the definitions again."""
        self._reader.refresh()

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what the reader behind returns."""
        return self._reader.fetch(requests, budget)

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what the reader behind returns."""
        return await self._reader.fetch_async(requests, budget)

    async def ping_async(self, budget: float) -> None:
        """Check that the reader behind answers."""
        await self._reader.ping_async(budget)

    def close(self) -> None:
        """Close the reader behind."""
        self._reader.close()

    async def close_async(self) -> None:
        """Close the reader behind."""
        await self._reader.close_async()


class DelegatingStore(DelegatingReader, OnlineStore):
    """Passes everything on to another store.

    Parameters
    ----------
    store : OnlineStore
        The store behind.
    """

    def __init__(self, store: OnlineStore) -> None:
        super().__init__(store)
        self._store = store

    @property
    def durable(self) -> bool:  # type: ignore[override]
        """Whether rows of the store behind outlive this process."""
        return self._store.durable

    def identity(self, *, make: bool = False) -> str | None:
        """Return the identity of the store behind."""
        return self._store.identity(make=make)

    def holds(self, group: str) -> bool:
        """Return whether the store behind holds a group."""
        return self._store.holds(group)

    def opener(self) -> Opener | None:
        """Return a function that opens the store behind in another process."""
        return self._store.opener()

    @contextmanager
    def with_definition(self, schema: GroupSchema) -> Iterator[None]:
        """Let the store behind know a group in a block."""
        with self._store.with_definition(schema):
            yield

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows into the store behind."""
        return self._store.put(group, packed, resolved=resolved)

    def put_packed(self, layout: RowLayout, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put rows that a layout packed into the store behind."""
        return self._store.put_packed(layout, packed, resolved=resolved)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows into the store behind, over whatever it knows of their keys."""
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
