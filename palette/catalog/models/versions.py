"""Versions of models, and the features that they use."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import chunks, parse_json
from palette.catalog.definitions.write import MANY, analyze_tables, now, update_ranking
from palette.catalog.models.names import PRODUCTION, SHADOW
from palette.catalog.models.promotion import DEPLOYED, move, validate_stage
from palette.definitions.base import validate_text
from palette.errors import ArgumentError

__all__ = ["ModelRecord", "Use", "insert_versions", "read_uses", "read_versions"]

# Maximum lengths of the names of models and features, which share an index.
MAX_NAME, MAX_FEATURE = 200, 400


@dataclass(frozen=True)
class ModelRecord:
    """A version of a model, and the features that it uses with their importances.

    Parameters
    ----------
    name : str
        Name of the model.
    features : dict of str to float or None
        ``entity:group:feature`` to importance.
    stage : str
        ``shadow``, ``production`` or ``retired``.
    uri : str
        Path of its bundle.
    details : dict
        Further details, as JSON values.
    version : int
        Number, set by the catalog.
    who : str
        User who recorded it, set by the catalog.
    at : datetime, optional
        Time in UTC, set by the catalog.
    """

    name: str
    features: Mapping[str, float | None]
    stage: str = "shadow"
    uri: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    who: str = ""
    at: dt.datetime | None = None


class Use(NamedTuple):
    """Use of a feature by a version of a model."""

    feature: str
    model: str
    version: int
    stage: str
    importance: float | None


def read_versions(connection: sa.Connection, name: str | None, feature: str | None) -> list[ModelRecord]:
    """Return the versions of models, oldest first; of one name, or those that use a feature."""
    column, used = tables.models.c, tables.model_features.c
    query = sa.select(tables.models)
    if name is not None:
        query = query.where(column.name == name)
    if feature is not None:
        query = query.where(
            sa.exists().where(used.feature == feature, used.model == column.name, used.version == column.version)
        )
    rows = list(connection.execute(query.order_by(column.name, column.version)))
    features: dict[tuple[str, int], dict[str, float | None]] = {}
    for names in chunks(dict.fromkeys(row.name for row in rows)):
        for use in connection.execute(sa.select(tables.model_features).where(used.model.in_(names))):
            features.setdefault((use.model, use.version), {})[use.feature] = use.importance
    return [
        ModelRecord(
            name=row.name,
            features=features.get((row.name, row.version), {}),
            stage=row.stage,
            uri=row.uri,
            details=parse_json(row.details, dict),
            version=row.version,
            who=row.who,
            at=row.at,
        )
        for row in rows
    ]


def read_uses(connection: sa.Connection, features: Iterable[str], model: str | None) -> list[Use]:
    """Return the uses of features, or of all features by a model."""
    used, column = tables.model_features.c, tables.models.c
    query = sa.select(used.feature, used.model, used.version, column.stage, used.importance)
    query = query.where(used.model == column.name, used.version == column.version)
    query = query.order_by(used.model, used.version, used.feature)
    queries = [query.where(used.feature.in_(names)) for names in chunks(features)]
    queries += [] if model is None else [query.where(used.model == model)]
    return [Use(*row) for query in queries for row in connection.execute(query)]


def _validate(record: ModelRecord) -> None:
    """Raise :class:`ArgumentError` if a database cannot store a record."""
    model = f"model {record.name!r:.80}"
    try:
        for text in (record.name, record.uri, *record.features):
            validate_text(text)
        json.dumps(dict(record.details), allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ArgumentError(f"{model}: {error}") from error
    if not 0 < len(record.name) <= MAX_NAME:
        raise ArgumentError(f"{model}: expected a name of 1 to {MAX_NAME} characters, found {len(record.name):,}")
    validate_stage(record.stage)
    for name, importance in record.features.items():
        if len(name) > MAX_FEATURE:
            raise ArgumentError(f"{model}: {name!r:.80}... is not a feature: it has {len(name):,} characters")
        if importance is not None and not math.isfinite(importance):
            raise ArgumentError(f"{model}: the importance of {name!r} is {importance}; use None if it is not known")


def insert_versions(connection: sa.Connection, records: Sequence[ModelRecord], who: str) -> list[int]:
    """Add a version of each model, and return the versions."""
    column = tables.models.c
    for record in records:
        _validate(record)
    newest: dict[str, int] = {}
    for names in chunks({record.name for record in records}):
        query = sa.select(column.name, sa.func.max(column.version)).where(column.name.in_(names))
        newest |= dict(map(tuple, connection.execute(query.group_by(column.name))))
    rows, uses, versions = [], [], []
    for record in records:
        newest[record.name] = version = newest.get(record.name, 0) + 1
        versions.append(version)
        # It enters production by a change of its stage, like any other version.
        stage = SHADOW if record.stage == PRODUCTION else record.stage
        details = json.dumps(dict(record.details), allow_nan=False)
        row = {"name": record.name, "version": version, "stage": stage, "uri": record.uri, "details": details}
        rows.append(row | {"who": who, "at": now()})
        uses += [
            {"feature": name, "model": record.name, "version": version, "importance": importance}
            for name, importance in record.features.items()
        ]
    if rows:
        connection.execute(tables.models.insert(), rows)
    if uses:
        connection.execute(tables.model_features.insert(), uses)
    for record, version in zip(records, versions, strict=True):
        if record.stage == PRODUCTION:
            move(connection, record.name, version, PRODUCTION, DEPLOYED, who)
    for names in chunks({name for record in records for name in record.features}):
        update_ranking(connection, tables.features.c.name.in_(names))
    if len(rows) > MANY:
        analyze_tables(connection)
    return versions
