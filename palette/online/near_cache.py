"""A cache in this process, in front of a store."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from palette.errors import ArgumentError
from palette.online.codec.keys import is_absent
from palette.online.delegating import DelegatingStore
from palette.online.layout import Request, Row, RowLayout

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup
    from palette.online.store import OnlineStore

__all__ = ["CacheCounts", "NearCache"]


class CacheCounts(NamedTuple):
    """Counts of a cache: requests that it answered, that it passed on, and rows that it holds."""

    hits: int
    misses: int
    size: int


class _Flight(set[Request]):
    """The keys that were written while a fetch is under way: its rows of them may be old."""

    # Of the store, when the fetch began.
    generation: int


class NearCache(DelegatingStore):
    """The rows of a store that were read last.

    Writes and deletions through the cache are seen at once; those of others when the ttl is over.

    Parameters
    ----------
    store : OnlineStore
        The store behind, from which missing rows are fetched.
    size : int
        Rows at most; the least recently used one is dropped first.
    ttl : float
        Seconds that a row is cached.
    negative_ttl : float, optional
        Seconds for which a missing row is cached; default ``ttl``, 0 caches none.
    clock : callable
        Returns seconds; for tests.

    Raises
    ------
    ArgumentError
        If size or ttl is not positive.

    Examples
    --------
    >>> NearCache(store, size=100_000, ttl=5.0)  # doctest: +SKIP
    NearCache(RedisStore('redis://localhost:6379/0'), size=100000, ttl=5.0)
    """

    def __init__(
        self,
        store: OnlineStore,
        size: int,
        ttl: float,
        *,
        negative_ttl: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store)
        if size < 1 or ttl <= 0:
            raise ArgumentError(f"a cache has a positive size and ttl, found {size} and {ttl}")
        self._size = size
        self._ttl = ttl
        self._negative_ttl = ttl if negative_ttl is None else negative_ttl
        self._clock = clock
        self._rows: OrderedDict[Request, tuple[float, Row | None]] = OrderedDict()
        self._guard = threading.Lock()
        # Of the store when the rows were fetched: they have the layout of its tables at that time.
        self._fetched_at = store.generation
        self._flights: list[_Flight] = []
        self._hits = self._misses = 0

    def __repr__(self) -> str:
        return f"NearCache({self._store!r}, size={self._size}, ttl={self._ttl})"

    @property
    def counts(self) -> CacheCounts:
        """Hits and misses so far, and the rows now held."""
        return CacheCounts(self._hits, self._misses, len(self._rows))

    def invalidate(self) -> None:
        """Drop all rows."""
        self._drop(list(self._rows))

    def close(self) -> None:
        """Drop all rows, and close the store."""
        self.invalidate()
        super().close()

    async def close_async(self) -> None:
        """Drop all rows, and close the store, the connections of the running event loop too."""
        self.invalidate()
        await super().close_async()

    # --- reading

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return packed rows; those that are not cached come in one round trip."""
        rows, missing, flight = self._look(requests)
        if missing:
            try:
                fetched = self._store.fetch(list(missing), budget)
            except BaseException:
                self._land(flight)
                raise
            self._insert(missing, fetched, rows, flight)
        return rows

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what :meth:`fetch` returns, without blocking the event loop."""
        rows, missing, flight = self._look(requests)
        if missing:
            try:
                fetched = await self._store.fetch_async(list(missing), budget)
            except BaseException:
                self._land(flight)
                raise
            self._insert(missing, fetched, rows, flight)
        return rows

    def _look(self, requests: Sequence[Request]) -> tuple[list[Row | None], dict[Request, list[int]], _Flight]:
        """Return the rows that are cached, the indices of the others, and the set of keys written meanwhile."""
        rows: list[Row | None] = [None] * len(requests)
        missing: dict[Request, list[int]] = {}
        flight = _Flight()
        now = self._clock()
        with self._guard:
            held = self._rows
            if self._fetched_at != (generation := self._store.generation):
                held.clear()
                self._fetched_at = generation
            flight.generation = generation
            for index, request in enumerate(requests):
                if is_absent(request[1]):
                    continue
                known = held.get(request)
                if known is not None and known[0] > now:
                    rows[index] = known[1]
                    held.move_to_end(request)
                    self._hits += 1
                else:
                    missing.setdefault(request, []).append(index)
                    self._misses += 1
            if missing:
                self._flights.append(flight)
        return rows, missing, flight

    def _insert(
        self,
        missing: dict[Request, list[int]],
        fetched: Sequence[Row | None],
        rows: list[Row | None],
        flight: _Flight,
    ) -> None:
        now = self._clock()
        with self._guard:
            self._remove(flight)
            held = self._rows
            same = flight.generation == self._store.generation
            for (request, indices), row in zip(missing.items(), fetched, strict=True):
                for index in indices:
                    rows[index] = row
                ttl = self._negative_ttl if row is None else self._ttl
                if same and ttl > 0 and request not in flight:
                    held[request] = (now + ttl, row)
                    held.move_to_end(request)
            while len(held) > self._size:
                held.popitem(last=False)

    def _land(self, flight: _Flight) -> None:
        with self._guard:
            self._remove(flight)

    def _remove(self, flight: _Flight) -> None:
        # By identity: empty sets are equal.
        self._flights = [other for other in self._flights if other is not flight]

    # --- writing

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows into the store, and drop what is held of their keys."""
        rows = list(packed)
        try:
            return super().put(group, rows, resolved=resolved)
        finally:
            self._drop((group, key) for key, _ in rows)

    def put_packed(self, layout: RowLayout, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put rows that a layout packed into the store, and drop what is held of their keys."""
        rows = list(packed)
        try:
            return super().put_packed(layout, rows, resolved=resolved)
        finally:
            self._drop((layout.name, key) for key, _ in rows)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows into the store, whatever it knows of their keys, and drop what is held of them."""
        rows = list(packed)
        try:
            return super().replace(group, rows)
        finally:
            self._drop((group, key) for key, _ in rows)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys from the store, and drop all that is held."""
        try:
            return super().retain(group, keys)
        finally:
            self.invalidate()

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete from the store, and drop what is held of the keys."""
        name = group if isinstance(group, str) else group.full_name
        listed = self.layout(name).lookup_keys(keys)
        try:
            return self._store.delete(name, listed, at)
        finally:
            self._drop((name, key) for key in listed)

    def _drop(self, requests: Iterable[Request]) -> None:
        with self._guard:
            for request in requests:
                self._rows.pop(request, None)
                for flight in self._flights:
                    flight.add(request)
