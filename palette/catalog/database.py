"""Connections to the catalog's database: SQLite beside the tables, or PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from palette.catalog import tables
from palette.catalog.migrations import HEAD
from palette.catalog.migrations.import_json import put_aside, take_over
from palette.errors import ArgumentError, CatalogError, DefinitionError, PaletteError

__all__ = ["PASSWORD", "VERSION_TABLE", "Database"]

T = TypeVar("T")
PASSWORD = "PALETTE_CATALOG_PASSWORD"  # noqa: S105  the name of the variable, not what is in it
VERSION_TABLE = "palette_catalog_version"
BUSY_SECONDS = 60
TRIES = 8
# Serialisation failures and deadlocks: the same work may succeed a moment later.
AGAIN = ("40001", "40P01")
LOCK_NOT_AVAILABLE = "55P03"
# So that a writer that stands still, on a laptop that was closed, ends by itself, and others do not wait without end.
# Set in the transaction, which poolers that refuse options at the start let through; what a URL or role says stays.
PATIENCE = sa.text(
    "SELECT "
    + ", ".join(
        f"CASE current_setting('{name}') WHEN '0' THEN set_config('{name}', '{BUSY_SECONDS}s', true) END"
        for name in ("lock_timeout", "idle_in_transaction_session_timeout")
    )
)
# Two processes may make the same empty database ready; one key for all catalogs is enough.
READY_LOCK = 0x70616C65


class Database:
    """Transactions on one catalog database, which is made ready at the first change.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST:PORT/DATABASE``. The password comes from the
        environment, ``PALETTE_CATALOG_PASSWORD`` (or what libpq reads: ``PGPASSWORD``, ``~/.pgpass``).
    legacy : Path, optional
        A ``catalog.json`` of an earlier release, taken over when the database is made.

    Raises
    ------
    DefinitionError
        If the URL is of another kind, or holds a password.
    """

    def __init__(self, url: str, legacy: Path | None = None) -> None:
        self._url = _checked_url(url)
        self._legacy = legacy
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_legacy": self._legacy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"Database({self.url!r})"

    def __str__(self) -> str:
        return f"catalog {self.url}"

    @property
    def url(self) -> str:
        """The URL, without a password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """The SQLite file, if it is one."""
        return Path(str(self._url.database)) if self._url.get_backend_name() == "sqlite" else None

    def _forget(self) -> None:
        self._engine: sa.Engine | None = None
        self._pid = 0
        self._ready = False
        self._lock = threading.RLock()

    def close(self) -> None:
        """Give up the connections of this process; the next question makes new ones."""
        with self._lock:
            if self._engine is not None and self._pid == os.getpid():
                self._engine.dispose()
            self._engine = None

    @property
    def engine(self) -> sa.Engine:
        """The connections of this process; a fork makes its own."""
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                if self._engine is not None:
                    self._engine.dispose(close=False)
                self._engine, self._pid = _engine(self._url), os.getpid()
            return self._engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """Give a connection that only reads; None while there is no catalog."""
        if self._missing() and not self._old():
            yield None
            return
        # PostgreSQL shows others' changes between statements anyhow; BEGIN and ROLLBACK would be two trips more.
        options = {"isolation_level": "AUTOCOMMIT"} if self.path is None else {}
        with self._told(), self._read(), self.engine.connect().execution_options(**options) as connection:
            if self.path is not None or not self._ready:
                found = _revision(connection)
                if found != HEAD:
                    connection.rollback()
                    if found is None and not self._old():
                        yield None
                        return
                    self.change(lambda _: None)
                self._ready = True
            yield connection

    def change(self, work: Callable[[sa.Connection], T], *, turns: bool = True) -> T:
        """Do work in one transaction; writers take turns, so what it reads is what it changes.

        It may be done again from the start where the database says so. What changes a single row, whatever others do,
        need not wait for its turn (on SQLite it does).

        Raises
        ------
        CatalogError
            If another writer holds the database for longer than a minute, or the time that the server is told.
        """
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(TRIES)):
            try:
                with (
                    self._told(),
                    self.engine.connect().execution_options(palette_writes=True) as connection,
                    connection.begin(),
                ):
                    if connection.dialect.name == "postgresql":
                        connection.execute(PATIENCE)
                    taken = self._make_ready(connection)
                    if turns:
                        connection.execute(sa.select(tables.state.c.revision).with_for_update())
                    result = work(connection)
                if taken and self._legacy is not None:
                    put_aside(self._legacy)
                self._ready = True
                return result  # noqa: TRY300  the loop's way out
            except _AgainError as error:
                if not left:
                    raise CatalogError(f"{self}: other writers came first {TRIES} times") from error
                time.sleep(random.uniform(0.01, 0.1) * (TRIES - left))  # noqa: S311  no secret
        raise AssertionError

    def _missing(self) -> bool:
        return self.path is not None and not self.path.exists()

    def _old(self) -> bool:
        return self._legacy is not None and self._legacy.exists()

    def _make_ready(self, connection: sa.Connection) -> bool:
        """Bring the tables to this release's form; tell whether an old file was taken over."""
        found = _revision(connection)
        if found == HEAD:
            return False
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(READY_LOCK)))
            found = _revision(connection)
        try:
            from palette.catalog.migrations.upgrade import upgrade
        except ModuleNotFoundError as error:
            raise CatalogError(f"{self} needs {error.name}: pip install 'palette-features[catalog]'") from error
        upgrade(connection, found, VERSION_TABLE)
        if found is None and self._old():
            assert self._legacy is not None
            take_over(connection, self._legacy)
            return True
        return False

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in AGAIN:
                raise _AgainError(f"{self}: {error.orig}") from error
            if state == LOCK_NOT_AVAILABLE or str(error.orig) == "database is locked":
                told = str(error.orig).partition("\n")[0]
                raise CatalogError(
                    f"{self}: another writer holds the catalog ({told}); try again when it has ended"
                ) from error
            if "NUL (0x00)" in str(error.orig):
                raise ArgumentError(f"{self}: a string contains a NUL character; remove it") from error
            # Without the statement and its values, which are nobody's business in a log.
            raise CatalogError(f"{self}: {error.orig}") from error
        except PoolTimeoutError as error:
            raise CatalogError(f"{self}: {error}") from error
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{self}: a string contains an unpaired surrogate; remove it") from error
        except OverflowError as error:
            raise ArgumentError(f"{self}: a number is too large: {error}") from error

    @contextlib.contextmanager
    def _read(self) -> Iterator[None]:
        """Tell of rows that cannot be read; when something is written, it may be the caller's values."""
        try:
            yield
        except (PaletteError, UnicodeEncodeError):
            raise
        except (InvalidRequestError, ValueError) as error:
            raise CatalogError(f"{self} holds what no release of palette writes: {error}") from error


