"""Redis as online store: one hash an entity key, one field a feature group."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any

from palette.definitions import FeatureGroup
from palette.errors import DefinitionError, StoreTimeoutError
from palette.online.codec.byte_store import IDENTITY, CodedStore, Shelf
from palette.online.codec.codec import UnknownSchemaError, is_deletion
from palette.online.codec.keys import KeySet, is_absent
from palette.online.redis.cluster import ClusterWire
from palette.online.redis.script import ALWAYS, NEWEST, PUT, REMOVE, SETTLED, Writing
from palette.online.redis.url import Address
from palette.online.redis.wire import Command, Wire, failure, library, refusal
from palette.online.remote import Definitions, Request, Row, newest
from palette.online.table import STATIC, GroupTable
from palette.times import MICROSECOND, resolve_now

__all__ = ["RedisStore"]

CHUNK = 1000
LATEST_EXPIRY = 1 << 52  # Lua counts in doubles


class RedisStore(CodedStore):
    """The newest row of every key, in Redis.

    Parameters
    ----------
    url : str
        ``redis://[user:password@]host:port/db``, ``rediss://`` for TLS, ``unix:///path/to/socket``,
        ``redis+cluster://host:port`` and ``rediss+cluster://``; options of redis-py as a query
        (``?ssl_ca_certs=ca.pem``). User and password are taken from ``PALETTE_REDIS_USERNAME`` and
        ``PALETTE_REDIS_PASSWORD`` where the URL has none.
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.
    prefix : str
        Keys are ``prefix:entity:...``; letters, digits, ``_``, ``-``, ``.``.
    timeout : float
        Seconds for an exchange with the server where no budget is given.
    max_connections : int
        For each server; a request waits for a free one.
    expire_after : timedelta, optional
        Where given, Redis drops a key this long after the ttl of all its groups, as they are defined when rows are put,
        the same rows again included; then a row that would be ``expired`` is ``missing``. A model that was fitted with
        a longer ttl needs as much more here. Groups without ttl keep their keys for ever. Without it nothing is
        dropped.

    Raises
    ------
    DefinitionError
        If the URL or the prefix cannot be, or redis-py or hiredis is not installed.

    Notes
    -----
    Each row is written atomically, by a script in the server. Rows that differ only in their values (the same event
    and created time) cost a second exchange. Where Redis runs as a cache, set ``maxmemory-policy`` to ``noeviction``
    or ``volatile-ttl``: an evicted row is ``missing``.

    Examples
    --------
    >>> store = RedisStore("redis://:secret@localhost:6379/0", definitions={}.__getitem__)
    >>> store
    RedisStore('redis://localhost:6379/0')
    """

    def __init__(
        self,
        url: str,
        definitions: Definitions,
        prefix: str = "palette",
        *,
        timeout: float = 5.0,
        max_connections: int = 64,
        expire_after: dt.timedelta | None = None,
    ) -> None:
        super().__init__(definitions)
        if not prefix or not all(sign.isascii() and (sign.isalnum() or sign in "_-.") for sign in prefix):
            raise DefinitionError(f"prefix {prefix!r} has signs other than letters, digits, '_', '-', '.'")
        self._address = Address(url)
        self._prefix = prefix.encode()
        self._timeout = timeout
        self._slack = None if expire_after is None else expire_after // MICROSECOND
        wire = ClusterWire if self._address.cluster else Wire
        self._wire: Wire | ClusterWire = wire(repr(self), self._address.pool(), max_connections)
        # For each event loop a client, and what closes it.
        self._clients: weakref.WeakKeyDictionary[Any, tuple[Any, AsyncGenerator[Any, None]]]
        self._clients = weakref.WeakKeyDictionary()
        self._redis, _ = library()
        self._ways: dict[str, tuple[bytes, bytes, Shelf]] = {}
        options = {"prefix": prefix, "timeout": timeout, "expire_after": expire_after}
        self._arguments: tuple[str, dict[str, Any]] = (url, options)

    @property
    def place(self) -> str:
        """Where this store is, without passwords."""
        return f"{self._address.shown} {self._address.database} {self._prefix.decode()}"

    def opener(self) -> Callable[[Definitions], RedisStore]:
        """Return what opens this store in another process; a password is in it only if it was in the URL."""
        url, options = self._arguments
        return lambda definitions: RedisStore(url, definitions, max_connections=1, **options)

    def __repr__(self) -> str:
        return f"RedisStore({self._address.shown!r})"

    def close(self) -> None:
        """Close the connections that are free; those of an event loop close with it, or with :meth:`close_async`."""
        self._wire.close()

    async def close_async(self) -> None:
        """Close the connections of the running event loop, which closes them at its end as well."""
        found = self._clients.get(asyncio.get_running_loop())
        if found is not None:
            await found[1].aclose()

    async def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            keeper = self._kept(loop)
            found = self._clients[loop] = (await anext(keeper), keeper)
        return found[0]

    async def _kept(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Any, None]:
        """Keep a client until the event loop shuts down, which ends its generators before it closes."""
        client = self._address.client_async()
        try:
            yield client
        finally:
            self._clients.pop(loop, None)
            await client.aclose()

    def _forget(self, group: str) -> None:
        super()._forget(group)
        self._ways.pop(group, None)

    def _way(self, group: str) -> tuple[bytes, bytes, Shelf]:
        """Return what the keys of a group begin with, its field, and how its rows are kept."""
        # Under the lock, as the shelf itself.
        with self._lock:
            way = self._ways[group] = self._way_of(self._shelf(group))
        return way

    def _way_of(self, shelf: Shelf) -> tuple[bytes, bytes, Shelf]:
        return self._prefix + f":{shelf.entity.name}:".encode(), shelf.group.name.encode(), shelf

    # --- reading

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return packed rows in one round trip; see :meth:`palette.online.RemoteReader.fetch`."""
        commands, places = self._commands(requests)
        rows: list[Row | None] = [None] * len(requests)
        if commands:
            seconds = self._timeout if budget is None else budget
            self._take(self._wire.exchange(commands, seconds), places, rows)
        return rows

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Do as :meth:`fetch` does over redis.asyncio; each event loop has connections of its own."""
        commands, places = self._commands(requests)
        rows: list[Row | None] = [None] * len(requests)
        if not commands:
            return rows
        replies = await self._exchange_async(commands, self._timeout if budget is None else budget)
        try:
            self._take(replies, places, rows, look_up=False)
        except UnknownSchemaError:
            await asyncio.to_thread(self._take, replies, places, rows)
        return rows

    def _commands(self, requests: Sequence[Request]) -> tuple[list[list[Any]], list[list[tuple[int, Shelf]]]]:
        """Return one command an entity key, and whose answers its replies are."""
        commands: list[list[Any]] = []
        places: list[list[tuple[int, Shelf]]] = []
        # By what keys begin with, so that a key of several groups becomes bytes once.
        numbers: dict[tuple[bytes, Any], int] = {}
        ways = self._ways
        for at, (group, key) in enumerate(requests):
            head, field, shelf = ways.get(group) or self._way(group)
            number = numbers.get((head, key))
            if number is not None:
                commands[number].append(field)
                places[number].append((at, shelf))
            elif not is_absent(key):
                numbers[head, key] = len(places)
                commands.append(["HMGET", head + shelf.encode_key(key), field])
                places.append([(at, shelf)])
        return commands, places

    def _take(
        self,
        replies: Sequence[Any],
        places: Sequence[Sequence[tuple[int, Shelf]]],
        rows: list[Row | None],
        *,
        look_up: bool = True,
    ) -> None:
        for reply, asked in zip(replies, places, strict=True):
            if isinstance(reply, Exception):
                raise refusal(repr(self), reply) from reply
            for data, (at, shelf) in zip(reply, asked, strict=True):
                if data is None:
                    continue
                try:
                    rows[at] = shelf.codec.decode(data)
                except UnknownSchemaError:
                    if not look_up:
                        raise
                    rows[at] = self._row(shelf, data)

    def _identity(self, *, make: bool) -> str | None:
        # With the notes: what drops these drops it, too.
        commands: list[Command] = [("HSETNX", self._notes, IDENTITY, os.urandom(16).hex())] if make else []
        identity = self._exchange([*commands, ("HGET", self._notes, IDENTITY)])[-1]
        return None if identity is None else identity.decode()

    def _note(self, group: str, fingerprint: bytes) -> str | None:
        (reply,) = self._exchange([("HGET", self._notes, f"{group}/{fingerprint.hex()}")])
        return None if reply is None else reply.decode()

    @property
    def _notes(self) -> bytes:
        return self._prefix + b":schemas"

    async def _exchange_async(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        if seconds <= 0:
            raise StoreTimeoutError(f"{self!r}: no time was left to ask it")
        client = await self._client()
        try:
            async with asyncio.timeout(seconds):
                if len(commands) == 1:
                    return [await client.execute_command(*commands[0])]
                pipeline = client.pipeline() if self._address.cluster else client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                return list(await pipeline.execute(raise_on_error=False))
        except (TimeoutError, self._redis.exceptions.TimeoutError) as error:
            raise StoreTimeoutError(
                f"{self!r} did not answer within {seconds:.3f} s; raise the budget, or look at the server's load"
            ) from error
        except (OSError, self._redis.RedisError) as error:
            raise failure(repr(self), error) from error

    # --- writing

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> int:
        """Put packed rows, each atomically; see :meth:`palette.online.RemoteReader.put`."""
        return self._keep(self._shelf(group), packed, settled=settled)

    def _put(self, table: GroupTable, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        return self._keep(self._shelf_for(table), packed, settled=settled)

    def _keep(self, shelf: Shelf, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        mode = ALWAYS if shelf.schema.as_they_come else SETTLED if settled else NEWEST
        return self._write_rows(shelf, newest(packed, settled=settled), mode)

    def _write_rows(self, shelf: Shelf, rows: Mapping[Any, Row], mode: str) -> int:
        head, field, _ = self._way_of(shelf)
        encode, encode_key = shelf.codec.encode, shelf.encode_key
        writings = [
            Writing(head + encode_key(key), encode(row), row, self._expiry(row[0], shelf)) for key, row in rows.items()
        ]
        return self._write(writings, field, shelf, mode)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows whatever is known of their keys; see :meth:`palette.online.RemoteReader.replace`."""
        return self._write_rows(self._shelf(group), dict(packed), ALWAYS)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.RemoteReader.retain`.

        It scans all keys of the server that begin with the prefix and the entity.
        """
        head, field, shelf = self._way_of(self._shelf_for(self.table(group)))
        kept = KeySet(head + shelf.encode_key(key) for key in keys)
        gone = 0
        for found in self._wire.scan(head + b"*", self._timeout):
            others = [key for key in found if key not in kept]
            rows = self._exchange([("HGET", key, field) for key in others]) if others else []
            remove: list[Command] = [
                ("EVAL", REMOVE, b"1", key, field, data)
                for key, data in zip(others, rows, strict=True)
                if data is not None and not is_deletion(data)
            ]
            gone += sum(self._exchange(remove)) if remove else 0
        return gone

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a moment; see :meth:`palette.online.RemoteReader.delete`."""
        name = group.full_name if isinstance(group, FeatureGroup) else group
        table, moment = self.table(name), resolve_now(at)
        head, field, shelf = self._way_of(self._shelf_for(table))
        found = dict.fromkeys(table.asked(keys))
        where = [head + shelf.encode_key(key) for key in found if not is_absent(key)]
        if shelf.schema.as_they_come:
            chunks = [where[start : start + CHUNK] for start in range(0, len(where), CHUNK)]
            return sum(sum(self._exchange([("HDEL", one, field) for one in chunk])) for chunk in chunks)
        tombstone = shelf.codec.tombstone(moment)
        expiry = self._expiry(STATIC if shelf.schema.timestamp is None else moment, shelf)
        return self._write([Writing(one, tombstone, moment, expiry) for one in where], field, shelf, NEWEST)

    def _expiry(self, event: int, shelf: Shelf) -> bytes:
        """Return when a key may go, in milliseconds; nothing if never."""
        if self._slack is None or shelf.ttl is None:
            return b""
        return b"%d" % min((event + shelf.ttl + self._slack) // 1000, LATEST_EXPIRY)

    def _write(self, rows: Sequence[Writing], field: bytes, shelf: Shelf, mode: str) -> int:
        taken = 0
        schema = shelf.schema
        note: Command = ("HSET", self._notes, f"{schema.group}/{schema.fingerprint.hex()}", schema.text)
        for start in range(0, len(rows), CHUNK):
            waiting: list[Writing] = list(rows[start : start + CHUNK])
            notes = [note]
            while waiting:
                commands = [one.command(field, mode) for one in waiting]
                # The note comes first: whoever finds a row finds what it was written as.
                replies = self._wire.exchange([*notes, *commands], self._timeout)
                if notes:
                    self._checked(replies[:1])
                    replies = replies[1:]
                notes, again = [], []
                for one, reply in zip(waiting, replies, strict=True):
                    if isinstance(reply, Exception):
                        if not str(reply).startswith("NOSCRIPT"):
                            raise refusal(repr(self), reply) from reply
                        again.append(one)
                    elif isinstance(reply, bytes):
                        if self._wins(shelf, one.new, reply, settled=mode == SETTLED):
                            one.expected = reply
                            again.append(one)
                    else:
                        taken += reply == 1
                if any(isinstance(reply, Exception) for reply in replies):
                    self._wire.everywhere(("SCRIPT", "LOAD", PUT), self._timeout)
                waiting = again
        return taken

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        return self._checked(self._wire.exchange(commands, self._timeout))

    def _checked(self, replies: list[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, Exception):
                raise refusal(repr(self), reply) from reply
        return replies
