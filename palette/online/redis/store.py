"""Redis as online store: one hash an entity key, one field a feature group."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from palette.definitions import FeatureGroup
from palette.errors import ArgumentError
from palette.online.codec.byte_store import IDENTITY, ByteStore, GroupCodec
from palette.online.codec.codec import UnknownSchemaError, is_deletion
from palette.online.codec.keys import KeySet, is_absent
from palette.online.defined_groups import Definitions
from palette.online.layout import STATIC, Request, Row
from palette.online.order import newest
from palette.online.redis.cluster import AsyncClusterWire, ClusterWire
from palette.online.redis.errors import refusal
from palette.online.redis.lookups import Lookups, Route
from palette.online.redis.per_loop import PerLoop
from palette.online.redis.protocol import Command
from palette.online.redis.script import ALWAYS, NEWEST, PUT, REMOVE, RESOLVED, Write
from palette.online.redis.url import Address
from palette.online.redis.wire import Wire
from palette.online.redis.wire_async import AsyncWire
from palette.times import MICROSECOND, resolve_now

__all__ = ["RedisStore"]

CHUNK = 1000
LATEST_EXPIRY = 1 << 52  # Lua counts in doubles


class RedisStore(ByteStore):
    """The newest row of every key, in Redis.

    Parameters
    ----------
    url : str
        ``redis://[user:password@]host:port/db``, ``rediss://`` for TLS, ``unix:///path/to/socket``,
        ``redis+cluster://host:port`` and ``rediss+cluster://``; options of redis-py as a query
        (``?ssl_ca_certs=ca.pem``). User and password default to ``PALETTE_REDIS_USERNAME`` and
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
    ArgumentError
        If the URL or the prefix is invalid.
    DefinitionError
        If redis-py or hiredis is not installed.

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
        if not prefix or not all(char.isascii() and (char.isalnum() or char in "_-.") for char in prefix):
            raise ArgumentError(f"prefix {prefix!r} contains characters other than letters, digits, '_', '-', '.'")
        self._address = Address(url)
        self._prefix = prefix.encode()
        self._timeout = timeout
        self._slack = None if expire_after is None else expire_after // MICROSECOND
        name, address = repr(self), self._address
        self._wire: Wire | ClusterWire
        self._wires: PerLoop[AsyncWire] | PerLoop[AsyncClusterWire]
        if address.cluster:
            self._wire = ClusterWire(name, address.cluster_async)
            self._wires = PerLoop(lambda: AsyncClusterWire(name, address.cluster_async))
        else:
            self._wire = Wire(name, address.pool(), max_connections)
            self._wires = PerLoop(lambda: AsyncWire(name, address.connect_async, max_connections))
        self._routes: dict[str, Route] = {}
        options = {"prefix": prefix, "timeout": timeout, "expire_after": expire_after}
        self._arguments: tuple[str, dict[str, Any]] = (url, options)

    @property
    def address(self) -> str:
        """Address of the store, without passwords."""
        return f"{self._address.shown} {self._address.database} {self._prefix.decode()}"

    def opener(self) -> Callable[[Definitions], RedisStore]:
        """Return a function that opens this store in another process; a password is in it only if it was in the URL."""
        url, options = self._arguments
        return lambda definitions: RedisStore(url, definitions, max_connections=1, **options)

    def __repr__(self) -> str:
        return f"RedisStore({self._address.shown!r})"

    def close(self) -> None:
        """Close the connections that are free; those of an event loop close with it, or with :meth:`close_async`."""
        self._wire.close()

    async def close_async(self) -> None:
        """Close the connections of the running event loop, which closes them at its end as well."""
        await self._wires.close()
        self.close()

    def _invalidate_layout(self, group: str) -> None:
        super()._invalidate_layout(group)
        self._routes.pop(group, None)

    def _route(self, group: str) -> Route:
        # Under the lock, as the codec itself.
        with self._lock:
            route = self._routes[group] = self._route_of(self._codec(group))
        return route

    def _route_of(self, codec: GroupCodec) -> Route:
        schema = codec.layout.schema
        return Route(self._prefix + f":{schema.entity.name}:".encode(), schema.group.name.encode(), codec)

    # --- reading

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return packed rows in one round trip; see :meth:`palette.online.FeatureReader.fetch`."""
        lookups = Lookups(requests, self._routes, self._route)
        if lookups.commands:
            replies = self._wire.exchange(lookups.commands, self._timeout if budget is None else budget)
            lookups.decode(self._check(replies), self._row)
        return lookups.rows

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Do as :meth:`fetch` does without blocking the event loop, which has connections of its own."""
        lookups = Lookups(requests, self._routes, self._route)
        if not lookups.commands:
            return lookups.rows
        wire = await self._wires.get()
        replies = self._check(await wire.exchange(lookups.commands, self._timeout if budget is None else budget))
        try:
            lookups.decode(replies)
        except UnknownSchemaError:
            await asyncio.to_thread(lookups.decode, replies, self._row)
        return lookups.rows

    def _own_name(self, *, make: bool) -> str | None:
        # Next to the schemas: whatever drops these drops it, too.
        commands: list[Command] = [("HSETNX", self._schemas, IDENTITY, os.urandom(16).hex())] if make else []
        name = self._exchange([*commands, ("HGET", self._schemas, IDENTITY)])[-1]
        return None if name is None else name.decode()

    def _schema_record(self, group: str, fingerprint: bytes) -> str | None:
        (reply,) = self._exchange([("HGET", self._schemas, f"{group}/{fingerprint.hex()}")])
        return None if reply is None else reply.decode()

    @property
    def _schemas(self) -> bytes:
        return self._prefix + b":schemas"

    # --- writing

    def _put(self, codec: GroupCodec, packed: Iterable[tuple[Any, Row]], *, resolved: bool) -> int:
        mode = ALWAYS if codec.stored.without_times else RESOLVED if resolved else NEWEST
        return self._write_rows(codec, newest(packed, resolved=resolved), mode)

    def _write_rows(self, codec: GroupCodec, rows: Mapping[Any, Row], mode: str) -> int:
        head, field, _ = self._route_of(codec)
        encode, encode_key = codec.rows.encode, codec.encode_key
        writes = [
            Write(head + encode_key(key), encode(row), row, self._expiry(row[0], codec)) for key, row in rows.items()
        ]
        return self._write(writes, field, codec, mode)

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows over whatever is known of their keys; see :meth:`palette.online.OnlineStore.replace`."""
        return self._write_rows(self._codec(group), dict(packed), ALWAYS)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.OnlineStore.retain`.

        It scans all keys of the server that begin with the prefix and the entity.
        """
        head, field, codec = self._route_of(self._codec_for(self.layout(group)))
        retained = KeySet(head + codec.encode_key(key) for key in keys)
        removed = 0
        for scanned in self._wire.scan(head + b"*", self._timeout):
            others = [key for key in scanned if key not in retained]
            rows = self._exchange([("HGET", key, field) for key in others]) if others else []
            remove: list[Command] = [
                ("EVAL", REMOVE, b"1", key, field, data)
                for key, data in zip(others, rows, strict=True)
                if data is not None and not is_deletion(data)
            ]
            removed += sum(self._exchange(remove)) if remove else 0
        return removed

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a time; see :meth:`palette.online.OnlineStore.delete`."""
        name = group.full_name if isinstance(group, FeatureGroup) else group
        layout, deleted_at = self.layout(name), resolve_now(at)
        head, field, codec = self._route_of(self._codec_for(layout))
        distinct = dict.fromkeys(layout.lookup_keys(keys))
        hashes = [head + codec.encode_key(key) for key in distinct if not is_absent(key)]
        if codec.stored.without_times:
            chunks = [hashes[start : start + CHUNK] for start in range(0, len(hashes), CHUNK)]
            return sum(sum(self._exchange([("HDEL", key, field) for key in chunk])) for chunk in chunks)
        tombstone = codec.rows.tombstone(deleted_at)
        expiry = self._expiry(STATIC if codec.stored.timestamp is None else deleted_at, codec)
        return self._write([Write(key, tombstone, deleted_at, expiry) for key in hashes], field, codec, NEWEST)

    def _expiry(self, event: int, codec: GroupCodec) -> bytes:
        """Return when a key may expire, in milliseconds; empty if never."""
        ttl = codec.layout.schema.ttl_micros
        if self._slack is None or ttl is None:
            return b""
        return b"%d" % min((event + ttl + self._slack) // 1000, LATEST_EXPIRY)

    def _write(self, writes: Sequence[Write], field: bytes, codec: GroupCodec, mode: str) -> int:
        count = 0
        stored = codec.stored
        record: Command = ("HSET", self._schemas, f"{stored.group}/{stored.fingerprint.hex()}", stored.json)
        for start in range(0, len(writes), CHUNK):
            waiting: list[Write] = list(writes[start : start + CHUNK])
            records = [record]
            while waiting:
                commands = [write.command(field, mode) for write in waiting]
                # The schema comes first: whoever reads a row finds the schema that it was written in.
                replies = self._wire.exchange([*records, *commands], self._timeout)
                if records:
                    self._check(replies[:1])
                    replies = replies[1:]
                records, again = [], []
                for write, reply in zip(waiting, replies, strict=True):
                    if isinstance(reply, Exception):
                        if not str(reply).startswith("NOSCRIPT"):
                            raise refusal(repr(self), reply) from reply
                        again.append(write)
                    elif isinstance(reply, bytes):
                        if self._wins(codec, write.new, reply, resolved=mode == RESOLVED):
                            write.expected = reply
                            again.append(write)
                    else:
                        count += reply == 1
                if any(isinstance(reply, Exception) for reply in replies):
                    self._wire.everywhere(("SCRIPT", "LOAD", PUT), self._timeout)
                waiting = again
        return count

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        return self._check(self._wire.exchange(commands, self._timeout))

    def _check(self, replies: list[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, Exception):
                raise refusal(repr(self), reply) from reply
        return replies
