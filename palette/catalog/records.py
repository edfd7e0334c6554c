"""What pipelines and deployments leave in the catalog: models, runs, watermarks, statistics."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.reading import chunks
from palette.catalog.writing import MANY, current_user, now, settle, weigh
from palette.definitions.types import utc
from palette.errors import DefinitionError

__all__ = ["ModelRecord", "Records"]


@dataclass(frozen=True)
class ModelRecord:
    """A version of a model, and the features it uses with their importances.

    Parameters
    ----------
    name : str
        The model.
    features : dict of str to float or None
        ``entity:group:feature`` to importance.
    stage : str
        ``shadow``, ``production``, ...
    uri : str
        Where its bundle is.
    details : dict
        More, as JSON holds it.
    version : int
        Counted by the catalog.
    """

    name: str
    features: Mapping[str, float | None]
    stage: str = "shadow"
    uri: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0


class Records(Database):
    """Small accessors for what later rooms keep here."""

    def record_models(self, models: Iterable[ModelRecord], *, who: str | None = None) -> list[int]:
        """Add a version of each model, all or none; return the versions."""
        wanted = list(models)
        at, who = now(), who or current_user()

        def add(connection: sa.Connection) -> list[int]:
            column = tables.models.c
            newest: dict[str, int] = {}
            for some in chunks({one.name for one in wanted}):
                asked = sa.select(column.name, sa.func.max(column.version)).where(column.name.in_(some))
                newest |= dict(map(tuple, connection.execute(asked.group_by(column.name))))
            rows, used, numbers = [], [], []
            for one in wanted:
                newest[one.name] = number = newest.get(one.name, 0) + 1
                numbers.append(number)
                details = json.dumps(dict(one.details), allow_nan=False)
                row = {"name": one.name, "version": number, "stage": one.stage, "uri": one.uri, "details": details}
                rows.append(row | {"who": who, "at": at})
                used += [
                    {"feature": name, "model": one.name, "version": number, "importance": importance}
                    for name, importance in one.features.items()
                ]
            if rows:
                connection.execute(tables.models.insert(), rows)
            if used:
                connection.execute(tables.model_features.insert(), used)
            for some in chunks({name for one in wanted for name in one.features}):
                weigh(connection, tables.features.c.name.in_(some))
            if len(rows) > MANY:
                settle(connection)
            return numbers

        return self.change(add)

    def models(self, name: str | None = None, *, feature: str | None = None) -> list[ModelRecord]:
        """Return the versions of models, oldest first; of one name, or those that use a feature."""
        column, used = tables.models.c, tables.model_features.c
        asked = sa.select(column.name, column.stage, column.uri, column.details, column.version)
        if name is not None:
            asked = asked.where(column.name == name)
        if feature is not None:
            asked = asked.where(
                sa.exists().where(used.feature == feature, used.model == column.name, used.version == column.version)
            )
        with self.reading() as connection:
            if connection is None:
                return []
            found = list(connection.execute(asked.order_by(column.name, column.version)))
            features: dict[tuple[str, int], dict[str, float | None]] = {}
            for some in chunks(dict.fromkeys(row.name for row in found)):
                for row in connection.execute(sa.select(tables.model_features).where(used.model.in_(some))):
                    features.setdefault((row.model, row.version), {})[row.feature] = row.importance
        return [
            ModelRecord(
                row.name,
                features.get((row.name, row.version), {}),
                row.stage,
                row.uri,
                json.loads(row.details),
                row.version,
            )
            for row in found
        ]

    def start_run(self, subject: str, kind: str, *, details: Mapping[str, Any] | None = None) -> int:
        """Record that a pipeline began; return the number of the run."""
        row = {"subject": subject, "kind": kind, "status": "running", "started": now(), "who": current_user()}
        row["details"] = json.dumps(dict(details or {}), allow_nan=False)

        def add(connection: sa.Connection) -> int:
            done = connection.execute(tables.runs.insert().values(row))
            assert done.inserted_primary_key is not None
            return int(done.inserted_primary_key[0])

        return self.change(add)

    def end_run(self, number: int, status: str, *, details: Mapping[str, Any] | None = None) -> None:
        """Record how a run ended: ``done``, ``failed``, ..."""
        values: dict[str, Any] = {"status": status, "ended": now()}
        if details is not None:
            values["details"] = json.dumps(dict(details), allow_nan=False)

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
        return [{**row, "details": json.loads(row["details"])} for row in rows]

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
        """Keep statistics of a feature under a scope (``model:eta:3``, ...)."""
        column = tables.statistics.c
        row = {"subject": subject, "scope": scope, "taken": now(), "content": json.dumps(content, allow_nan=False)}

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
        return None if found is None else json.loads(found)
