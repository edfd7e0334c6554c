"""Compatibility rules of definitions, and of changes with written tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from palette.definitions import BatchSource, Entity, FeatureGroup
from palette.errors import DefinitionError, nearest
from palette.types import widens_in_place

__all__ = ["FOLLOWS", "REWRITE", "check_directories", "check_group", "check_together", "entity_break", "group_breaks"]

# What happens to written tables.
FOLLOWS = "written tables follow at their next write"
REWRITE = "a written table must be rewritten"
MOVES = "rows are read from there, and those of the former table are not moved"
# Directory names with a meaning to Delta and Spark: a sibling of the first seems to be part of a table; files below the
# second are not read as data, so that an erasure would miss them.
RESERVED = ("_delta_log", "_spark_metadata")


def check_together(entities: Iterable[str], groups: Iterable[str]) -> None:
    """Raise :class:`DefinitionError` where names differ only by case."""
    _no_case_twins(entities, "entities")
    _no_case_twins(groups, "feature groups")


def check_group(group: FeatureGroup, entities: Mapping[str, Entity], known: Iterable[str]) -> None:
    """Raise :class:`DefinitionError` unless a group fits its entity."""
    if group.entity not in entities:
        raise DefinitionError(
            f"feature group {group.name!r}: no entity {group.entity!r}{nearest(group.entity, known)}; "
            "apply the Entity with it"
        )
    keys = {column.lower(): column for column in entities[group.entity].keys}
    by = group.source.by if isinstance(group.source, BatchSource) else ()
    if by and len(by) != len(keys):
        raise DefinitionError(
            f"feature group {group.full_name!r}: by names {len(by)} columns ({', '.join(by)}), entity {group.entity!r} "
            f"has {len(keys)} keys ({', '.join(keys.values())}): name one for each, in this order"
        )
    for column in group.readable:
        if column.endswith("__status") and column.removesuffix("__status") in group.readable:
            raise DefinitionError(
                f"feature group {group.full_name!r}: {column!r} is the name of another feature's status column"
            )
        if key := keys.get(column.lower()):
            raise DefinitionError(f"feature group {group.full_name!r}: column {column!r} has the name of key {key!r}")


def check_directories(group: FeatureGroup) -> None:
    """Raise :class:`DefinitionError` where Spark or Delta would not read the directory of a group as a table."""
    for kind, name in (("feature group", group.name), ("entity", group.entity)):
        if name.lower() in RESERVED:
            raise DefinitionError(
                f"feature group {group.full_name!r}: a {kind} must not be called {name!r}, which Spark and Delta "
                "reserve for files of their own: its keys could not be erased; choose another name"
            )


def _no_case_twins(names: Iterable[str], what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise DefinitionError(f"{what} {other!r} and {name!r} differ only by case; choose another name")


def entity_break(old: Entity, new: Entity) -> str | None:
    """Return how a new form of an entity breaks written tables, or None."""
    if list(old.keys.items()) == list(new.keys.items()):
        return None
    # Wider keys of the same names and order: tables follow.
    follows = list(old.keys) == list(new.keys) and all(
        old.keys[name] == dtype or widens_in_place(old.keys[name], dtype) for name, dtype in new.keys.items()
    )
    return f"the keys of entity {old.name!r} change from {old.keys} to {new.keys}: {FOLLOWS if follows else REWRITE}"


def group_breaks(old: FeatureGroup, new: FeatureGroup) -> list[str]:
    """Return how a new form of a group, apart from its features, breaks written tables."""
    return [
        f"{old.full_name}: {what} changes from {was!r} to {now!r}: {table}"
        for what, was, now, table in (
            ("timestamp", old.timestamp, new.timestamp, REWRITE),
            ("created", old.created, new.created, FOLLOWS),
            ("table", old.table, new.table, MOVES),
        )
        if was != now
    ]
