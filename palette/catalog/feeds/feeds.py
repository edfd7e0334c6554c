"""Feeds of a catalog: locks, runs, states, and how far online stores are filled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.serialize import parse_json
from palette.catalog.definitions.write import current_user, dump_json, now
from palette.catalog.feeds.locks import EXPIRY, HEARTBEAT, Lease, Locks
from palette.catalog.feeds.state import FeedState, read_state, write_state
from palette.errors import NotFoundError

__all__ = ["Dispersal", "Feeds"]


class Dispersal(NamedTuple):
    """Version of a table that is online: its identity and number, and after which event time rows were left out."""

    identity: str
    version: int
    left_from: dt.datetime | None = None


class Feeds:
    """Locks, runs and progress of feeds.

    Parameters
    ----------
    database : Database
        The database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks = Locks(database)

    def lock(self, name: str, *, stale: float = EXPIRY, beat: float = HEARTBEAT) -> AbstractContextManager[Lease]:
        """Hold a lock while a block runs; see :meth:`palette.catalog.feeds.locks.Locks.lock`."""
        return self._locks.lock(name, stale=stale, beat=beat)

    def start_run(self, subject: str, kind: str, *, details: Mapping[str, Any] | None = None) -> int:
        """Record the start of a run; return its number."""
        row = {"subject": subject, "kind": kind, "status": "running", "started": now(), "who": current_user()}
        row["details"] = dump_json(details or {}, "details")

        def add(connection: sa.Connection) -> int:
            done = connection.execute(tables.runs.insert().values(row))
            assert done.inserted_primary_key is not None
            return int(done.inserted_primary_key[0])

        return self._database.change(add)

    def end_run(self, number: int, status: str, *, details: Mapping[str, Any] | None = None) -> None:
        """Record how a run ended: ``done``, ``failed``, ..."""
        values: dict[str, Any] = {"status": status, "ended": now()}
        if details is not None:
            values["details"] = dump_json(details, "details")

        def put(connection: sa.Connection) -> None:
            if not connection.execute(tables.runs.update().where(tables.runs.c.id == number).values(values)).rowcount:
                raise NotFoundError(f"no run {number}")

        self._database.change(put)

    def runs(self, subject: str | None = None, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return runs, newest first."""
        query = sa.select(tables.runs).order_by(tables.runs.c.id.desc()).limit(limit)
        if subject is not None:
            query = query.where(tables.runs.c.subject == subject)
        with self._database.reading() as connection:
            rows = [] if connection is None else connection.execute(query).mappings().all()
        return [{**row, "details": parse_json(row["details"], dict)} for row in rows]

    def state(self, group: str) -> FeedState:
        """Return the state of a group's feed; an empty one if it never ran."""
        return read_state(self._database, group)

    def set_state(self, group: str, state: FeedState) -> None:
        """Record the state of a group's feed, in place of the previous one."""
        write_state(self._database, group, state)

    def delete_state(self, group: str) -> None:
        """Forget the state of a group's feed: the next run begins from nothing."""
        own = tables.feed_states.c.group_name == group
        self._database.change(lambda connection: connection.execute(tables.feed_states.delete().where(own)))

    def set_dispersal(self, group: str, target: str, dispersal: Dispersal) -> None:
        """Record the version of a table that is in an online store."""
        column = tables.dispersals.c
        row = {"group_name": group, "target": target, "updated": now(), **dispersal._asdict()}

        def put(connection: sa.Connection) -> None:
            own = sa.and_(column.group_name == group, column.target == target)
            connection.execute(tables.dispersals.delete().where(own))
            connection.execute(tables.dispersals.insert().values(row))

        self._database.change(put)

    def dispersal(self, group: str, target: str) -> Dispersal | None:
        """Return the version of a table that is in an online store."""
        column = tables.dispersals.c
        query = sa.select(column.identity, column.version, column.left_from)
        query = query.where(column.group_name == group, column.target == target)
        with self._database.reading() as connection:
            row = None if connection is None else connection.execute(query).one_or_none()
        return None if row is None else Dispersal(*row)

    def end_lost_runs(self, subject: str, kind: str) -> int:
        """Mark runs that never ended as lost; call it with the subject's lock held."""
        column = tables.runs.c
        lost = sa.and_(column.subject == subject, column.kind == kind, column.status == "running")
        update = tables.runs.update().where(lost).values(status="lost", ended=now())
        return self._database.change(lambda connection: int(connection.execute(update).rowcount))
