"""Models of a catalog: their versions, stages, statistics, and the features that they use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.serialize import parse_json
from palette.catalog.definitions.write import current_user, dump_json, now
from palette.catalog.models import promotion
from palette.catalog.models.names import PRODUCTION
from palette.catalog.models.versions import ModelRecord, Use, insert_versions, read_uses, read_versions

__all__ = ["Models"]


class Models:
    """Versions of models, of which at most one is in production.

    Parameters
    ----------
    database : Database
        The database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        model: ModelRecord,
        *,
        statistics: Mapping[str, Any] | None = None,
        pins: Mapping[str, int] | None = None,
        who: str | None = None,
    ) -> int:
        """Add a version of a model in one transaction; return the version.

        Parameters
        ----------
        model : ModelRecord
            The version; one recorded as ``production`` retires the version in production.
        statistics : dict, optional
            Statistics of its training data, stored for ``model:NAME:VERSION`` in the scope ``training``.
        pins : dict of str to int, optional
            Table versions of its training data, retained by vacuum as ``model:NAME:VERSION``.
        who : str, optional
            Who records it; by default ``PALETTE_USER`` or the user of the process.
        """
        content = None if statistics is None else dump_json(statistics, "statistics")

        def work(connection: sa.Connection) -> int:
            (version,) = insert_versions(connection, [model], who or current_user())
            subject = f"model:{model.name}:{version}"
            if content is not None:
                row = {"subject": subject, "scope": "training", "taken": now(), "content": content}
                connection.execute(tables.statistics.insert().values(row))
            if pins:
                rows = [{"name": subject, "group_name": group, "version": at} for group, at in pins.items()]
                connection.execute(tables.pins.insert(), rows)
            return version

        return self._database.change(work)

    def record_all(self, models: Iterable[ModelRecord], *, who: str | None = None) -> list[int]:
        """Add a version of each model, all or none; return the versions."""
        records = list(models)
        return self._database.change(lambda connection: insert_versions(connection, records, who or current_user()))

    def versions(self, name: str | None = None, *, feature: str | None = None) -> list[ModelRecord]:
        """Return the versions of models, oldest first; of one name, or those that use a feature."""
        with self._database.reading() as connection:
            return [] if connection is None else read_versions(connection, name, feature)

    def uses(self, *, features: Iterable[str] = (), model: str | None = None) -> list[Use]:
        """Return which versions of models use features ``entity:group:feature``, or which features a model uses."""
        with self._database.reading() as connection:
            return [] if connection is None else read_uses(connection, features, model)

    def features_in_use(self) -> list[str]:
        """Return the features ``entity:group:feature`` that versions of models use, removed ones included."""
        with self._database.reading() as connection:
            query = sa.select(tables.model_features.c.feature).distinct()
            return [] if connection is None else list(connection.scalars(query))

    def promote(self, name: str, version: int, stage: str = PRODUCTION, *, who: str | None = None) -> None:
        """Move a version into a stage; in production it replaces the current one, which is retired.

        Raises
        ------
        NotFoundError
            If there is no such model, or version of it.
        ArgumentError
            If there is no such stage.
        """
        promotion.validate_stage(stage)
        self._database.change(
            lambda connection: promotion.promote(connection, name, version, stage, who or current_user())
        )

    def rollback(self, name: str, *, who: str | None = None) -> int:
        """Move the version into production that was there before the current one; return it.

        A second rollback goes further back: a version that was rolled back is not returned to.

        Raises
        ------
        NotFoundError
            If there is no such model, or no other version was in production.
        """
        return self._database.change(lambda connection: promotion.rollback(connection, name, who or current_user()))

    def stage_changes(self, name: str) -> list[promotion.StageChange]:
        """Return the stage changes of a model, oldest first."""
        with self._database.reading() as connection:
            return [] if connection is None else promotion.stage_changes(connection, name)

    def set_statistics(self, subject: str, scope: str, content: Mapping[str, Any]) -> None:
        """Store statistics of a feature, or of a model (``model:eta:3``), under a scope (``training``, ...)."""
        column = tables.statistics.c
        row = {"subject": subject, "scope": scope, "taken": now(), "content": dump_json(content, "statistics")}

        def replace(connection: sa.Connection) -> None:
            connection.execute(tables.statistics.delete().where(column.subject == subject, column.scope == scope))
            connection.execute(tables.statistics.insert().values(row))

        self._database.change(replace)

    def statistics(self, subject: str, scope: str) -> dict[str, Any] | None:
        """Return statistics as they were stored, or None."""
        column = tables.statistics.c
        query = sa.select(column.content).where(column.subject == subject, column.scope == scope)
        with self._database.reading() as connection:
            content = None if connection is None else connection.scalar(query)
        return None if content is None else parse_json(content, dict)
