"""Writes of definitions, of their versions, and of the search index."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import chunks, entity_from_json, group_from_json, to_json
from palette.catalog.features import fulltext
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError

__all__ = [
    "MANY",
    "analyze_tables",
    "bump_revision",
    "current_user",
    "dump_json",
    "erase_definition",
    "now",
    "update_ranking",
    "write_all",
]

# A change of more definitions or models than this outdates the statistics of PostgreSQL.
MANY = 100


def now() -> dt.datetime:
    """Return the time in UTC, naive."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def current_user() -> str:
    """Return ``PALETTE_USER``, or the user of the process."""
    if user := os.environ.get("PALETTE_USER"):
        return user
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def dump_json(value: Mapping[str, Any], what: str) -> str:
    """Serialize a mapping.

    Raises
    ------
    ArgumentError
        If a value cannot be represented: NaN, infinities, objects.

    Examples
    --------
    >>> dump_json({"rows": 3}, "statistics")
    '{"rows": 3}'
    """
    try:
        return json.dumps(dict(value), allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ArgumentError(f"{what}: cannot be serialized as JSON: {error}") from error


def bump_revision(connection: sa.Connection) -> None:
    """Invalidate the caches of all readers."""
    connection.execute(tables.state.update().values(revision=tables.state.c.revision + 1))


def write_all(connection: sa.Connection, definitions: Sequence[Entity | FeatureGroup], *, who: str) -> None:
    """Add or replace definitions, entities first."""
    entities = {item.name: item for item in definitions if isinstance(item, Entity)}
    groups = {item.full_name: item for item in definitions if isinstance(item, FeatureGroup)}
    _write(connection, tables.entities, "entity", entities, who)
    _write(connection, tables.groups, "group", groups, who)
    affected = set(groups)
    for names in chunks(entities):
        affected |= set(connection.scalars(sa.select(tables.groups.c.name).where(tables.groups.c.entity.in_(names))))
    _index(connection, sorted(affected))
    if len(affected) > MANY:
        analyze_tables(connection)
    bump_revision(connection)


def erase_definition(connection: sa.Connection, kind: str, name: str, *, who: str, action: str = "removed") -> None:
    """Delete a group, or an entity without groups; the history stays."""
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
    for names in chunks(definitions):
        known |= set(connection.scalars(sa.select(table.c.name).where(table.c.name.in_(names))))
    added, changed, history = [], [], []
    at = now()
    for name, item in definitions.items():
        row = {"name": name, "definition": to_json(item), "owner": item.owner, "version": numbers.get(name, 1)}
        if isinstance(item, FeatureGroup):
            row["entity"] = item.entity
        if name in known:
            changed.append({f"new_{column}": value for column, value in row.items()})
        else:
            added.append(row)
        entry = {"kind": kind, "name": name, "version": row["version"], "definition": row["definition"]}
        history.append(entry | {"action": "changed" if name in known else "added", "who": who, "at": at})
    if added:
        connection.execute(table.insert(), added)
    if changed:
        columns = ["definition", "owner", "version"]
        update = table.update().where(table.c.name == sa.bindparam("new_name"))
        connection.execute(update.values({column: sa.bindparam(f"new_{column}") for column in columns}), changed)
    if history:
        connection.execute(tables.versions.insert(), history)


def _next_versions(connection: sa.Connection, kind: str, names: Iterable[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    old = tables.versions.c
    for chunk in chunks(names):
        newest = sa.select(old.name, sa.func.max(old.version)).where(old.kind == kind, old.name.in_(chunk))
        versions |= {name: number + 1 for name, number in connection.execute(newest.group_by(old.name))}
    return versions


def _index(connection: sa.Connection, groups: Sequence[str]) -> None:
    """Rebuild the search index of groups."""
    _unindex(connection, groups)
    number = connection.scalar(sa.select(sa.func.max(tables.features.c.id))) or 0
    for names in chunks(groups):
        rows, tagged, documents = [], [], []
        joined = sa.select(tables.groups.c.definition, tables.entities.c.definition).join_from(
            tables.groups, tables.entities
        )
        entities: dict[str, Entity] = {}
        for text, entity_text in connection.execute(joined.where(tables.groups.c.name.in_(names))):
            entity = entities.get(entity_text) or entities.setdefault(entity_text, entity_from_json(entity_text))
            group = group_from_json(text)
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
                description = f"{feature.description} {group.description}"
                documents.append(fulltext.Document(name, " ".join(labels), description))
        if rows:
            fulltext.insert(connection, rows, documents)
        if tagged:
            connection.execute(tables.tags.insert(), tagged)
        update_ranking(connection, tables.features.c.group_name.in_(names))


def _unindex(connection: sa.Connection, groups: Iterable[str]) -> None:
    for names in chunks(groups):
        old = sa.select(tables.features.c.id).where(tables.features.c.group_name.in_(names))
        fulltext.delete(connection, list(connection.scalars(old)))
        connection.execute(tables.features.delete().where(tables.features.c.group_name.in_(names)))


def update_ranking(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    """Update annotations, uses and ranking of the selected features from the tables they derive from."""
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
        .where(condition)
        .subquery()
    )
    values = {name: new.c[name] for name in ("curated", "deprecated", "stars", "uses")}
    # Unchanged rows are not written: after a first apply these are all.
    differs = sa.or_(*(feature[name].is_distinct_from(value) for name, value in values.items()))
    update = tables.features.update().where(feature.id == new.c.id, differs)
    connection.execute(update.values({**values, "worth": _worth(new.c)}))


def _worth(feature: sa.ColumnCollection[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[float]:
    liked = (
        1.0
        + sa.case((feature.curated, 0.5), else_=0.0)
        + 0.5 * feature.uses / (feature.uses + 10.0)
        + 0.1 * (sa.func.coalesce(feature.stars, 3.0) - 3.0)
    )
    return liked * sa.case((feature.deprecated.is_not(None), 0.02), else_=1.0)


def analyze_tables(connection: sa.Connection) -> None:
    """Update the statistics of PostgreSQL after many writes: its plans for empty tables are slow."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("ANALYZE features, feature_tags, feature_groups, model_features"))
