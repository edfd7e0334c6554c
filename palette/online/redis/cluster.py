"""Commands to a Redis cluster: each goes to the node that has its key, all nodes at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from palette.errors import StoreError, StoreTimeoutError
from palette.online.redis.wire import Command, Wire

if TYPE_CHECKING:
    from redis.connection import ConnectionPool

__all__ = ["ClusterWire"]

Node = tuple[str, int]
TRIES = 5


class ClusterWire:
    """Connections to the nodes of a cluster; the same methods as :class:`palette.online.redis.wire.Wire`.

    Parameters
    ----------
    name : str
        How errors call the store.
    pool : redis.ConnectionPool
        Of one node, from which the others are learnt.
    size : int
        Connections at most, for each node.
    """

    def __init__(self, name: str, pool: ConnectionPool, size: int) -> None:
        self._name = name
        self._class = pool.connection_class
        self._options = dict(pool.connection_kwargs)
        self._options.pop("db", None)
        self._size = size
        self._seed: Node = (self._options.pop("host", "localhost"), self._options.pop("port", 6379))
        self._wires: dict[Node, Wire] = {}
        self._slots: dict[int, Node] = {}
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def exchange(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands to the nodes of their keys, and return the replies in the order of the commands."""
        until = time.monotonic() + seconds
        if not self._slots:
            self._learn(until)
        replies: list[Any] = [None] * len(commands)
        waiting = dict(enumerate(commands))
        for attempt in range(TRIES):
            asked: dict[Node, list[int]] = {}
            for at, command in waiting.items():
                asked.setdefault(self._slots.get(_slot(command), self._seed), []).append(at)
            found = self._ask({node: [waiting[at] for at in places] for node, places in asked.items()}, until)
            moved = False
            for node, places in asked.items():
                answers = found[node]
                if isinstance(answers, StoreError):
                    if isinstance(answers, StoreTimeoutError) or attempt == TRIES - 1:
                        raise answers
                    moved = True
                    continue
                for at, reply in zip(places, answers, strict=True):
                    replies[at] = self._follow(reply, waiting[at], until)
                    if _code(replies[at]) in ("MOVED", "TRYAGAIN", "CLUSTERDOWN"):
                        moved = True
                    else:
                        del waiting[at]
            if not moved:
                return replies
            if attempt:
                time.sleep(min(0.05 * attempt, max(0.0, until - time.monotonic())))
            self._learn(until)
        return replies

    def everywhere(self, command: Command, seconds: float) -> None:
        """Send a command to every primary."""
        until = time.monotonic() + seconds
        for answers in self._ask({node: [command] for node in {*self._slots.values()}}, until).values():
            if isinstance(answers, StoreError):
                raise answers
            if isinstance(answers[0], Exception):
                raise StoreError(f"{self._name} refused: {answers[0]}") from answers[0]

    def scan(self, pattern: bytes, seconds: float) -> Iterator[list[bytes]]:
        """Yield the keys of all primaries that match a pattern, some at a time."""
        self._learn(time.monotonic() + seconds)
        for node in dict.fromkeys(self._slots.values()):
            yield from self._wire(node).scan(pattern, seconds)

    def close(self) -> None:
        """Close the connections that are free."""
        for wire in self._wires.values():
            wire.close()

    def _ask(self, commands: dict[Node, list[Command]], until: float) -> dict[Node, list[Any] | StoreError]:
        """Return the replies of each node, or why there are none."""

        def ask(node: Node) -> list[Any] | StoreError:
            try:
                return self._wire(node).exchange(commands[node], until - time.monotonic())
            except StoreError as error:
                return error

        if len(commands) == 1:
            return {node: ask(node) for node in commands}
        return dict(zip(commands, self._pool().map(ask, commands), strict=True))

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None or self._threads[0] != os.getpid():
            self._threads = (os.getpid(), ThreadPoolExecutor(self._size, "palette-redis"))
        return self._threads[1]

    def _wire(self, node: Node) -> Wire:
        found = self._wires.get(node)
        if found is None:
            from redis.connection import ConnectionPool

            pool = ConnectionPool(self._class, host=node[0], port=node[1], **self._options)
            found = self._wires.setdefault(node, Wire(self._name, pool, self._size))
        return found

    def _follow(self, reply: Any, command: Command, until: float) -> Any:
        """Return the reply of the node that is just taking over a key, if it is."""
        if _code(reply) != "ASK":
            return reply
        host, _, port = str(reply).split(" ")[2].rpartition(":")
        node = (host or self._seed[0], int(port))
        return self._wire(node).exchange([("ASKING",), command], until - time.monotonic())[1]

    def _learn(self, until: float) -> None:
        """Ask any node which has which keys."""
        failed: StoreError | None = None
        for node in dict.fromkeys([self._seed, *self._slots.values()]):
            try:
                (ranges,) = self._wire(node).exchange([("CLUSTER", "SLOTS")], until - time.monotonic())
            except StoreTimeoutError:
                raise
            except StoreError as error:
                failed = error
                continue
            if isinstance(ranges, Exception):
                raise StoreError(
                    f"{self._name} refused: {ranges}; a server that is no cluster has a URL without +cluster"
                ) from ranges
            self._slots = {
                slot: (primary[0].decode() or node[0], int(primary[1]))
                for first, last, primary, *_ in ranges
                for slot in range(first, last + 1)
            }
            return
        assert failed is not None
        raise failed


def _slot(command: Command) -> int:
    from redis.crc import key_slot

    key = command[3] if command[0] in ("EVAL", "EVALSHA") else command[1]
    return int(key_slot(key))


def _code(reply: Any) -> str:
    return str(reply).split(" ", 1)[0] if isinstance(reply, Exception) else ""
