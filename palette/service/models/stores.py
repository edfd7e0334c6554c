"""The store behind the models: opened once, timed for each."""

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

# How many reads the running request has made; a list, so that what is counted in it is seen by the one who set it.
LEVEL: ContextVar[list[int]] = ContextVar("palette_level")


class TimedReader(DelegatingReader):
    """A store whose reads are timed, by level of the plan."""

    def __init__(self, reader: FeatureReader, observe: Callable[[int, float], None]) -> None:
        super().__init__(reader)
        self._observe = observe

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what the store returns, and record its time."""
        reads = LEVEL.get()
        reads[0] += 1
        started = time.perf_counter()
        try:
            return await self._reader.fetch_async(requests, budget)
        finally:
            self._observe(reads[0], time.perf_counter() - started)


class _Opened:
    """A store, and the definitions of the groups that are read from it."""

    def __init__(self, uri: str, cache: dict[str, Any] | None) -> None:
        self.definitions: dict[str, tuple[Entity, FeatureGroup]] = {}
        self.reader = open_online(uri, self.definitions.__getitem__, cache=cache, must_exist=True)

    def fits(self, plan: dict[str, tuple[Entity, FeatureGroup]]) -> bool:
        # A snapshot has its own definitions.
        return isinstance(self.reader, LocalReader) or all(
            self.definitions.get(group, found) == found for group, found in plan.items()
        )


class Stores:
    """What one URI names; opened again only for models that know a group by another definition.

    Parameters
    ----------
    uri : str, optional
        As :func:`palette.online.factory.open_online` takes it.
    cache_size, cache_ttl : int, float
        The near cache before a store that is elsewhere.
    """

    def __init__(self, uri: str | None, cache_size: int = 0, cache_ttl: float = 5.0) -> None:
        self._uri = uri
        self._cache = {"size": cache_size, "ttl": cache_ttl} if cache_size else None
        self._opened: list[_Opened] = []

    def reader(self, plan: Plan, name: str) -> FeatureReader | None:
        """Return what a plan reads from, None if it looks nothing up.

        Raises
        ------
        DefinitionError
            If it does, and there is no store.
        """
        wanted = {
            step.group.full_name: (step.entity, step.group) for step in plan.steps if isinstance(step, LookupStep)
        }
        if not wanted:
            return None
        if self._uri is None:
            raise DefinitionError(
                f"bundle {name!r} reads features of {', '.join(wanted)}: give --store, redis://HOST:PORT/DB or the "
                "directory of a snapshot"
            )
        opened = next((one for one in self._opened if one.fits(wanted)), None)
        if opened is None:
            opened = _Opened(self._uri, self._cache)
            self._opened.append(opened)
        opened.definitions.update(wanted)
        return opened.reader

    def afresh(self) -> Stores:
        """Return stores of the same URI that read it anew: a snapshot may have been replaced; others are kept."""
        if not all(isinstance(opened.reader, LocalReader) for opened in self._opened):
            return self
        fresh = Stores(self._uri)
        fresh._cache = self._cache
        return fresh

    async def check(self, budget: float) -> None:
        """Raise :class:`palette.errors.StoreError` unless every store answers within ``budget`` seconds."""
        for opened in self._opened:
            await opened.reader.ping_async(budget)

    @property
    def cache_counts(self) -> tuple[int, int]:
        """Hits and misses of the near caches so far."""
        counts = [one.reader.counts for one in self._opened if isinstance(one.reader, NearCache)]
        return sum(one.hits for one in counts), sum(one.misses for one in counts)

    async def close(self) -> None:
        """Close connections."""
        for opened in self._opened:
            with contextlib.suppress(StoreError):
                await opened.reader.close_async()
