"""Removal of single entities, groups and features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import group_from_json
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError, nearest

__all__ = ["plan_removals"]

Dropped = tuple[str, str]


def plan_removals(
    connection: sa.Connection, names: Iterable[str], definitions: Sequence[Entity | FeatureGroup]
) -> tuple[list[FeatureGroup], list[Dropped]]:
    """Return the groups that lose features, without these, and kind and name of removed definitions.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    names : iterable of str
        ``entity``, ``entity:group`` or ``entity:group:feature``.
    definitions : sequence of Entity and FeatureGroup
        Definitions applied in the same plan.

    Raises
    ------
    FeatureNotFoundError
        If the name is not applied; near names are offered.
    DefinitionError
        If it is among the definitions, or something else depends on it.
    """
    given = {item.full_name if isinstance(item, FeatureGroup) else item.name for item in definitions}
    groups = [item for item in definitions if isinstance(item, FeatureGroup)]
    given |= {f"{group.full_name}:{name}" for group in groups for name in group.readable}
    names = list(dict.fromkeys(names))
    features: dict[str, list[str]] = {}
    dropped: list[Dropped] = []
    for name in names:
        owner, _, feature = name.rpartition(":")
        if name in given:
            raise DefinitionError(f"{name!r} is removed, and is among the definitions: delete it there")
        if name.count(":") == 2:
            if owner not in names and owner not in given:
                features.setdefault(owner, []).append(feature)
        elif name.count(":") < 2:
            dropped.append(("group" if ":" in name else "entity", name))
        else:
            raise ArgumentError(f"{name!r}: expected entity, entity:group or entity:group:feature")
    known_groups = list(connection.scalars(sa.select(tables.groups.c.name)))
    known = {"group": known_groups, "entity": list(connection.scalars(sa.select(tables.entities.c.name)))}
    for kind, name in [*dropped, *(("group", group) for group in features)]:
        if name not in known[kind]:
            raise FeatureNotFoundError(
                f"no {'feature group' * (kind == 'group') or kind} {name!r}{nearest(name, known[kind])}"
            )
    removed = {name for kind, name in dropped if kind == "group"}
    for kind, name in dropped:
        remaining = [group for group in known_groups if group.startswith(f"{name}:") and group not in removed]
        if kind == "entity" and remaining:
            raise DefinitionError(
                f"entity {name!r} still has feature groups: remove {', '.join(remaining[:5])} with it"
            )
    # Groups first: their rows refer to their entities.
    dropped.sort(key=lambda item: item[0] == "entity")
    return [_without(connection, group, names) for group, names in features.items()], dropped


def _without(connection: sa.Connection, name: str, features: Sequence[str]) -> FeatureGroup:
    """Return a group without some of its features."""
    text = connection.scalar(sa.select(tables.groups.c.definition).where(tables.groups.c.name == name))
    group = group_from_json(str(text))
    names = [feature.name for feature in group.features]
    for feature in features:
        if feature not in names:
            raise FeatureNotFoundError(
                f"feature group {name!r} has no feature {feature!r}{nearest(feature, names)} to remove "
                f"(it has {', '.join(names)})"
            )
    remaining = tuple(feature for feature in group.features if feature.name not in features)
    if not remaining:
        raise DefinitionError(f"{name!r} would be left without features: remove the group")
    if getattr(group.source, "aggregates", ()):
        raise DefinitionError(
            f"{name}: {', '.join(features)} is computed by its source: remove the aggregate from its definition, and "
            "apply that"
        )
    return group.model_copy(update={"features": remaining})
