"""Exchanges with one Redis server within a deadline, on an event loop.

The twin of :mod:`palette.online.redis.wire`: redis-py connects, and hands its transport over to a protocol of our own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from palette.online.redis.errors import connections_busy, failure, library
from palette.online.redis.protocol import Command, Replies, pack

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

__all__ = ["AsyncWire"]


class AsyncWire:
    """A pool of connections to one server, of one event loop.

    Parameters
    ----------
    name : str
        The store's name in errors; without password.
    connect : callable
        Returns a new connection of redis-py that is connected.
    size : int
        Connections at most; an exchange waits for a free one.
    """

    def __init__(self, name: str, connect: Callable[[], Awaitable[AbstractConnection]], size: int) -> None:
        self._name = name
        self._connect = connect
        self._size = size
        redis, hiredis = library()
        self._failures = (OSError, EOFError, redis.RedisError, hiredis.HiredisError)
        self._loop = asyncio.get_running_loop()
        # Slots that are not in use, each with its connection if one was opened; last in, first out.
        self._free: deque[_Connection | None] = deque([None] * size)
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands together and return their replies; see :meth:`palette.online.redis.wire.Wire.exchange`."""
        until = self._loop.time() + seconds
        packed = pack(commands)
        if not self._free:
            await self._wait(until, seconds)
        connection = self._free.pop()
        answered = False
        try:
            if seconds <= 0:
                raise TimeoutError
            if connection is not None:
                try:
                    replies = await connection.exchange(packed, len(commands), until)
                except (ConnectionError, EOFError):
                    connection.close()
                else:
                    answered = True
                    return replies
            connection = None
            async with asyncio.timeout_at(until):
                connection = _Connection(self._loop, await self._connect())
            replies = await connection.exchange(packed, len(commands), until)
            answered = True
        except self._failures as error:
            raise failure(self._name, error, seconds) from error
        finally:
            if connection is not None and not answered:
                connection.close()
                connection = None
            self._release(connection)
        return replies

    async def _wait(self, until: float, seconds: float) -> None:
        """Wait for a free slot."""
        while not self._free:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout_at(until):
                    await waiter
            except TimeoutError:
                raise connections_busy(self._name, self._size, seconds) from None
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif self._free:
                    self._wake()  # it was woken, and may not use the slot

    def _release(self, connection: _Connection | None) -> None:
        self._free.append(connection)
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def aclose(self) -> None:
        """Close the connections that are free; the wire may be used again."""
        connections = [connection for connection in self._free if connection is not None]
        self._free = deque([None] * len(self._free))
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=1.0)


class _Connection(asyncio.Protocol):
    """One connection, opened by redis-py and read with hiredis."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: AbstractConnection) -> None:
        self._loop = loop
        self._replies = Replies()
        self._answer: asyncio.Future[list[Any]] | None = None
        self._received: list[Any] = []
        self.lost: asyncio.Future[None] = loop.create_future()
        # The writer closes the transport when it is collected: it is kept as long as this connection.
        self._writer: Any = connection._writer
        connection._writer = connection._reader = None
        self._transport = self._writer.transport
        self._transport.set_protocol(self)

    async def exchange(self, packed: bytes, count: int, until: float) -> list[Any]:
        if self.lost.done():
            raise EOFError("the server closed the connection")
        answer = self._answer = self._loop.create_future()
        self._received = self._replies.expect(count)
        self._transport.write(packed)
        timer = self._loop.call_at(until, _expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()
            self._answer = None

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return self.close()  # too late, or unasked for: the connection is of no more use
        try:
            if self._replies.feed(data):
                answer.set_result(self._received)
        except Exception as error:  # noqa: BLE001  (raised where the answer is awaited)
            answer.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or EOFError("the server closed the connection"))
        if not self.lost.done():
            self.lost.set_result(None)

    def close(self) -> None:
        self._transport.abort()


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no time left"))
