"""Stages of models: promotion, rollback, and their history."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import parse_json
from palette.catalog.definitions.write import now
from palette.catalog.models.names import PRODUCTION, RETIRED, STAGES
from palette.errors import ArgumentError, CatalogError, NotFoundError, nearest

__all__ = ["DEPLOYED", "StageChange", "move", "promote", "rollback", "stage_changes", "validate_stage"]

DEPLOYED, PROMOTED, ROLLED_BACK = "deployed", "promoted", "rolled back"
KIND = "model"


@dataclass(frozen=True)
class StageChange:
    """A move of a version into another stage.

    Parameters
    ----------
    version : int
        Number of the version.
    before, stage : str
        Its former and its new stage.
    retired : int, optional
        The version that it replaced in production.
    action : {"deployed", "promoted", "rolled back"}
        Reason of the move.
    who : str
        User.
    at : datetime
        Time in UTC.
    """

    version: int
    before: str
    stage: str
    retired: int | None
    action: str
    who: str
    at: dt.datetime


def promote(connection: sa.Connection, name: str, version: int, stage: str, who: str) -> None:
    """Move a version of a model into a stage.

    Raises
    ------
    NotFoundError
        If there is no such model, or version of it.
    ArgumentError
        If there is no such stage.
    """
    validate_stage(stage)
    stages = _stages(connection, name)
    if version not in stages:
        known = ", ".join(map(str, stages))
        raise NotFoundError(f"model {name!r} has no version {version} (it has {known})")
    move(connection, name, version, stage, PROMOTED, who)


def rollback(connection: sa.Connection, name: str, who: str) -> int:
    """Move the version into production that was there before the current one, and return it.

    Raises
    ------
    NotFoundError
        If there is no such model, or no other version was in production.
    """
    current = _in_production(_stages(connection, name))
    changes = stage_changes(connection, name)
    earlier = [version for version in _served(changes) if version != current]
    if not earlier:
        raise NotFoundError(f"model {name!r}: {_no_way_back(changes, current)}; promote one")
    move(connection, name, earlier[-1], PRODUCTION, ROLLED_BACK, who)
    return earlier[-1]


def stage_changes(connection: sa.Connection, name: str) -> list[StageChange]:
    """Return the stage changes of a model, oldest first."""
    old = tables.versions.c
    query = sa.select(tables.versions).where(old.kind == KIND, old.name == name).order_by(old.version)
    return [_read_change(row) for row in connection.execute(query)]


def validate_stage(stage: str) -> str:
    """Return a stage of models, or raise :class:`ArgumentError`.

    Examples
    --------
    >>> validate_stage("producton")
    Traceback (most recent call last):
    palette.errors.ArgumentError: no stage 'producton'; did you mean 'production'? (shadow, production, retired)
    """
    if stage not in STAGES:
        raise ArgumentError(f"no stage {stage!r}{nearest(stage, STAGES)} ({', '.join(STAGES)})")
    return stage


def _stages(connection: sa.Connection, name: str) -> dict[int, str]:
    """Return version to stage of a model, oldest first."""
    column = tables.models.c
    query = sa.select(column.version, column.stage).where(column.name == name).order_by(column.version)
    stages = {row.version: row.stage for row in connection.execute(query)}
    if not stages:
        known = connection.scalars(sa.select(column.name).distinct())
        raise NotFoundError(f"no model {name!r}{nearest(name, known)}")
    return stages


def _in_production(stages: Mapping[int, str]) -> int | None:
    return next((number for number, stage in stages.items() if stage == PRODUCTION), None)


def move(connection: sa.Connection, name: str, version: int, stage: str, action: str, who: str) -> None:
    """Move a version into a stage and record it; nothing happens if it is there already."""
    stages = _stages(connection, name)
    if stages[version] == stage:
        return
    current = _in_production(stages) if stage == PRODUCTION else None
    moves = {version: stage} if current is None else {current: RETIRED, version: stage}
    for number, to in moves.items():
        update = tables.models.update().where(tables.models.c.name == name, tables.models.c.version == number)
        connection.execute(update.values(stage=to))
    old = tables.versions.c
    count = sa.select(sa.func.coalesce(sa.func.max(old.version), 0)).where(old.kind == KIND, old.name == name)
    details = {"version": version, "before": stages[version], "stage": stage, "retired": current}
    row = {"kind": KIND, "name": name, "version": connection.scalars(count).one() + 1, "action": action}
    row |= {"definition": json.dumps(details), "who": who, "at": now()}
    connection.execute(tables.versions.insert().values(row))


def _read_change(row: sa.Row[Any]) -> StageChange:
    details = parse_json(row.definition, dict)
    try:
        return StageChange(**details, action=row.action, who=row.who, at=row.at)
    except TypeError as error:
        raise CatalogError(f"corrupt catalog row {details!r:.80}: {error}") from error


def _no_way_back(changes: Iterable[StageChange], current: int | None) -> str:
    """Return why there is no version to roll back to."""
    versions = sorted({change.version for change in changes if change.stage == PRODUCTION} - {current})
    if not versions:
        return "no other version was in production"
    names = f"version{'s' * (len(versions) > 1)} {', '.join(map(str, versions))}"
    return f"{names} {'was' if len(versions) == 1 else 'were'} in production, but rolled back or moved out by hand"


def _served(changes: Iterable[StageChange]) -> list[int]:
    """Return the versions that were in production, in order, without those rolled back or moved out.

    Examples
    --------
    >>> about = {"before": "shadow", "stage": PRODUCTION, "retired": None, "who": "ada", "at": dt.datetime(2026, 1, 1)}
    >>> done = [(1, "deployed"), (2, "promoted"), (3, "promoted"), (2, "rolled back"), (4, "promoted")]
    >>> _served(StageChange(version=version, action=action, **about) for version, action in done)
    [1, 2, 4]
    """
    served: list[int] = []
    for change in changes:
        if change.action == ROLLED_BACK:
            while served and served[-1] != change.version:
                served.pop()
        elif change.stage == PRODUCTION:
            served.append(change.version)
        elif change.before == PRODUCTION:
            served = [number for number in served if number != change.version]
    return served
