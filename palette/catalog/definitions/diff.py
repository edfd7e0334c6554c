"""What an apply would change: definitions compared with what is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.changes import Change, Changes, Unnamed, hint
from palette.catalog.definitions.compatibility import (
    ANEW,
    FOLLOWS,
    check_directories,
    check_group,
    check_together,
    entity_break,
    group_breaks,
)
from palette.catalog.definitions.field_diff import Difference, differences
from palette.catalog.definitions.former_columns import Returned, former_types, returned
from palette.catalog.definitions.remove import removals
from palette.catalog.definitions.rename import renamed_groups
from palette.catalog.definitions.serialize import chunks, entity_of, group_of, text_of
from palette.catalog.definitions.unreferenced import likely_renames, users
from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, DefinitionError
from palette.terminal import printable
from palette.types import widens_in_place

__all__ = ["compute"]

D = TypeVar("D", Entity, FeatureGroup)


def compute(
    connection: sa.Connection,
    definitions: Sequence[Entity | FeatureGroup],
    *,
    prune: bool,
    stamp: tuple[str, int],
    tell_unnamed: bool = False,
    remove: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    drop_tables: bool = False,
) -> Changes:
    """Compare definitions with what is applied.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    definitions : sequence of Entity and FeatureGroup
        What is wanted.
    prune : bool
        Whether what is not among them goes.
    stamp : tuple
        Of the catalog's state.
    tell_unnamed : bool
        Whether to tell what is not among them where it stays.
    remove : sequence of str
        Entities, groups and features to remove, by their full names.
    rename : mapping of str to str
        Groups and features by their full names to their new names.
    drop_tables : bool
        Whether tables of removed groups go as well.

    Raises
    ------
    DefinitionError
        If they do not fit together.
    FeatureNotFoundError
        If something to remove is not applied.
    """
    if prune and remove:
        raise ArgumentError("prune removes all that is not among the definitions: name what to remove, or prune")
    alone = bool(remove or rename) and not definitions
    thinned, removed = removals(connection, remove, definitions)
    called, renames = renamed_groups(connection, rename or {}, [*definitions, *thinned])
    given = {one.full_name for one in definitions if isinstance(one, FeatureGroup)}
    definitions = [*definitions, *thinned, *(group for name, group in called.items() if name not in given)]
    moved = {one.old for one in renames if one.kind == "group"}
    entities = _by_name("entity", ((one.name, one) for one in definitions if isinstance(one, Entity)))
    groups = _by_name("feature group", ((one.full_name, one) for one in definitions if isinstance(one, FeatureGroup)))
    all_entities, all_groups = _names(connection, tables.entities), _names(connection, tables.groups)
    unnamed = [("group", name) for name in all_groups if name not in groups and name not in moved]
    unnamed += [("entity", name) for name in all_entities if name not in entities]
    dropped = unnamed if prune else removed
    # A name that was given up may have become one of these.
    fresh = [group for name, group in groups.items() if name not in set(all_groups)]
    if prune:
        all_entities, all_groups = list(entities), list(groups)
    gone = {name for _, name in dropped} | moved
    all_entities, all_groups = ([name for name in names if name not in gone] for names in (all_entities, all_groups))
    check_together([*all_entities, *entities], [*all_groups, *groups])

    old_entities = {one.name: one for one in _differing(connection, tables.entities, entities)}
    old_groups = {one.full_name: one for one in _differing(connection, tables.groups, groups)}
    new_entities = {name: one for name, one in entities.items() if _new(name, old_entities, one)}
    new_groups = {name: one for name, one in groups.items() if name in called or _new(name, old_groups, one)}
    _check(connection, new_entities, new_groups, entities, all_entities, gone)

    former = former_types(connection, new_groups)
    items = [*_entity_changes(old_entities, new_entities), *_group_changes(old_groups | called, new_groups, former)]
    items += [Change("renamed", one.kind, one.old, (one.told,), breaking=True) for one in renames]
    hints = likely_renames(connection, [name for kind, name in unnamed if kind == "group"], fresh)
    tables_too = _tables_too(connection, dropped) if drop_tables else {}
    for kind, name in dropped:
        detail = f"{kind} {name!r} is removed{hint(hints.get(name))}{tables_too.get(name, '')}"
        items.append(Change("removed", kind, name, (detail,), breaking=True))
    told = [one for one in unnamed if one[1] not in gone] if tell_unnamed and not prune and not alone else []
    hit = [change.name for change in items if change.breaking or _changes_ttl(change)]
    used = users(connection, hit + [name for _, name in told])
    items = [_with_models(change, used.get(change.name, ())) for change in items]
    others = tuple(Unnamed(kind, name, used.get(name, ()), hints.get(name)) for kind, name in told)
    new: tuple[Entity | FeatureGroup, ...] = (*new_entities.values(), *new_groups.values())
    how: dict[str, Any] = {"drop_tables": drop_tables, "pruned": prune, "renames": tuple(renames)}
    return Changes(tuple(items), new, tuple(dropped), stamp, others, **how)


def _tables_too(connection: sa.Connection, dropped: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what dropping the table of each removed group means."""
    pin, group = tables.pins.c, tables.groups.c
    told = {}
    for name in (name for kind, name in dropped if kind == "group"):
        removed = group_of(str(connection.scalar(sa.select(group.definition).where(group.name == name))))
        if removed.table is not None:
            told[name] = f", its table {removed.table} stays, since it is not the store's"
            continue
        pins = list(connection.scalars(sa.select(pin.name).where(pin.group_name == name).order_by(pin.name)))
        lost = f"; versions kept for {', '.join(pins)} are lost" if pins else ""
        told[name] = f", its table with all versions is deleted{lost}"
    return told


