"""Locks of feeds, held in the catalog."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
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

LOG = logging.getLogger(__name__)
# Seconds between two heartbeats; seconds without one until a lock expires.
HEARTBEAT, EXPIRY = 10.0, 120.0


class Lease:
    """A held lock, with a thread that sends its heartbeats."""

    def __init__(self, locks: Locks, name: str, token: str, beat: float) -> None:
        self._locks, self._name, self._token, self._beat = locks, name, token, beat
        self._done = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._send_heartbeats, name=f"lock {name}", daemon=True)
        self._thread.start()

    def _send_heartbeats(self) -> None:
        while not self._done.wait(self._beat):
            # A heartbeat that fails does no harm; the next one may arrive.
            with contextlib.suppress(PaletteError, sa.exc.SQLAlchemyError):
                self._lost = not self._locks._renew(self._name, self._token)
                if self._lost:
                    return

    def check(self) -> None:
        """Renew the lock.

        Raises
        ------
        LockedError
            If it expired, since this process sent no heartbeat, and another run acquired it.
        """
        if self._lost or not self._locks._renew(self._name, self._token):
            raise LockedError(
                f"{self._name}: lock expired: no heartbeat for {EXPIRY:.0f} s, and another run acquired it: let that "
                f"run finish"
            )

    def release(self) -> None:
        """Release the lock."""
        self._done.set()
        self._thread.join()
        self._locks._delete(self._name, self._token)


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
    def lock(self, name: str, *, stale: float = EXPIRY, beat: float = HEARTBEAT) -> Iterator[Lease]:
        """Hold a lock while a block runs, with heartbeats in the database.

        A lock expires if its process on this machine has ended, or it had no heartbeat for ``stale`` seconds.

        Raises
        ------
        LockedError
            If it is held; the message has the holder, and since when.

        Examples
        --------
        >>> import tempfile
        >>> from palette.catalog import SqlCatalog
        >>> catalog = SqlCatalog.in_directory(tempfile.mkdtemp())
        >>> with catalog.feeds.lock("restaurant:menu") as lease:
        ...     lease.check()
        """
        token = uuid.uuid4().hex
        row: dict[str, Any] = {"token": token, "who": current_user(), "pid": os.getpid()}
        row |= {"host": socket.gethostname(), "machine": _machine_id(), "process": _start_time(os.getpid())}

        def acquire(connection: sa.Connection) -> None:
            query = sa.select(tables.locks).where(tables.locks.c.name == name).with_for_update()
            holder = connection.execute(query).one_or_none()
            at = _clock(connection)
            if holder is not None:
                silent = (at - holder.heartbeat).total_seconds()
                process = f"process {holder.pid} on {holder.host}"
                if not _has_ended(holder) and silent < stale:
                    raise LockedError(
                        f"{name}: locked by {holder.who}, {process}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC: "
                        f"wait until that run ends (without heartbeats its lock expires after {stale:.0f} s; the last "
                        f"one was {max(silent, 0):.0f} s ago)"
                    )
                LOG.info("%s: took over the lock of %s, whose last heartbeat was %.0f s ago", name, process, silent)
                connection.execute(tables.locks.delete().where(tables.locks.c.name == name))
            connection.execute(tables.locks.insert().values(name=name, since=at, heartbeat=at, **row))

        self._database.change(acquire)
        lease = Lease(self, name, token, beat)
        try:
            yield lease
        except BaseException:
            # The error of the block matters, even where the lock cannot be released.
            with contextlib.suppress(CatalogError):
                lease.release()
            raise
        lease.release()

    def _renew(self, name: str, token: str) -> bool:
        """Send a heartbeat; return whether the lock is still held."""
        held = tables.locks.c

        def beat(connection: sa.Connection) -> bool:
            update = tables.locks.update().where(held.name == name, held.token == token)
            return bool(connection.execute(update.values(heartbeat=_clock(connection))).rowcount)

        # Without waiting for other writers: behind a long write the lock would expire.
        return self._database.change(beat, exclusive=False)

    def _delete(self, name: str, token: str) -> None:
        held = tables.locks.c
        own = sa.and_(held.name == name, held.token == token)
        self._database.change(lambda connection: connection.execute(tables.locks.delete().where(own)))


def _clock(connection: sa.Connection) -> dt.datetime:
    """Return the time by the database's clock, which all its clients share."""
    if connection.dialect.name == "sqlite":
        return now()
    time = connection.scalar(sa.text("SELECT clock_timestamp() AT TIME ZONE 'UTC'"))
    assert isinstance(time, dt.datetime)
    return time


def _machine_id() -> str:
    """Return an id of the machine, its boot and its container, within which process numbers are unique."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _start_time(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty where the system hides it."""
    try:
        # The 22nd field, counted from after the name, which may contain anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _has_ended(holder: Any) -> bool:
    """Return whether the process of a lock has certainly ended."""
    if holder.machine != _machine_id():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's process
    # Where the system hides when the process started, it may be the same one.
    started = _start_time(holder.pid)
    return bool(holder.process and started) and started != holder.process
