"""Database of the catalog: transactions, retries, migrations."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from palette.catalog import tables
from palette.catalog.engine import BUSY_SECONDS, create_engine, parse_url
from palette.catalog.migrations import HEAD
from palette.catalog.migrations.import_json import import_json, set_aside
from palette.errors import ArgumentError, CatalogError, PaletteError

__all__ = ["VERSION_TABLE", "Database"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
VERSION_TABLE = "palette_catalog_version"
TRIES = 8
# Serialization failures and deadlocks: a retry may succeed.
RETRYABLE = ("40001", "40P01")
LOCK_NOT_AVAILABLE = "55P03"
# Ends an idle writer, on a suspended laptop for example, so that others do not wait forever. Set in the transaction,
# since some connection poolers reject options at connect; settings of a URL or role are not changed.
TIMEOUTS = sa.text(
    "SELECT "
    + ", ".join(
        f"CASE current_setting('{name}') WHEN '0' THEN set_config('{name}', '{BUSY_SECONDS}s', true) END"
        for name in ("lock_timeout", "idle_in_transaction_session_timeout")
    )
)
# Two processes may create the tables of the same database; one key for all catalogs is enough.
MIGRATION_LOCK = 0x70616C65


class Database:
    """Transactions on the database of a catalog, whose tables are created at the first change.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST:PORT/DATABASE``. The password comes from the
        environment, ``PALETTE_CATALOG_PASSWORD`` (or what libpq reads: ``PGPASSWORD``, ``~/.pgpass``).
    legacy : Path, optional
        A ``catalog.json`` of an earlier release, imported when the database is created.

    Raises
    ------
    DefinitionError
        If the URL is of another kind, or contains a password.
    """

    def __init__(self, url: str, legacy: Path | None = None) -> None:
        self._url = parse_url(url)
        self._legacy = legacy
        self._reset()

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_legacy": self._legacy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

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

    def _reset(self) -> None:
        self._engine: sa.Engine | None = None
        self._pid = 0
        self._ready = False
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the connections of this process; the next call opens new ones."""
        with self._lock:
            if self._engine is not None and self._pid == os.getpid():
                self._engine.dispose()
            self._engine = None

    @property
    def engine(self) -> sa.Engine:
        """The connections of this process; a forked process opens its own."""
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                if self._engine is not None:
                    self._engine.dispose(close=False)
                self._engine, self._pid = create_engine(self._url), os.getpid()
            return self._engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """Yield a connection for reading; None if there is no catalog yet."""
        if self._is_missing() and not self._has_legacy():
            yield None
            return
        # PostgreSQL shows changes of others between statements anyway; BEGIN and ROLLBACK would be two round trips.
        options = {"isolation_level": "AUTOCOMMIT"} if self.path is None else {}
        with (
            self._translate_errors(),
            self._translate_read_errors(),
            self.engine.connect().execution_options(**options) as connection,
        ):
            if self.path is not None or not self._ready:
                revision = _read_revision(connection)
                if revision != HEAD:
                    connection.rollback()
                    if revision is None and not self._has_legacy():
                        yield None
                        return
                    self.change(lambda _: None)
                self._ready = True
            yield connection

    def change(self, work: Callable[[sa.Connection], T], *, exclusive: bool = True) -> T:
        """Do work in one transaction, and again from the start after a conflict.

        Parameters
        ----------
        work : callable
            Takes the connection; may be called several times.
        exclusive : bool
            Whether to lock out other writers, so that what ``work`` reads stays until it has written. Not needed for an
            update of a single row; SQLite always does.

        Raises
        ------
        CatalogError
            If another writer locks the database for longer than a minute, or than the server's timeout.
        """
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, TRIES + 1):
            try:
                with (
                    self._translate_errors(),
                    self.engine.connect().execution_options(palette_writes=True) as connection,
                    connection.begin(),
                ):
                    if connection.dialect.name == "postgresql":
                        connection.execute(TIMEOUTS)
                    imported = self._migrate(connection)
                    if exclusive:
                        connection.execute(sa.select(tables.state.c.revision).with_for_update())
                    result = work(connection)
                if imported and self._legacy is not None:
                    set_aside(self._legacy)
                self._ready = True
                return result  # noqa: TRY300  the loop's way out
            except _RetryError as error:
                if attempt == TRIES:
                    raise CatalogError(f"{self}: {TRIES} attempts conflicted with other writers") from error
                logger.info("%s: attempt %d of %d conflicted with another writer, retrying", self, attempt, TRIES)
                time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  no secret
        raise AssertionError

    def _is_missing(self) -> bool:
        return self.path is not None and not self.path.exists()

    def _has_legacy(self) -> bool:
        return self._legacy is not None and self._legacy.exists()

    def _migrate(self, connection: sa.Connection) -> bool:
        """Upgrade the tables to this release; return whether an old file was imported."""
        revision = _read_revision(connection)
        if revision == HEAD:
            return False
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            revision = _read_revision(connection)
        try:
            from palette.catalog.migrations.upgrade import upgrade
        except ModuleNotFoundError as error:
            raise CatalogError(f"{self} needs {error.name}: pip install 'palette-features[catalog]'") from error
        if revision != HEAD:
            logger.info("%s: migrating from revision %s to %s", self, revision, HEAD)
        upgrade(connection, revision, VERSION_TABLE)
        if revision is None and self._has_legacy():
            assert self._legacy is not None
            logger.info("%s: importing %s", self, self._legacy)
            import_json(connection, self._legacy)
            return True
        return False

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in RETRYABLE:
                raise _RetryError(f"{self}: {error.orig}") from error
            if state == LOCK_NOT_AVAILABLE or str(error.orig) == "database is locked":
                reason = str(error.orig).partition("\n")[0]
                raise CatalogError(
                    f"{self}: locked by another writer ({reason}); try again when it has ended"
                ) from error
            if "NUL (0x00)" in str(error.orig):
                raise ArgumentError(f"{self}: a string contains a NUL character; remove it") from error
            # Without the statement and its values, which do not belong in a log.
            raise CatalogError(f"{self}: {error.orig}") from error
        except PoolTimeoutError as error:
            raise CatalogError(f"{self}: {error}") from error
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{self}: a string contains an unpaired surrogate; remove it") from error
        except OverflowError as error:
            raise ArgumentError(f"{self}: a number is too large: {error}") from error

    @contextlib.contextmanager
    def _translate_read_errors(self) -> Iterator[None]:
        """Report unreadable rows; not used for writes, where the caller's values may be at fault."""
        try:
            yield
        except (PaletteError, UnicodeEncodeError):
            raise
        except (InvalidRequestError, ValueError) as error:
            raise CatalogError(f"{self} contains a corrupt row: {error}") from error


class _RetryError(CatalogError):
    """A change may be retried; a read on a hot standby is not, by palette."""


def _read_revision(connection: sa.Connection) -> str | None:
    if connection.dialect.name == "sqlite":
        known = sa.text("SELECT 1 FROM sqlite_master WHERE name = :name")
    else:
        known = sa.text("SELECT to_regclass(:name)")
    if connection.execute(known, {"name": VERSION_TABLE}).scalar() is None:
        return None
    return str(connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar())  # noqa: S608
