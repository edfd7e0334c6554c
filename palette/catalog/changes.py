"""Which changes of definitions are allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from palette.definitions import Entity, FeatureGroup
from palette.errors import DefinitionError, nearest

__all__ = ["check_changes"]


def check_changes(
    old_entities: Mapping[str, Entity],
    old_groups: Mapping[str, FeatureGroup],
    entities: Mapping[str, Entity],
    groups: Mapping[str, FeatureGroup],
    *,
    allow_breaking: bool,
) -> None:
    """Raise :class:`DefinitionError` unless the new definitions fit together and follow from the old ones."""
    _no_case_twins(entities, "entities")
    _no_case_twins(groups, "feature groups")
    for group in groups.values():
        if group.entity not in entities:
            raise DefinitionError(
                f"feature group {group.name!r}: no entity {group.entity!r}{nearest(group.entity, entities)}; "
                "apply the Entity with it"
            )
        keys = {column.lower(): column for column in entities[group.entity].keys}
        for column in group.readable:
            if column.endswith("__status") and column.removesuffix("__status") in group.readable:
                raise DefinitionError(
                    f"feature group {group.full_name!r}: {column!r} is what the status of its other feature is called"
                )
            if key := keys.get(column.lower()):
                raise DefinitionError(
                    f"feature group {group.full_name!r}: column {column!r} has the name of key {key!r}"
                )
    if allow_breaking:
        return
    breaks = [
        *(found for name in old_entities if (found := _entity_break(old_entities[name], entities[name]))),
        *(found for name in old_groups for found in _group_breaks(old_groups[name], groups[name])),
    ]
    if breaks:
        raise DefinitionError(
            "breaking changes: " + "; ".join(breaks) + " (use another name, or apply(..., allow_breaking=True))"
        )


def _no_case_twins(names: Iterable[str], what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise DefinitionError(f"{what} {other!r} and {name!r} differ only by case; choose another name")


def _entity_break(old: Entity, new: Entity) -> str | None:
    if list(old.keys.items()) == list(new.keys.items()):
        return None
    return f"the keys of entity {old.name!r} change from {old.keys} to {new.keys}"


def _group_breaks(old: FeatureGroup, new: FeatureGroup) -> list[str]:
    name = old.full_name
    breaks = [
        f"{name}: {what} changes from {was!r} to {now!r}"
        for what, was, now in (
            ("timestamp", old.timestamp, new.timestamp),
            ("created", old.created, new.created),
        )
        if was != now
    ]
    types = {feature.name: feature.dtype for feature in new.features}
    for feature in old.features:
        if feature.name not in types:
            breaks.append(f"{name}: feature {feature.name!r} is removed")
        elif feature.dtype != types[feature.name]:
            breaks.append(f"{name}: {feature.name!r} changes from {feature.dtype} to {types[feature.name]}")
    return breaks
