"""Engines of SQLite and PostgreSQL for a catalog."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError

from palette.errors import CatalogError, DefinitionError

__all__ = ["BUSY_SECONDS", "PASSWORD", "create_engine", "parse_url"]

PASSWORD = "PALETTE_CATALOG_PASSWORD"  # noqa: S105  the name of the variable
# Maximum time that a writer waits for another.
BUSY_SECONDS = 60


def parse_url(url: str) -> sa.URL:
    """Parse the URL of a catalog.

    Raises
    ------
    DefinitionError
        If it is not of SQLite or PostgreSQL, or contains a password.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (sa.exc.ArgumentError, NoSuchModuleError, ValueError):
        # The URL is not shown: it may contain a password.
        raise DefinitionError("catalog: not a database URL; expected postgresql+psycopg://USER@HOST/DATABASE") from None
    if backend not in ("sqlite", "postgresql"):
        raise DefinitionError(f"catalog: {backend!r} is not supported; use postgresql+psycopg")
    if parsed.password is not None or any("password" in key.lower() for key in parsed.query):
        raise DefinitionError(f"catalog: the URL contains a password; set the environment variable {PASSWORD}")
    if backend == "sqlite" and not os.path.isabs(parsed.database or ""):
        raise DefinitionError("catalog: SQLite needs an absolute path, sqlite:////DIRECTORY/catalog.db")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def create_engine(url: sa.URL) -> sa.Engine:
    """Return an engine whose transactions read committed rows, and on SQLite lock the file if they write.

    Raises
    ------
    CatalogError
        If the driver of PostgreSQL is not installed.
    """
    if url.get_backend_name() == "postgresql":
        if password := os.environ.get(PASSWORD):
            url = url.set(password=password)
        try:
            # The default of a role or database may be a level at which writers do not exclude each other.
            return sa.create_engine(
                url,
                pool_pre_ping=True,
                pool_size=2,
                hide_parameters=True,
                isolation_level="READ COMMITTED",
                connect_args={"connect_timeout": 10},
            )
        except ImportError as error:
            raise CatalogError(f"{url!r} needs psycopg ({error}): pip install 'palette-features[postgres]'") from error
    # A new connection each time: an open one would not notice that the file was replaced.
    engine = sa.create_engine(
        url, poolclass=sa.pool.NullPool, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("palette_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
