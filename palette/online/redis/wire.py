"""Commands to one Redis server and their replies, within a deadline.

redis-py connects: addresses, TLS, users, sockets, database. What then goes over the socket is packed and read by
hiredis here, because a time budget must hold for an exchange as a whole, which redis-py does not offer, and because
it halves what the client adds to the round trip.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from palette.errors import DefinitionError, StoreError, StoreTimeoutError

if TYPE_CHECKING:
    from redis.connection import AbstractConnection, ConnectionPool

__all__ = ["Command", "Wire", "failure", "library", "refusal"]

Command = Sequence[Any]
REMEDIES = {
    "NOAUTH": "give user and password in the URL, or the password in PALETTE_REDIS_PASSWORD",
    "WRONGPASS": "give the right user and password in the URL, or the password in PALETTE_REDIS_PASSWORD",
    "NOPERM": "the user needs the commands HMGET, HSET, HSETNX, HGET, HDEL, HLEN, EVALSHA, SCRIPT LOAD, PTTL, TIME, "
    "PERSIST, PEXPIREAT, and the keys that begin with the store's prefix",
    "OOM": "the server is full: raise its maxmemory, or delete what is not needed",
    "READONLY": "this server is a replica: give the address of the primary",
    "LOADING": "the server is starting; try again",
    "MASTERDOWN": "the server has lost its primary; try again",
    "CLUSTERDOWN": "the cluster is not whole; see CLUSTER INFO",
    "MOVED": "this server is one of a cluster: begin the URL with redis+cluster://",
    "MISCONF": "the server cannot save to its disk",
    "WRONGTYPE": "the key holds something that is not of palette: use another prefix",
}


def library() -> tuple[Any, Any]:
    """Return the modules redis and hiredis, or say how to install them."""
    try:
        import hiredis
        import redis
    except ImportError as error:
        raise DefinitionError("a Redis store needs pip install 'palette-features[redis]'") from error
    return redis, hiredis


def refusal(name: str, error: BaseException) -> StoreError:
    """Return the error for a command that the server refused, with the remedy where one is known."""
    text = str(error)
    remedy = REMEDIES.get(text.split(" ", 1)[0])
    return StoreError(f"{name} refused: {text}" + (f"; {remedy}" if remedy else ""))


def failure(name: str, error: BaseException) -> StoreError:
    """Return the error for a server that cannot be reached."""
    redis, _ = library()
    if isinstance(error, redis.exceptions.AuthenticationError):
        text = str(error)
        known = next((code for code in ("WRONGPASS", "NOAUTH") if code in text), "WRONGPASS")
        return StoreError(f"{name} refused: {text}; {REMEDIES[known]}")
    if isinstance(error, redis.exceptions.ResponseError):
        return refusal(name, error)
    text = str(error) or type(error).__name__
    return StoreError(f"{name} cannot be reached: {text}; is the server running, and the address right?")


class Wire:
    """A pool of connections to one server.

    Parameters
    ----------
    name : str
        How errors call the store; without password.
    pool : redis.ConnectionPool
        Makes the connections.
    size : int
        Connections at most; an exchange waits for a free one.
    """

    def __init__(self, name: str, pool: ConnectionPool, size: int) -> None:
        self._name = name
        self._pool = pool
        self._size = size
        self._redis, self._hiredis = library()
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._free = _Free(self._size)

    def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands together and return their replies; what the server refused is an exception among them.

        A connection that was kept and turns out to be dead is replaced, and the commands are sent once more: they
        must bear being done twice.

        Raises
        ------
        StoreTimeoutError, StoreError
        """
        until = time.monotonic() + seconds
        pack = self._hiredis.pack_command
        packed = b"".join([pack(tuple(command)) for command in commands])
        if self._process != os.getpid():
            self._open()  # after a fork: the sockets are the parent's
        try:
            line = self._free.take(until)
        except TimeoutError:
            raise StoreTimeoutError(
                f"{self._name}: all {self._size} connections were busy for {seconds:.3f} s; raise max_connections"
            ) from None
        try:
            if line is not None:
                try:
                    return line.exchange(packed, len(commands), until)
                except (ConnectionError, EOFError):
                    line.close()
                    line = None
            line = _Line(self._connection(), self._hiredis, until)
            return line.exchange(packed, len(commands), until)
        except (TimeoutError, self._redis.exceptions.TimeoutError) as error:
            _close(line)
            line = None
            raise StoreTimeoutError(
                f"{self._name} did not answer within {seconds:.3f} s; raise the budget, or look at the server's load"
            ) from error
        except (OSError, EOFError, self._redis.RedisError, self._hiredis.HiredisError) as error:
            _close(line)
            line = None
            raise failure(self._name, error) from error
        except BaseException:
            _close(line)
            line = None
            raise
        finally:
            self._free.give(line)

    def _connection(self) -> AbstractConnection:
        """Return a new connection; the pool's own counting would never forget those that were replaced."""
        made: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
        return made

    def everywhere(self, command: Command, seconds: float) -> None:
        """Send a command to the server."""
        (reply,) = self.exchange([command], seconds)
        if isinstance(reply, Exception):
            raise refusal(self._name, reply) from reply

    def scan(self, pattern: bytes, seconds: float) -> Iterator[list[bytes]]:
        """Yield the keys that match a pattern, some at a time."""
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
        for line in self._free.kept():
            _close(line)


class _Free:
    """Places for connections that are not in use, with the connection that was kept there; the last one comes first.

    What a lock would take for each exchange is saved: a deque's ends are safe without, and only who finds it empty
    waits.
    """

    def __init__(self, size: int) -> None:
        self._places: deque[_Line | None] = deque([None] * size)
        self._returned = threading.Condition()
        self._waiting = 0

    def take(self, until: float) -> _Line | None:
        """Return a place; raise TimeoutError if none becomes free."""
        try:
            return self._places.pop()
        except IndexError:
            pass
        with self._returned:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._places.pop()
                    except IndexError:
                        self._returned.wait(_left(until))
            finally:
                self._waiting -= 1

    def give(self, line: _Line | None) -> None:
        """Take a place back."""
        self._places.append(line)
        # Who waits has counted itself before it looked for a place, so that it is seen here or finds this one.
        if self._waiting:
            with self._returned:
                self._returned.notify()

    def kept(self) -> list[_Line]:
        """Return the connections that are kept, and keep them no longer."""
        found, lines = 0, []
        while self._places:
            try:
                line = self._places.pop()
            except IndexError:
                break
            found += 1
            if line is not None:
                lines.append(line)
        for _ in range(found):
            self.give(None)
        return lines


class _Line:
    """One connection, opened by redis-py and spoken over with hiredis."""

    def __init__(self, connection: AbstractConnection, hiredis: Any, until: float) -> None:
        self._connection = connection
        left = _left(until)
        connection.socket_timeout = connection.socket_connect_timeout = left
        connection.connect()
        self._socket: Any = connection._sock
        self._more = object()
        self._reader = hiredis.Reader(notEnoughData=self._more)

    def exchange(self, packed: bytes, count: int, until: float) -> list[Any]:
        socket, reader, more = self._socket, self._reader, self._more
        socket.settimeout(_left(until))
        socket.sendall(packed)
        replies: list[Any] = []
        while len(replies) < count:
            reply = reader.gets()
            if reply is not more:
                replies.append(reply)
                continue
            socket.settimeout(_left(until))
            data = socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            reader.feed(data)
        return replies

    def close(self) -> None:
        self._connection.disconnect()


def _close(line: _Line | None) -> None:
    if line is not None:
        line.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left
