"""One client for each event loop, closed when the loop ends."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["PerLoop"]


class Closable(Protocol):
    """A client that is closed by ``aclose``."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class PerLoop(Generic[T]):
    """Clients of event loops.

    Parameters
    ----------
    make : callable
        Returns a client for the running event loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # Of each loop the client, and the generator that closes it.
        self._clients: weakref.WeakKeyDictionary[Any, tuple[T, AsyncGenerator[T, None]]] = weakref.WeakKeyDictionary()
        # The one that was used last, which is nearly always the one that is used next.
        self._last: tuple[Callable[[], Any], T] | None = None

    async def get(self) -> T:
        """Return the client of the running event loop."""
        loop, last = asyncio.get_running_loop(), self._last
        if last is not None and last[0]() is loop:
            return last[1]
        entry = self._clients.get(loop)
        if entry is None:
            keeper = self._keep(loop)
            entry = self._clients[loop] = (await anext(keeper), keeper)
        self._last = weakref.ref(loop), entry[0]
        return entry[0]

    async def close(self) -> None:
        """Close the client of the running event loop."""
        entry = self._clients.get(asyncio.get_running_loop())
        if entry is not None:
            await entry[1].aclose()

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T, None]:
        """Keep a client until the event loop shuts down, which ends its generators before it closes."""
        client = self._make()
        try:
            yield client
        finally:
            self._last = None
            self._clients.pop(loop, None)
            await client.aclose()
