"""Definitions into the tables, with their versions and what search reads of them."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import chunks, entity_of, group_of, text_of
from palette.catalog.features import fulltext
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError

__all__ = ["MANY", "current_user", "erase_definition", "json_of", "now", "settle", "stir", "weigh", "write_all"]

# So many definitions or models at once change what is in the tables.
MANY = 100


def now() -> dt.datetime:
    """Return the time in UTC, naive."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def current_user() -> str:
    """Return who is working: ``PALETTE_USER``, or the name of the process's user."""
    if user := os.environ.get("PALETTE_USER"):
        return user
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def json_of(value: Mapping[str, Any], what: str) -> str:
    """Return a mapping as JSON.

    Raises
    ------
    ArgumentError
        If JSON cannot hold it: NaN and infinities, and what is no plain value.

    Examples
    --------
    >>> json_of({"rows": 3}, "statistics")
    '{"rows": 3}'
    """
    try:
        return json.dumps(dict(value), allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ArgumentError(f"{what}: JSON cannot hold them: {error}") from error


def stir(connection: sa.Connection) -> None:
    """Tell readers that what they keep in memory is old."""
    connection.execute(tables.state.update().values(revision=tables.state.c.revision + 1))


def write_all(connection: sa.Connection, definitions: Sequence[Entity | FeatureGroup], *, who: str) -> None:
    """Add or change definitions, entities first."""
    entities = {one.name: one for one in definitions if isinstance(one, Entity)}
    groups = {one.full_name: one for one in definitions if isinstance(one, FeatureGroup)}
    _write(connection, tables.entities, "entity", entities, who)
    _write(connection, tables.groups, "group", groups, who)
    touched = set(groups)
    for some in chunks(entities):
        touched |= set(connection.scalars(sa.select(tables.groups.c.name).where(tables.groups.c.entity.in_(some))))
    index(connection, sorted(touched))
    if len(touched) > MANY:
        settle(connection)
    stir(connection)


def erase_definition(connection: sa.Connection, kind: str, name: str, *, who: str, action: str = "removed") -> None:
    """Remove a group, or an entity whose groups are gone; the history stays."""
    table = tables.groups if kind == "group" else tables.entities
    if kind == "group":
        _unindex(connection, [name])
    version = _next_versions(connection, kind, [name]).get(name, 1)
    connection.execute(table.delete().where(table.c.name == name))
    row = {"kind": kind, "name": name, "version": version, "action": action, "definition": None}
    connection.execute(tables.versions.insert(), [row | {"who": who, "at": now()}])


def _write(
    connection: sa.Connection,
    table: sa.Table,
    kind: str,
    definitions: dict[str, Entity] | dict[str, FeatureGroup],
    who: str,
) -> None:
    numbers = _next_versions(connection, kind, definitions)
    known: set[str] = set()
    for some in chunks(definitions):
        known |= set(connection.scalars(sa.select(table.c.name).where(table.c.name.in_(some))))
    added, changed, history = [], [], []
    at = now()
    for name, one in definitions.items():
        row = {"name": name, "definition": text_of(one), "owner": one.owner, "version": numbers.get(name, 1)}
        if isinstance(one, FeatureGroup):
            row["entity"] = one.entity
        if name in known:
            changed.append({f"new_{column}": value for column, value in row.items()})
        else:
            added.append(row)
        entry = {"kind": kind, "name": name, "version": row["version"], "definition": row["definition"]}
        history.append(entry | {"action": "changed" if name in known else "added", "who": who, "at": at})
    if added:
        connection.execute(table.insert(), added)
    if changed:
        names = ["definition", "owner", "version"]
        update = table.update().where(table.c.name == sa.bindparam("new_name"))
        connection.execute(update.values({name: sa.bindparam(f"new_{name}") for name in names}), changed)
    if history:
        connection.execute(tables.versions.insert(), history)


def _next_versions(connection: sa.Connection, kind: str, names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    old = tables.versions.c
    for some in chunks(names):
        newest = sa.select(old.name, sa.func.max(old.version)).where(old.kind == kind, old.name.in_(some))
        found |= {name: number + 1 for name, number in connection.execute(newest.group_by(old.name))}
    return found


def index(connection: sa.Connection, groups: Sequence[str]) -> None:
    """Write anew what search reads of these groups."""
    _unindex(connection, groups)
    number = connection.scalar(sa.select(sa.func.max(tables.features.c.id))) or 0
    for some in chunks(groups):
        rows, tagged, documents = [], [], []
        joined = sa.select(tables.groups.c.definition, tables.entities.c.definition).join_from(
            tables.groups, tables.entities
        )
        entities: dict[str, Entity] = {}
        for text, entity_text in connection.execute(joined.where(tables.groups.c.name.in_(some))):
            entity = entities.get(entity_text) or entities.setdefault(entity_text, entity_of(entity_text))
            group = group_of(text)
            for feature in group.features:
                number += 1
                name = f"{group.full_name}:{feature.name}"
                labels = sorted({*feature.tags, *group.tags, *entity.tags})
                rows.append(
                    {
                        "id": number,
                        "name": name,
                        "entity": entity.name,
                        "group_name": group.full_name,
                        "expression": f"{name}:{','.join(entity.keys)}",
                        "dtype": feature.dtype,
                        "kind": group.source.kind if group.source else "",
                        "owner": feature.owner or group.owner or entity.owner,
                        "description": feature.description,
                        "tags": json.dumps(labels),
                    }
                )
                tagged += [{"tag": label, "feature": number} for label in labels]
                described = f"{feature.description} {group.description}"
                documents.append(fulltext.Document(name, " ".join(labels), described))
        if rows:
            fulltext.insert(connection, rows, documents)
        if tagged:
            connection.execute(tables.tags.insert(), tagged)
        weigh(connection, tables.features.c.group_name.in_(some))


def _unindex(connection: sa.Connection, groups: Iterable[str]) -> None:
    for some in chunks(groups):
        old = sa.select(tables.features.c.id).where(tables.features.c.group_name.in_(some))
        fulltext.forget(connection, list(connection.scalars(old)))
        connection.execute(tables.features.delete().where(tables.features.c.group_name.in_(some)))


def weigh(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Bring up to date what people and models say about features, and what that makes them worth to a search."""
    feature, mark = tables.features.c, tables.marks.c
    used, rated = tables.model_features.c, tables.ratings.c

    def deprecation(subject: sa.ColumnElement[str]) -> sa.ScalarSelect[str]:
        return sa.select(mark.text).where(mark.kind == "deprecated", mark.subject == subject).scalar_subquery()

    subjects = (feature.name, feature.group_name, feature.entity)
    uses = sa.select(sa.func.count(used.model.distinct())).where(used.feature == feature.name)
    stars = sa.select(sa.func.avg(rated.stars)).where(rated.subject == feature.name)
    new = (
        sa.select(
            feature.id,
            sa.exists().where(mark.kind == "curated", mark.subject.in_(subjects)).label("curated"),
            sa.func.coalesce(*(map(deprecation, subjects))).label("deprecated"),
            sa.cast(stars.scalar_subquery(), sa.Float).label("stars"),
            uses.scalar_subquery().label("uses"),
        )
        .where(which)
        .subquery()
    )
    said = {name: new.c[name] for name in ("curated", "deprecated", "stars", "uses")}
    # A row that stays as it is is not written again: after a first apply that is all of them.
    differs = sa.or_(*(feature[name].is_distinct_from(value) for name, value in said.items()))
    update = tables.features.update().where(feature.id == new.c.id, differs)
    connection.execute(update.values({**said, "worth": _worth(new.c)}))


def _worth(said: sa.ColumnCollection[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[float]:
    liked = (
        1.0
        + sa.case((said.curated, 0.5), else_=0.0)
        + 0.5 * said.uses / (said.uses + 10.0)
        + 0.1 * (sa.func.coalesce(said.stars, 3.0) - 3.0)
    )
    return liked * sa.case((said.deprecated.is_not(None), 0.02), else_=1.0)


def settle(connection: sa.Connection) -> None:
    """Let PostgreSQL count anew after many rows were written: its plans for empty tables are slow."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("ANALYZE features, feature_tags, feature_groups, model_features"))
