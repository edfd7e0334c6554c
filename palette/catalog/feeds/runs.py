"""What pipelines and deployments leave in the catalog: models, runs, watermarks, statistics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import plain_of
from palette.catalog.definitions.write import current_user, json_of, now
from palette.catalog.models.versions import ModelRecord, Models
from palette.errors import DefinitionError
from palette.times import utc

__all__ = ["ModelRecord", "Records"]


class Records(Models):
    """Small accessors for what later rooms keep here."""

    def start_run(self, subject: str, kind: str, *, details: Mapping[str, Any] | None = None) -> int:
        """Record that a pipeline began; return the number of the run."""
        row = {"subject": subject, "kind": kind, "status": "running", "started": now(), "who": current_user()}
        row["details"] = json_of(details or {}, "details")

        def add(connection: sa.Connection) -> int:
            done = connection.execute(tables.runs.insert().values(row))
            assert done.inserted_primary_key is not None
            return int(done.inserted_primary_key[0])

        return self.change(add)

    def end_run(self, number: int, status: str, *, details: Mapping[str, Any] | None = None) -> None:
        """Record how a run ended: ``done``, ``failed``, ..."""
        values: dict[str, Any] = {"status": status, "ended": now()}
        if details is not None:
            values["details"] = json_of(details, "details")

        def put(connection: sa.Connection) -> None:
            if not connection.execute(tables.runs.update().where(tables.runs.c.id == number).values(values)).rowcount:
                raise DefinitionError(f"no run {number}")

        self.change(put)

    def runs(self, subject: str | None = None, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return runs, newest first."""
        asked = sa.select(tables.runs).order_by(tables.runs.c.id.desc()).limit(limit)
        if subject is not None:
            asked = asked.where(tables.runs.c.subject == subject)
        with self.reading() as connection:
            rows = [] if connection is None else connection.execute(asked).mappings().all()
        return [{**row, "details": plain_of(row["details"], dict)} for row in rows]

    def set_watermark(self, group: str, name: str, value: dt.datetime) -> None:
        """Record how far a pipeline of a group came."""
        column = tables.watermarks.c

        def put(connection: sa.Connection) -> None:
            connection.execute(tables.watermarks.delete().where(column.group_name == group, column.name == name))
            row = {"group_name": group, "name": name, "value": utc(value), "updated": now()}
            connection.execute(tables.watermarks.insert().values(row))

        self.change(put)

    def watermarks(self, group: str) -> dict[str, dt.datetime]:
        """Return name to value of a group's watermarks."""
        column = tables.watermarks.c
        asked = sa.select(column.name, column.value).where(column.group_name == group)
        with self.reading() as connection:
            return {} if connection is None else dict(map(tuple, connection.execute(asked)))

    def set_statistics(self, subject: str, scope: str, content: Mapping[str, Any]) -> None:
        """Keep statistics of a feature, or of a model (``model:eta:3``), under a scope (``training``, ...)."""
        column = tables.statistics.c
        row = {"subject": subject, "scope": scope, "taken": now(), "content": json_of(content, "statistics")}

        def put(connection: sa.Connection) -> None:
            connection.execute(tables.statistics.delete().where(column.subject == subject, column.scope == scope))
            connection.execute(tables.statistics.insert().values(row))

        self.change(put)

    def statistics(self, subject: str, scope: str) -> dict[str, Any] | None:
        """Return statistics as they were kept, or None."""
        column = tables.statistics.c
        asked = sa.select(column.content).where(column.subject == subject, column.scope == scope)
        with self.reading() as connection:
            found = None if connection is None else connection.scalar(asked)
        return None if found is None else plain_of(found, dict)
