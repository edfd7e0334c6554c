"""The body of a request, all of it, within its bounds of bytes and seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from palette.service.http.errors import RefusedError

__all__ = ["Bodies", "GoneError", "Receive"]

Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
CLOSE = {"connection": "close"}


class GoneError(Exception):
    """The client went away."""


class Bodies:
    """Reads bodies.

    One timer watches over all that are being read: a timer for each would cost more than the rest.

    Parameters
    ----------
    size : int
        Bytes at most.
    seconds : float
        Within which a body must have arrived, give or take a quarter.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._watched: asyncio.AbstractEventLoop | None = None

    async def read(self, receive: Receive) -> bytes:
        """Return the body.

        Raises
        ------
        RefusedError
            413 if it is too long, 408 if it takes too long.
        GoneError
            If the client goes away.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._reading[task] = loop.time()
        if self._watched is not loop:
            self._watched = loop
            loop.call_later(self._seconds / 4, self._sweep, loop)
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                body = await self._rest(body, receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            text = f"the body did not arrive within {self._seconds:g} s"
            raise RefusedError(408, "too_slow", text, CLOSE) from None
        finally:
            self._reading.pop(task, None)
            self._late.discard(task)
        if message["type"] == "http.disconnect":
            raise GoneError
        if len(body) > self._size:
            raise self._too_long()
        return body

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        while more:
            if size > self._size:
                raise self._too_long()
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_long(self) -> RefusedError:
        text = f"the body is larger than {self._size:,} bytes; send fewer rows, or raise --max-body"
        return RefusedError(413, "too_large", text, CLOSE)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what takes too long; look again while anything is read."""
        oldest = loop.time() - self._seconds
        for task, since in list(self._reading.items()):
            if since < oldest and task not in self._late and task.get_loop() is loop:
                self._late.add(task)
                task.cancel()
        if self._reading:
            loop.call_later(self._seconds / 4, self._sweep, loop)
        else:
            self._watched = None
