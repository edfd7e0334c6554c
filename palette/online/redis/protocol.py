"""Commands as bytes, and replies out of bytes, by hiredis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from palette.online.redis.errors import library

__all__ = ["Command", "Replies", "pack"]

Command = Sequence[Any]


def pack(commands: Sequence[Command]) -> bytes:
    """Return the bytes of commands that are sent together."""
    _, hiredis = library()
    pack_command = hiredis.pack_command
    return b"".join([pack_command(tuple(command)) for command in commands])


class Replies:
    """The replies to one exchange after the other, out of bytes as they arrive."""

    def __init__(self) -> None:
        _, hiredis = library()
        self._more = object()
        self._reader = hiredis.Reader(notEnoughData=self._more)
        self._replies: list[Any] = []
        self._count = 0

    def expect(self, count: int) -> list[Any]:
        """Return the list into which the next replies are put."""
        self._replies, self._count = [], count
        return self._replies

    def feed(self, data: bytes) -> bool:
        """Read replies out of more bytes; return whether all are there."""
        reader, replies, more = self._reader, self._replies, self._more
        reader.feed(data)
        while len(replies) < self._count:
            reply = reader.gets()
            if reply is more:
                return False
            replies.append(reply)
        return True
