"""Online stores of the served models: opened once, with timed reads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from palette.definitions import Entity, FeatureGroup
from palette.errors import DefinitionError, StoreError
from palette.online import FeatureReader, LocalReader
from palette.online.delegating import DelegatingReader
from palette.online.factory import open_online
from palette.online.layout import Request, Row
from palette.online.near_cache import NearCache
from palette.serving.plan import LookupStep, Plan

__all__ = ["LEVEL", "Stores", "TimedReader"]

# Number of reads of the current request; a list, so that the code that sets the variable sees the increments.
LEVEL: ContextVar[list[int]] = ContextVar("palette_level")


class TimedReader(DelegatingReader):
    """Store whose reads are timed, by level of the plan."""

    def __init__(self, reader: FeatureReader, observe: Callable[[int, float], None]) -> None:
        super().__init__(reader)
        self._observe = observe

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Fetch rows from the store, and record the duration."""
        reads = LEVEL.get()
        reads[0] += 1
        started = time.perf_counter()
        try:
            return await self._reader.fetch_async(requests, budget)
        finally:
            self._observe(reads[0], time.perf_counter() - started)


class _OpenStore:
    """Store, and the definitions of the groups that models read from it."""

    def __init__(self, uri: str, cache: dict[str, Any] | None) -> None:
        self.definitions: dict[str, tuple[Entity, FeatureGroup]] = {}
        self.reader = open_online(uri, self.definitions.__getitem__, cache=cache, must_exist=True)

    def is_compatible(self, definitions: dict[str, tuple[Entity, FeatureGroup]]) -> bool:
        # A snapshot has its own definitions.
        return isinstance(self.reader, LocalReader) or all(
            self.definitions.get(group, definition) == definition for group, definition in definitions.items()
        )


class Stores:
    """Stores of one URI: one for all models, and further ones where models define a group differently.

    Parameters
    ----------
    uri : str, optional
        URI for :func:`palette.online.factory.open_online`.
    cache_size, cache_ttl : int, float
        Rows and seconds of the near cache in front of a remote store.
    """

    def __init__(self, uri: str | None, cache_size: int = 0, cache_ttl: float = 5.0) -> None:
        self._uri = uri
        self._cache = {"size": cache_size, "ttl": cache_ttl} if cache_size else None
        self._stores: list[_OpenStore] = []

    def reader(self, plan: Plan, name: str) -> FeatureReader | None:
        """Return the store of a plan, None if the plan has no look-ups.

        Raises
        ------
        DefinitionError
            If the plan has look-ups, and there is no store.
        """
        definitions = {
            step.group.full_name: (step.entity, step.group) for step in plan.steps if isinstance(step, LookupStep)
        }
        if not definitions:
            return None
        if self._uri is None:
            raise DefinitionError(
                f"bundle {name!r} reads features of {', '.join(definitions)}: pass --store, redis://HOST:PORT/DB or "
                "the directory of a snapshot"
            )
        store = next((store for store in self._stores if store.is_compatible(definitions)), None)
        if store is None:
            store = _OpenStore(self._uri, self._cache)
            self._stores.append(store)
        store.definitions.update(definitions)
        return store.reader

    def reopen(self) -> Stores:
        """Return stores that load a snapshot again, in case it was replaced; for other stores return itself."""
        if not all(isinstance(store.reader, LocalReader) for store in self._stores):
            return self
        stores = Stores(self._uri)
        stores._cache = self._cache
        return stores

    async def check(self, budget: float) -> None:
        """Raise :class:`palette.errors.StoreError` unless every store answers within ``budget`` seconds."""
        for store in self._stores:
            await store.reader.ping_async(budget)

    @property
    def cache_counts(self) -> tuple[int, int]:
        """Hits and misses of the near caches so far."""
        counts = [store.reader.counts for store in self._stores if isinstance(store.reader, NearCache)]
        return sum(count.hits for count in counts), sum(count.misses for count in counts)

    async def close(self) -> None:
        """Close connections."""
        for store in self._stores:
            with contextlib.suppress(StoreError):
                await store.reader.close_async()
