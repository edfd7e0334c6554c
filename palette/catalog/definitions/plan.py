"""Plan of an apply: definitions compared with the applied ones, the result validated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.changes import Change, Changes, Unreferenced, rename_hint
from palette.catalog.definitions.compatibility import check_directories, check_group, check_together
from palette.catalog.definitions.diff import diff_entities, diff_groups
from palette.catalog.definitions.former_columns import former_types
from palette.catalog.definitions.remove import plan_removals
from palette.catalog.definitions.rename import Rename, plan_renames
from palette.catalog.definitions.serialize import chunks, entity_from_json, group_from_json, to_json
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError, DefinitionError
from palette.terminal import printable

__all__ = ["compute"]

D = TypeVar("D", Entity, FeatureGroup)


class _Name(NamedTuple):
    kind: str
    name: str


@dataclass(frozen=True)
class _Scope:
    """Definitions and names that a plan is about.

    Parameters
    ----------
    entities, groups : dict
        Definitions to be applied, by name; groups that lose or rename features included.
    applied_entities, applied_groups : list of str
        Names in the catalog.
    renames : list of Rename
        Renames of groups and features.
    renamed : dict of str to FeatureGroup
        Renamed groups as they are applied now, under their new names.
    unreferenced, dropped : list of _Name
        Applied definitions that are not among the given ones, and those that are removed.
    """

    entities: dict[str, Entity]
    groups: dict[str, FeatureGroup]
    applied_entities: list[str]
    applied_groups: list[str]
    renames: list[Rename]
    renamed: dict[str, FeatureGroup]
    unreferenced: list[_Name]
    dropped: list[_Name]

    @property
    def deleted(self) -> set[str]:
        """Names that do not exist any more after the plan, former names of groups included."""
        return {name for _, name in self.dropped} | _former_names(self.renames)


class _Diff(NamedTuple):
    """New and changed definitions by name, and the applied forms of changed ones."""

    entities: dict[str, Entity]
    groups: dict[str, FeatureGroup]
    old_entities: dict[str, Entity]
    old_groups: dict[str, FeatureGroup]


def compute(
    connection: sa.Connection,
    definitions: Sequence[Entity | FeatureGroup],
    *,
    prune: bool,
    stamp: tuple[str, int],
    report_unreferenced: bool = False,
    remove: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    drop_tables: bool = False,
) -> Changes:
    """Return the changes from the applied definitions to the given ones.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    definitions : sequence of Entity and FeatureGroup
        The definitions to apply.
    prune : bool
        Whether applied definitions that are not among them are removed.
    stamp : tuple
        The state of the catalog.
    report_unreferenced : bool
        Whether to report applied definitions that are not among them, and stay.
    remove : sequence of str
        Entities, groups and features to remove, by their full names.
    rename : mapping of str to str
        Groups and features by their full names to their new names.
    drop_tables : bool
        Whether the tables of removed groups are deleted as well.

    Raises
    ------
    DefinitionError
        If the definitions are inconsistent.
    FeatureNotFoundError
        If something to remove is not applied.
    """
    if prune and remove:
        raise ArgumentError("prune removes all that is not among the definitions: give either prune or remove")
    scope = _scope(connection, definitions, prune=prune, remove=remove, rename=rename or {})
    diff = _compare(connection, scope)
    _validate(connection, scope, diff)
    hints = _likely_renames(connection, scope)
    items = [
        *diff_entities(diff.old_entities, diff.entities),
        *diff_groups(diff.old_groups | scope.renamed, diff.groups, former_types(connection, diff.groups)),
        *(Change("renamed", item.kind, item.old, (item.message,), breaking=True) for item in scope.renames),
        *_removals(connection, scope.dropped, hints, drop_tables=drop_tables),
    ]
    others: list[_Name] = []
    if report_unreferenced and not prune and (definitions or not (remove or rename)):
        others = [item for item in scope.unreferenced if item.name not in scope.deleted]
    users = _users(connection, [*_names_to_annotate(items), *(name for _, name in others)])
    return Changes(
        tuple(_annotate(change, users.get(change.name, ())) for change in items),
        (*diff.entities.values(), *diff.groups.values()),
        tuple((kind, name) for kind, name in scope.dropped),
        stamp,
        tuple(Unreferenced(kind, name, users.get(name, ()), hints.get(name)) for kind, name in others),
        drop_tables=drop_tables,
        pruned=prune,
        renames=tuple(scope.renames),
    )


def _scope(
    connection: sa.Connection,
    definitions: Sequence[Entity | FeatureGroup],
    *,
    prune: bool,
    remove: Sequence[str],
    rename: Mapping[str, str],
) -> _Scope:
    reduced, removed = plan_removals(connection, remove, definitions)
    renamed, renames = plan_renames(connection, rename, [*definitions, *reduced])
    given = {item.full_name for item in definitions if isinstance(item, FeatureGroup)}
    definitions = [*definitions, *reduced, *(group for name, group in renamed.items() if name not in given)]
    entities = _by_name("entity", ((item.name, item) for item in definitions if isinstance(item, Entity)))
    named_groups = ((item.full_name, item) for item in definitions if isinstance(item, FeatureGroup))
    groups = _by_name("feature group", named_groups)
    applied_entities = list(connection.scalars(sa.select(tables.entities.c.name)))
    applied_groups = list(connection.scalars(sa.select(tables.groups.c.name)))
    named = groups.keys() | _former_names(renames)
    unreferenced = [_Name("group", name) for name in applied_groups if name not in named]
    unreferenced += [_Name("entity", name) for name in applied_entities if name not in entities]
    dropped = unreferenced if prune else [_Name(*item) for item in removed]
    return _Scope(entities, groups, applied_entities, applied_groups, renames, renamed, unreferenced, dropped)


def _former_names(renames: Iterable[Rename]) -> set[str]:
    return {rename.old for rename in renames if rename.kind == "group"}


def _by_name(kind: str, definitions: Iterable[tuple[str, D]]) -> dict[str, D]:
    named: dict[str, D] = {}
    for name, item in definitions:
        # Equal duplicates are allowed: two modules may share an entity.
        if named.setdefault(name, item) is not item and to_json(named[name]) != to_json(item):
            raise DefinitionError(f"{kind} {name!r} is given twice, and differently; remove one of the two")
    return named


def _compare(connection: sa.Connection, scope: _Scope) -> _Diff:
    old_entities = {item.name: item for item in _applied(connection, tables.entities, scope.entities)}
    old_groups = {item.full_name: item for item in _applied(connection, tables.groups, scope.groups)}
    return _Diff(
        {name: item for name, item in scope.entities.items() if _differs(old_entities.get(name), item)},
        {
            name: item
            for name, item in scope.groups.items()
            if name in scope.renamed or _differs(old_groups.get(name), item)
        },
        old_entities,
        old_groups,
    )


def _differs(old: Entity | FeatureGroup | None, new: Entity | FeatureGroup) -> bool:
    return old is None or (old is not new and to_json(old) != to_json(new))


def _applied(connection: sa.Connection, table: sa.Table, definitions: Mapping[str, D]) -> Iterator[D]:
    """Yield the applied definitions of these names; an unchanged one is the given one, and not parsed."""
    for names in chunks(definitions):
        rows = connection.execute(sa.select(table.c.name, table.c.definition).where(table.c.name.in_(names)))
        for name, text in rows:
            given = definitions[name]
            applied: Any = given
            if text != to_json(given):
                applied = entity_from_json(text) if isinstance(given, Entity) else group_from_json(text)
            yield applied


def _validate(connection: sa.Connection, scope: _Scope, diff: _Diff) -> None:
    """Raise :class:`DefinitionError` unless all definitions that exist after the plan are consistent."""
    deleted = scope.deleted
    entity_names = [*(name for name in scope.applied_entities if name not in deleted), *scope.entities]
    check_together(entity_names, [*(name for name in scope.applied_groups if name not in deleted), *scope.groups])
    entities = dict(scope.entities)
    for names in chunks({group.entity for group in diff.groups.values()} - set(entities) - deleted):
        rows = connection.scalars(sa.select(tables.entities.c.definition).where(tables.entities.c.name.in_(names)))
        entities |= {entity.name: entity for entity in map(entity_from_json, rows)}
    for group in diff.groups.values():
        check_group(group, entities, entity_names)
        check_directories(group)
    for names in chunks(diff.entities):
        rows = connection.scalars(sa.select(tables.groups.c.definition).where(tables.groups.c.entity.in_(names)))
        for group in map(group_from_json, rows):
            if group.full_name not in diff.groups and group.full_name not in deleted:
                check_group(group, entities, entity_names)


def _removals(
    connection: sa.Connection, dropped: Iterable[_Name], hints: Mapping[str, str], *, drop_tables: bool
) -> Iterator[Change]:
    for kind, name in dropped:
        tables_too = _describe_drop(connection, name) if drop_tables and kind == "group" else ""
        detail = f"{kind} {name!r} is removed{rename_hint(hints.get(name))}{tables_too}"
        yield Change("removed", kind, name, (detail,), breaking=True)


def _describe_drop(connection: sa.Connection, name: str) -> str:
    """Return what happens to the table of a group when it is dropped."""
    pin, column = tables.pins.c, tables.groups.c
    group = group_from_json(str(connection.scalar(sa.select(column.definition).where(column.name == name))))
    if group.table is not None:
        return f", its table {group.table} stays, because others own it"
    pins = list(connection.scalars(sa.select(pin.name).where(pin.group_name == name).order_by(pin.name)))
    lost = f"; versions pinned for {', '.join(pins)} are lost" if pins else ""
    return f", its table with all versions is deleted{lost}"


def _likely_renames(connection: sa.Connection, scope: _Scope) -> dict[str, str]:
    """Return unreferenced group to the only new group of the same entity that has the same features."""
    applied = set(scope.applied_groups)
    added = [group for name, group in scope.groups.items() if name not in applied]
    entities = {group.entity for group in added}
    renames: dict[str, str] = {}
    candidates = [name for kind, name in scope.unreferenced if kind == "group" and name.partition(":")[0] in entities]
    for names in chunks(candidates):
        query = sa.select(tables.groups.c.definition).where(tables.groups.c.name.in_(names))
        for old in map(group_from_json, connection.scalars(query)):
            same = [group.name for group in added if group.entity == old.entity and group.readable == old.readable]
            if len(same) == 1:
                renames[old.full_name] = same[0]
    return renames


def _names_to_annotate(items: Iterable[Change]) -> list[str]:
    return [change.name for change in items if change.breaking or _changes_ttl(change)]


def _changes_ttl(change: Change) -> bool:
    return change.kind == "group" and any(value.field == "ttl" for value in change.values)


def _annotate(change: Change, models: tuple[str, ...]) -> Change:
    """Return a change with the models that it affects, and those that keep an old ttl."""
    if models and _changes_ttl(change):
        detail = f"models keep the ttl that they were fitted with: {', '.join(map(printable, models))}"
        change = replace(change, details=(*change.details, detail))
    return replace(change, models=models) if change.breaking else change


def _users(connection: sa.Connection, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return name of an entity, group or feature to the models that use it; removed ones included."""
    requested, use = set(names), tables.model_features.c
    subjects = {name: [name] for name in requested if name.count(":") == 2}
    if len(subjects) < len(requested):
        # All features once: no index serves a prefix search under every collation of PostgreSQL.
        for feature in connection.scalars(sa.select(use.feature).distinct()):
            group = feature.rpartition(":")[0]
            subjects[feature] = [name for name in (feature, group, feature.partition(":")[0]) if name in requested]
    models: dict[str, set[str]] = {}
    for features in chunks(feature for feature, affected in subjects.items() if affected):
        query = sa.select(use.feature, use.model).where(use.feature.in_(features)).distinct()
        for feature, model in connection.execute(query):
            for name in subjects[feature]:
                models.setdefault(name, set()).add(model)
    return {name: tuple(sorted(users)) for name, users in models.items()}
