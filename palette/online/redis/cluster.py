"""Exchanges with a Redis cluster within a deadline: redis-py's own client finds the nodes and follows moved slots."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from palette.online.redis.errors import failure, library, refusal
from palette.online.redis.protocol import Command

__all__ = ["AsyncClusterWire", "ClusterWire"]

T = TypeVar("T")
# redis-py drops the code of an error where it has a class for it.
CODES = {
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
    "ReadOnlyError": "READONLY",
    "MasterDownError": "MASTERDOWN",
    "BusyLoadingError": "LOADING",
}


class AsyncClusterWire:
    """A cluster, from one event loop; the same method as :class:`palette.online.redis.wire_async.AsyncWire`.

    Parameters
    ----------
    name : str
        The store's name in errors; without password.
    connect : callable
        Returns a ``redis.asyncio.RedisCluster``.
    """

    def __init__(self, name: str, connect: Callable[[], Any]) -> None:
        self._name = name
        self._client = connect()
        redis, hiredis = library()
        self._response_error = redis.ResponseError
        self._failures = (OSError, redis.RedisError, redis.exceptions.RedisClusterException, hiredis.HiredisError)

    async def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands to the nodes of their keys and return the replies in the order of the commands."""
        return await self._within(self._replies(commands), seconds)

    async def _replies(self, commands: Sequence[Command]) -> list[Any]:
        if len(commands) == 1:
            try:
                return [await self._client.execute_command(*commands[0])]
            except self._response_error as error:
                return [_with_code(error)]
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        return [_with_code(reply) for reply in await pipeline.execute(raise_on_error=False)]

    async def everywhere(self, command: Command, seconds: float) -> None:
        """Send a command to every primary."""
        for node in await self.primaries(seconds):
            await self._ask(node, command, seconds)

    async def scan(self, pattern: bytes, node: Any, cursor: int, seconds: float) -> tuple[int, list[bytes]]:
        """Return the next cursor and the keys of a node that match a pattern."""
        reply = await self._ask(node, ("SCAN", cursor, "MATCH", pattern, "COUNT", "1000"), seconds)
        return int(reply[0]), reply[1]

    async def primaries(self, seconds: float) -> list[Any]:
        """Return the nodes that hold keys."""
        await self._within(self._client.initialize(), seconds)
        return list(self._client.get_primaries())

    async def _ask(self, node: Any, command: Command, seconds: float) -> Any:
        (reply,) = await self._within(_on_node(node, command, self._response_error), seconds)
        if isinstance(reply, Exception):
            raise refusal(self._name, reply) from reply
        return reply

    async def _within(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                return await work
        except self._failures as error:
            raise failure(self._name, error, seconds) from error

    async def aclose(self) -> None:
        """Close all connections; the wire may be used again."""
        await self._client.aclose()


def _with_code(reply: Any) -> Any:
    """Return a reply; an error of redis-py with the code that the server sent."""
    code = CODES.get(type(reply).__name__)
    return reply if code is None else type(reply)(f"{code} {reply}")


async def _on_node(node: Any, command: Command, response_error: type[Exception]) -> list[Any]:
    try:
        return [await node.execute_command(*command)]
    except response_error as error:
        return [_with_code(error)]


class ClusterWire:
    """A cluster, from any thread; the same methods as :class:`palette.online.redis.wire.Wire`.

    An :class:`AsyncClusterWire` works on an event loop in a thread of its own, since redis-py's blocking client cannot
    be given one deadline for all nodes.

    Parameters
    ----------
    name, connect
        As for :class:`AsyncClusterWire`.
    """

    def __init__(self, name: str, connect: Callable[[], Any]) -> None:
        self._name = name
        self._connect = connect
        self._lock = threading.Lock()
        self._thread: tuple[int, _LoopThread, AsyncClusterWire] | None = None

    def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands to the nodes of their keys and return the replies in the order of the commands."""
        thread, wire = self._opened()
        return thread.run(wire.exchange(commands, seconds))

    def everywhere(self, command: Command, seconds: float) -> None:
        """Send a command to every primary."""
        thread, wire = self._opened()
        thread.run(wire.everywhere(command, seconds))

    def scan(self, pattern: bytes, seconds: float) -> Iterator[list[bytes]]:
        """Yield the keys of all primaries that match a pattern, in batches."""
        thread, wire = self._opened()
        for node in thread.run(wire.primaries(seconds)):
            cursor = 0
            while True:
                cursor, keys = thread.run(wire.scan(pattern, node, cursor, seconds))
                if keys:
                    yield keys
                if cursor == 0:
                    break

    def close(self) -> None:
        """Close all connections; the wire may be used again."""
        with self._lock:
            opened, self._thread = self._thread, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].stop()

    def _opened(self) -> tuple[_LoopThread, AsyncClusterWire]:
        with self._lock:
            if self._thread is None or self._thread[0] != os.getpid():
                thread = _LoopThread()
                wire = thread.run(self._make())
                thread.close_with(wire)
                weakref.finalize(self, thread.stop)
                self._thread = os.getpid(), thread, wire
            return self._thread[1:]

    async def _make(self) -> AsyncClusterWire:
        return AsyncClusterWire(self._name, self._connect)


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._wire: AsyncClusterWire | None = None
        self._worker = threading.Thread(target=self._loop.run_forever, name="palette-redis-cluster", daemon=True)
        self._worker.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close_with(self, wire: AsyncClusterWire) -> None:
        """Close a wire when the thread stops."""
        self._wire = wire

    def stop(self) -> None:
        """End the thread."""
        if self._process != os.getpid() or self._loop.is_closed():
            return
        if self._wire is not None:
            self.run(self._wire.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._worker.join()
        self._loop.close()