def _changes_ttl(change: Change) -> bool:
    return change.kind == "group" and any(value.field == "ttl" for value in change.values)


def _with_models(change: Change, models: tuple[str, ...]) -> Change:
    """Name the models that a change hits, and those that it does not reach."""
    if models and _changes_ttl(change):
        kept = f"models keep the ttl that they were fitted with: {', '.join(map(printable, models))}"
        change = replace(change, details=(*change.details, kept))
    return replace(change, models=models) if change.breaking else change


def _by_name(kind: str, definitions: Iterable[tuple[str, D]]) -> dict[str, D]:
    found: dict[str, D] = {}
    for name, one in definitions:
        # The same twice, of two modules that share an entity, is no contradiction.
        if found.setdefault(name, one) is not one and text_of(found[name]) != text_of(one):
            raise DefinitionError(f"{kind} {name!r} is given twice, and differently; take one of the two out")
    return found


def _names(connection: sa.Connection, table: sa.Table) -> list[str]:
    return list(connection.scalars(sa.select(table.c.name)))


def _new(name: str, old: Mapping[str, Any], one: Entity | FeatureGroup) -> bool:
    # _differing left None for what is applied as it stands.
    return name not in old or text_of(old[name]) != text_of(one)


def _differing(connection: sa.Connection, table: sa.Table, wanted: Mapping[str, D]) -> Iterator[D]:
    """Yield what is applied under the wanted names; what is the same is not parsed."""
    for some in chunks(wanted):
        rows = connection.execute(sa.select(table.c.name, table.c.definition).where(table.c.name.in_(some)))
        for name, text in rows:
            same = wanted[name]
            found: Any = same
            if text != text_of(same):
                found = entity_of(text) if isinstance(same, Entity) else group_of(text)
            yield found


