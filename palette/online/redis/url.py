"""URLs of Redis: addresses, users, options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from palette.errors import ArgumentError
from palette.online.redis.errors import library

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection
    from redis.connection import ConnectionPool

__all__ = ["Address"]

SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")


class Address:
    """A parsed Redis URL.

    Parameters
    ----------
    url : str
        See :class:`palette.online.redis.store.RedisStore`.

    Attributes
    ----------
    shown : str
        The URL without user, password and options, for errors.
    cluster : bool
        Whether it is one node of a cluster.
    database : int
        The number of the database.

    Raises
    ------
    ArgumentError
        If it is not such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2]
            _ = parts.port
            split = "@" in f"{parts.path}{parts.query}{parts.fragment}"
        except ValueError:
            split = True
        if split:
            # Not shown: a string at the position of a port or path may be a password.
            raise ArgumentError(
                "a Redis URL has a bad port, host or password: expected redis://USER:PASSWORD@HOST:PORT/DATABASE, "
                "where '/', '?', '#' and '@' of a password are %2F, %3F, %23 and %40"
            )
        if parts.scheme not in SCHEMES:
            raise ArgumentError(f"a Redis URL begins with one of {', '.join(SCHEMES)}; found {parts.scheme!r}")
        self.shown = f"{parts.scheme}://{host}{parts.path}"
        self.cluster = parts.scheme.endswith("+cluster")
        self._url = url.replace("+cluster://", "://", 1)
        library()
        self.database = int(self._options().get("db") or 0)

    def _options(self, module: str = "redis.connection") -> dict[str, Any]:
        """Return the URL as keyword arguments of a connection pool of redis-py."""
        import importlib

        try:
            options: dict[str, Any] = importlib.import_module(module).parse_url(self._url)
        except ValueError as error:
            raise ArgumentError(f"{self.shown}: {error}") from None
        for name in ("timeout", "max_connections", "decode_responses", "socket_timeout", "socket_connect_timeout"):
            options.pop(name, None)  # of no use here: budgets rule
        for name, variable in (("username", "PALETTE_REDIS_USERNAME"), ("password", "PALETTE_REDIS_PASSWORD")):
            if os.environ.get(variable) and not options.get(name):
                options[name] = os.environ[variable]
        # Without a name for the client nothing is sent before the first command.
        return {**options, "protocol": 2, "driver_info": None}

    def pool(self) -> ConnectionPool:
        """Return redis-py's connection pool, which opens a connection when one is needed."""
        from redis.connection import ConnectionPool

        return ConnectionPool(**self._options())

    async def connect_async(self) -> AbstractConnection:
        """Return a new connection for the running event loop, connected."""
        from redis.asyncio.connection import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = ConnectionPool(**self._options("redis.asyncio.connection"), retry=Retry(NoBackoff(), 0))
        connection: AbstractConnection = pool.connection_class(**pool.connection_kwargs)
        await connection.connect()
        return connection

    def cluster_async(self) -> Any:
        """Return redis-py's client of a cluster for the running event loop."""
        from redis.asyncio import RedisCluster

        options = self._options("redis.asyncio.connection")
        secure = options.pop("connection_class", None) is not None
        options.pop("db", None)
        return RedisCluster(**options, ssl=secure)
