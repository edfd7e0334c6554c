"""Request bodies, with limits on their size and the time they take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from palette.service.http.errors import RequestError

__all__ = ["BodyReader", "ClientDisconnectedError", "Receive"]

Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
CLOSE = {"connection": "close"}


class ClientDisconnectedError(Exception):
    """The client closed the connection before the body was complete."""


class BodyReader:
    """Reads request bodies.

    One timer covers all bodies that are being read: a timer for each would cost more than the reading itself.

    Parameters
    ----------
    size : int
        Maximum bytes of a body.
    seconds : float
        Seconds within which a body must arrive; the limit may be exceeded by a quarter.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer_loop: asyncio.AbstractEventLoop | None = None

    async def read(self, receive: Receive) -> bytes:
        """Return the body.

        Raises
        ------
        RequestError
            413 if it is too large, 408 if it takes too long.
        ClientDisconnectedError
            If the client disconnects.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._reading[task] = loop.time()
        if self._timer_loop is not loop:
            self._timer_loop = loop
            loop.call_later(self._seconds / 4, self._sweep, loop)
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                body = await self._read_rest(body, receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            detail = f"the body did not arrive within {self._seconds:g} s"
            raise RequestError(408, "too_slow", detail, CLOSE) from None
        finally:
            self._reading.pop(task, None)
            self._late.discard(task)
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        if len(body) > self._size:
            raise self._too_large()
        return body

    async def _read_rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        while more:
            if size > self._size:
                raise self._too_large()
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> RequestError:
        message = f"the body is larger than {self._size:,} bytes; send fewer rows, or raise --max-body"
        return RequestError(413, "too_large", message, CLOSE)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel reads that take too long, and run again while any body is being read."""
        oldest = loop.time() - self._seconds
        for task, since in list(self._reading.items()):
            if since < oldest and task not in self._late and task.get_loop() is loop:
                self._late.add(task)
                task.cancel()
        if self._reading:
            loop.call_later(self._seconds / 4, self._sweep, loop)
        else:
            self._timer_loop = None
