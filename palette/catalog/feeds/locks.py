"""Locks of feeds, held in the catalog."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.write import current_user, now
from palette.errors import CatalogError, LockedError, PaletteError

__all__ = ["Lease", "Locks"]

# Seconds between two signs of life, and after how many without one a lock is taken over.
BEAT, STALE = 10.0, 120.0


class Lease:
    """A lock that is held, with a thread that gives signs of life."""

    def __init__(self, locks: Locks, name: str, token: str, beat: float) -> None:
        self._locks, self._name, self._token, self._beat = locks, name, token, beat
        self._done = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._live, name=f"lock {name}", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._done.wait(self._beat):
            # One sign that does not arrive is no harm; the next may.
            with contextlib.suppress(PaletteError, sa.exc.SQLAlchemyError):
                self._lost = not self._locks._lives(self._name, self._token)
                if self._lost:
                    return

    def check(self) -> None:
        """Ask whether the lock is still held.

        Raises
        ------
        LockedError
            If another took it over: this process gave no sign of life for too long.
        """
        if self._lost or not self._locks._lives(self._name, self._token):
            raise LockedError(
                f"{self._name}: this run was taken for dead after {STALE:.0f} s without a sign of life, and another "
                f"took its place: let that one finish"
            )

    def release(self) -> None:
        """Let go of the lock."""
        self._done.set()
        self._thread.join()
        self._locks._forget_lock(self._name, self._token)


class Locks:
    """Locks that processes hold, with a heartbeat in the database.

    Parameters
    ----------
    database : Database
        The database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextlib.contextmanager
    def lock(self, name: str, *, stale: float = STALE, beat: float = BEAT) -> Iterator[Lease]:
        """Hold a lock while a block runs, with signs of life in the database.

        A lock is taken over if its process is dead on this machine, or gave no sign of life for ``stale`` seconds.

        Raises
        ------
        LockedError
            If it is held; it says by whom and since when.

        Examples
        --------
        >>> import tempfile
        >>> from palette.catalog import SqlCatalog
        >>> catalog = SqlCatalog.in_directory(tempfile.mkdtemp())
        >>> with catalog.feeds.lock("restaurant:menu") as lease:
        ...     lease.check()
        """
        token = uuid.uuid4().hex
        mine: dict[str, Any] = {"token": token, "who": current_user(), "pid": os.getpid()}
        mine |= {"host": socket.gethostname(), "machine": _machine(), "process": _born(os.getpid())}

        def take(connection: sa.Connection) -> None:
            asked = sa.select(tables.locks).where(tables.locks.c.name == name).with_for_update()
            found = connection.execute(asked).one_or_none()
            at = _clock(connection)
            if found is not None:
                silent = (at - found.heartbeat).total_seconds()
                if not _dead(found) and silent < stale:
                    raise LockedError(
                        f"{name}: {found.who} works on it, process {found.pid} on {found.host}, since "
                        f"{found.since:%Y-%m-%d %H:%M:%S} UTC: wait until that run ends (without a sign of life its "
                        f"lock ends after {stale:.0f} s; the last one was {max(silent, 0):.0f} s ago)"
                    )
                connection.execute(tables.locks.delete().where(tables.locks.c.name == name))
            connection.execute(tables.locks.insert().values(name=name, since=at, heartbeat=at, **mine))

        self._database.change(take)
        lease = Lease(self, name, token, beat)
        try:
            yield lease
        except BaseException:
            # What went wrong in the block is what matters, even where the lock cannot be let go of.
            with contextlib.suppress(CatalogError):
                lease.release()
            raise
        lease.release()

    def _lives(self, name: str, token: str) -> bool:
        """Give a sign of life; tell whether the lock is still held."""
        held = tables.locks.c

        def beat(connection: sa.Connection) -> bool:
            update = tables.locks.update().where(held.name == name, held.token == token)
            return bool(connection.execute(update.values(heartbeat=_clock(connection))).rowcount)

        # Not in turn: behind a long write a holder would seem dead.
        return self._database.change(beat, exclusive=False)

    def _forget_lock(self, name: str, token: str) -> None:
        held = tables.locks.c
        own = sa.and_(held.name == name, held.token == token)
        self._database.change(lambda connection: connection.execute(tables.locks.delete().where(own)))


def _clock(connection: sa.Connection) -> dt.datetime:
    """Return the time by one clock for all who share the database."""
    if connection.dialect.name == "sqlite":
        return now()
    found = connection.scalar(sa.text("SELECT clock_timestamp() AT TIME ZONE 'UTC'"))
    assert isinstance(found, dt.datetime)
    return found


def _machine() -> str:
    """Return what tells machines, their starts and their containers apart: process numbers count within it."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _born(pid: int) -> str:
    """Return when a process began, as the system counts; empty where it does not tell."""
    try:
        # After the name, which may hold anything: the 22nd field of all.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _dead(holder: Any) -> bool:
    """Tell whether the process of a lock is certainly no more."""
    if holder.machine != _machine():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is another user's
    # Where the system does not say when it began, it may be the same one.
    born = _born(holder.pid)
    return bool(holder.process and born) and born != holder.process