class _AgainError(CatalogError):
    """Of a change: it may be done again. Of a read, on a hot standby, it is up to the caller."""


def _checked_url(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (sa.exc.ArgumentError, NoSuchModuleError, ValueError):
        # The text is not shown: there may be a password in it.
        raise DefinitionError("catalog: not a database URL; write postgresql+psycopg://USER@HOST/DATABASE") from None
    if backend not in ("sqlite", "postgresql"):
        raise DefinitionError(f"catalog: {backend!r} is no database for a catalog; take postgresql+psycopg")
    if parsed.password is not None or any("password" in word.lower() for word in parsed.query):
        raise DefinitionError(f"catalog: the URL holds a password; put it into the environment as {PASSWORD}")
    if backend == "sqlite" and not os.path.isabs(parsed.database or ""):
        raise DefinitionError("catalog: SQLite needs the whole path of a file, sqlite:////DIRECTORY/catalog.db")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        if password := os.environ.get(PASSWORD):
            url = url.set(password=password)
        try:
            # What a role or database has by default may be a level at which turns of writers are no turns.
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
    # A connection each time: the file may be replaced under us, and an open one would not notice.
    engine = sa.create_engine(
        url, poolclass=sa.pool.NullPool, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("palette_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _revision(connection: sa.Connection) -> str | None:
    if connection.dialect.name == "sqlite":
        known = sa.text("SELECT 1 FROM sqlite_master WHERE name = :name")
    else:
        known = sa.text("SELECT to_regclass(:name)")
    if connection.execute(known, {"name": VERSION_TABLE}).scalar() is None:
        return None
    return str(connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar())  # noqa: S608