def _check(
    connection: sa.Connection,
    entities: Mapping[str, Entity],
    groups: Mapping[str, FeatureGroup],
    given: Mapping[str, Entity],
    known: Iterable[str],
    dropped: set[str],
) -> None:
    needed = {group.entity for group in groups.values()} - set(given) - dropped
    found = dict(given)
    for some in chunks(needed):
        rows = connection.scalars(sa.select(tables.entities.c.definition).where(tables.entities.c.name.in_(some)))
        found |= {one.name: one for one in map(entity_of, rows)}
    for group in groups.values():
        check_group(group, found, known)
        check_directories(group)
    for some in chunks(entities):
        rows = connection.scalars(sa.select(tables.groups.c.definition).where(tables.groups.c.entity.in_(some)))
        for group in map(group_of, rows):
            if group.full_name not in groups and group.full_name not in dropped:
                check_group(group, found, known)


def _entity_changes(old: Mapping[str, Entity], new: Mapping[str, Entity]) -> Iterator[Change]:
    for name, entity in new.items():
        if name not in old:
            yield Change("added", "entity", name, (f"keys {', '.join(entity.keys)}",))
            continue
        broken = entity_break(old[name], entity)
        values = differences(old[name], entity, {"name", "keys"})
        details = (*([broken] if broken else []), *_told(values))
        yield Change("changed", "entity", name, details, broken is not None, values=values)


def _group_changes(
    old: Mapping[str, FeatureGroup], new: Mapping[str, FeatureGroup], former: Mapping[str, Mapping[str, str]]
) -> Iterator[Change]:
    for name, group in new.items():
        back = returned(former.get(name, {}), old.get(name), group)
        if name not in old:
            names = ", ".join(feature.name for feature in group.features)
            details = (f"features {names}", *(told for _, told in back.values()))
            yield Change("added", "group", name, details, not all(follows for follows, _ in back.values()))
            continue
        broken = group_breaks(old[name], group)
        broken += [
            f"{name}: {told}" for column, (_, told) in back.items() if column in (group.timestamp, group.created)
        ]
        values = differences(old[name], group, {"name", "entity", "features", "timestamp", "created", "table"})
        described = _told(values) + _reordered(old[name].features, group.features)
        if broken or described:
            yield Change("changed", "group", name, (*broken, *described), bool(broken), values=values)
        yield from _feature_changes(name, old[name].features, group.features, back)


def _reordered(old: Sequence[Feature], new: Sequence[Feature]) -> tuple[str, ...]:
    """Tell that features have changed places: their order decides between rows of the same times."""
    before, after = [one.name for one in old], [one.name for one in new]
    was, now = ([name for name in names if name in before and name in after] for names in (before, after))
    return () if was == now else (f"order of features: {', '.join(was):.80} -> {', '.join(now):.80}",)


def _feature_changes(group: str, old: Sequence[Feature], new: Sequence[Feature], back: Returned) -> Iterator[Change]:
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    for feature in new:
        full_name = f"{group}:{feature.name}"
        if feature.name not in before:
            follows, told = back.get(feature.name, (True, ""))
            details = (feature.dtype, f"{group}: {told}") if told else (feature.dtype,)
            yield Change("added", "feature", full_name, details, breaking=not follows)
            continue
        was = before[feature.name]
        values = differences(was, feature, {"name", "dtype"})
        if was.dtype != feature.dtype:
            table = FOLLOWS if widens_in_place(was.dtype, feature.dtype) else ANEW
            told = f"{group}: {feature.name!r} changes from {was.dtype} to {feature.dtype}: {table}"
            yield Change("changed", "feature", full_name, (told, *_told(values)), breaking=True, values=values)
        elif values:
            yield Change("changed", "feature", full_name, _told(values), values=values)
    for feature in old:
        if feature.name not in after:
            same = [one.name for one in new if one.name not in before and one.dtype == feature.dtype]
            called = hint(same[0] if len(same) == 1 else None)
            told = f"{group}: feature {feature.name!r} is removed{called}: a written table keeps its column"
            yield Change("removed", "feature", f"{group}:{feature.name}", (told,), breaking=True)


def _told(values: Iterable[Difference]) -> tuple[str, ...]:
    return tuple(line for one in values for line in one.told)
