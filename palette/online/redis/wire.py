"""Exchanges with one Redis server within a deadline.

redis-py connects: addresses, TLS, users, sockets, database. What then goes over the socket is packed and read by
hiredis here, because a time budget must hold for an exchange as a whole, which redis-py does not offer, and because
it halves what the client adds to the round trip. :mod:`palette.online.redis.wire_async` is the twin for event loops.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from palette.online.redis.errors import connections_busy, failure, library, refusal
from palette.online.redis.protocol import Command, Replies, pack

if TYPE_CHECKING:
    from redis.connection import AbstractConnection, ConnectionPool

__all__ = ["Wire"]


class Wire:
    """A pool of connections to one server.

    Parameters
    ----------
    name : str
        The store's name in errors; without password.
    pool : redis.ConnectionPool
        Makes the connections.
    size : int
        Connections at most; an exchange waits for a free one.
    """

    def __init__(self, name: str, pool: ConnectionPool, size: int) -> None:
        self._name = name
        self._pool = pool
        self._size = size
        redis, hiredis = library()
        self._failures = (OSError, EOFError, redis.RedisError, hiredis.HiredisError)
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._free = _FreeConnections(self._size)

    def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands together and return their replies; a command that the server rejected has an exception.

        A pooled connection that turns out to be dead is replaced, and the commands are sent once more: they must be
        idempotent.

        Raises
        ------
        StoreTimeoutError, StoreError
        """
        until = time.monotonic() + seconds
        packed = pack(commands)
        if self._process != os.getpid():
            self._open()  # after a fork: the sockets are the parent's
        try:
            connection = self._free.acquire(until)
        except TimeoutError:
            raise connections_busy(self._name, self._size, seconds) from None
        try:
            if connection is not None:
                try:
                    return connection.exchange(packed, len(commands), until)
                except (ConnectionError, EOFError):
                    connection.close()
                    connection = None
            connection = _Connection(self._connection(), until)
            return connection.exchange(packed, len(commands), until)
        except self._failures as error:
            _close(connection)
            connection = None
            raise failure(self._name, error, seconds) from error
        except BaseException:
            _close(connection)
            connection = None
            raise
        finally:
            self._free.release(connection)

    def _connection(self) -> AbstractConnection:
        """Return a new connection; the pool's own counting would never forget those that were replaced."""
        connection: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
        return connection

    def everywhere(self, command: Command, seconds: float) -> None:
        """Send a command to the server."""
        (reply,) = self.exchange([command], seconds)
        if isinstance(reply, Exception):
            raise refusal(self._name, reply) from reply

    def scan(self, pattern: bytes, seconds: float) -> Iterator[list[bytes]]:
        """Yield the keys that match a pattern, in batches."""
        cursor = b"0"
        while True:
            (reply,) = self.exchange([("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")], seconds)
            if isinstance(reply, Exception):
                raise refusal(self._name, reply) from reply
            cursor, keys = reply
            if keys:
                yield keys
            if cursor == b"0":
                return

    def close(self) -> None:
        """Close the connections that are free; the wire may be used again."""
        for connection in self._free.drain():
            _close(connection)


class _FreeConnections:
    """Slots of connections that are not in use, each with its connection if one was opened; last in, first out.

    A lock for each exchange is saved: a deque's ends are safe without, and only a thread that finds it empty waits.
    """

    def __init__(self, size: int) -> None:
        self._slots: deque[_Connection | None] = deque([None] * size)
        self._released = threading.Condition()
        self._waiting = 0

    def acquire(self, until: float) -> _Connection | None:
        """Return the content of a slot; raise TimeoutError if none becomes free."""
        try:
            return self._slots.pop()
        except IndexError:
            pass
        with self._released:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._slots.pop()
                    except IndexError:
                        self._released.wait(_left(until))
            finally:
                self._waiting -= 1

    def release(self, connection: _Connection | None) -> None:
        """Return a slot."""
        self._slots.append(connection)
        # A thread that waits has counted itself before it looked for a slot, so that it is seen here or finds this one.
        if self._waiting:
            with self._released:
                self._released.notify()

    def drain(self) -> list[_Connection]:
        """Return the connections of all free slots, which are empty afterwards."""
        slots: list[_Connection | None] = []
        while self._slots:
            try:
                slots.append(self._slots.pop())
            except IndexError:
                break
        for _ in slots:
            self.release(None)
        return [connection for connection in slots if connection is not None]


class _Connection:
    """One connection, opened by redis-py and read with hiredis."""

    def __init__(self, connection: AbstractConnection, until: float) -> None:
        self._connection = connection
        left = _left(until)
        connection.socket_timeout = connection.socket_connect_timeout = left
        connection.connect()
        self._socket: Any = connection._sock
        self._replies = Replies()

    def exchange(self, packed: bytes, count: int, until: float) -> list[Any]:
        socket = self._socket
        socket.settimeout(_left(until))
        socket.sendall(packed)
        replies, feed = self._replies.expect(count), self._replies.feed
        while True:
            socket.settimeout(_left(until))
            data = socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            if feed(data):
                return replies

    def close(self) -> None:
        self._connection.disconnect()


def _close(connection: _Connection | None) -> None:
    if connection is not None:
        connection.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left
