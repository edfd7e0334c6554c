"""Versions of models, and the features they use."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import chunks, plain_of
from palette.catalog.definitions.write import MANY, now, settle, weigh
from palette.catalog.models.names import PRODUCTION, SHADOW
from palette.catalog.models.promotion import DEPLOYED, checked_stage, move
from palette.definitions.base import validate_text
from palette.errors import ArgumentError

__all__ = ["ModelRecord", "Use", "insert_versions", "read_uses", "read_versions"]

# The most characters of a model's name and a feature's, which are in one index.
LONGEST, LONGEST_FEATURE = 200, 400


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
        ``shadow``, ``production`` or ``retired``.
    uri : str
        Where its bundle is.
    details : dict
        More, as JSON holds it.
    version : int
        Counted by the catalog.
    who : str
        Who recorded it; the catalog tells.
    at : datetime, optional
        When, in UTC; the catalog tells.
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
    """That a version of a model uses a feature."""

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
            details=plain_of(row.details, dict),
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


def _check(one: ModelRecord) -> None:
    """Refuse what a database cannot keep."""
    told = f"model {one.name!r:.80}"
    try:
        for text in (one.name, one.uri, *one.features):
            validate_text(text)
        json.dumps(dict(one.details), allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ArgumentError(f"{told}: {error}") from error
    if not 0 < len(one.name) <= LONGEST:
        raise ArgumentError(f"{told}: expected a name of 1 to {LONGEST} characters, found {len(one.name):,}")
    checked_stage(one.stage)
    for name, importance in one.features.items():
        if len(name) > LONGEST_FEATURE:
            raise ArgumentError(f"{told}: {name!r:.80}... is no feature: it has {len(name):,} characters")
        if importance is not None and not math.isfinite(importance):
            raise ArgumentError(f"{told}: the importance of {name!r} is {importance}; None says that it is not known")


def insert_versions(connection: sa.Connection, wanted: Sequence[ModelRecord], who: str) -> list[int]:
    """Add a version of each model, and return the versions."""
    column = tables.models.c
    for one in wanted:
        _check(one)
    newest: dict[str, int] = {}
    for some in chunks({one.name for one in wanted}):
        asked = sa.select(column.name, sa.func.max(column.version)).where(column.name.in_(some))
        newest |= dict(map(tuple, connection.execute(asked.group_by(column.name))))
    rows, used, numbers = [], [], []
    for one in wanted:
        newest[one.name] = number = newest.get(one.name, 0) + 1
        numbers.append(number)
        # It comes into production by a change of its stage, like any other.
        stage = SHADOW if one.stage == PRODUCTION else one.stage
        details = json.dumps(dict(one.details), allow_nan=False)
        row = {"name": one.name, "version": number, "stage": stage, "uri": one.uri, "details": details}
        rows.append(row | {"who": who, "at": now()})
        used += [
            {"feature": name, "model": one.name, "version": number, "importance": importance}
            for name, importance in one.features.items()
        ]
    if rows:
        connection.execute(tables.models.insert(), rows)
    if used:
        connection.execute(tables.model_features.insert(), used)
    for one, number in zip(wanted, numbers, strict=True):
        if one.stage == PRODUCTION:
            move(connection, one.name, number, PRODUCTION, DEPLOYED, who)
    for some in chunks({name for one in wanted for name in one.features}):
        weigh(connection, tables.features.c.name.in_(some))
    if len(rows) > MANY:
        settle(connection)
    return numbers
