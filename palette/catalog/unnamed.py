"""What is applied and not among the definitions at hand: who uses it, and what it may be called now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.reading import chunks, group_of
from palette.definitions import FeatureGroup

__all__ = ["renames", "users"]


def users(connection: sa.Connection, names: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return entity or full name of a group to the models that use features of it.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    names : iterable of (kind, name)
        A group's models are its entity's, too.
    """
    found: dict[str, set[str]] = {}
    used, known = tables.model_features.c, tables.features.c
    for some in chunks(name for kind, name in names if kind == "group"):
        asked = sa.select(known.group_name, used.model).join_from(
            tables.model_features, tables.features, used.feature == known.name
        )
        for group, model in connection.execute(asked.where(known.group_name.in_(some)).distinct()):
            for name in (group, group.partition(":")[0]):
                found.setdefault(name, set()).add(model)
    return {name: tuple(sorted(models)) for name, models in found.items()}


def renames(connection: sa.Connection, gone: Sequence[str], fresh: Sequence[FeatureGroup]) -> dict[str, str]:
    """Return group to the new group of the same entity that alone has the same features."""
    found: dict[str, str] = {}
    if not fresh:
        return found
    entities = {group.entity for group in fresh}
    for some in chunks(name for name in gone if name.partition(":")[0] in entities):
        asked = sa.select(tables.groups.c.definition).where(tables.groups.c.name.in_(some))
        for old in map(group_of, connection.scalars(asked)):
            same = [one.name for one in fresh if one.entity == old.entity and one.readable == old.readable]
            if len(same) == 1:
                found[old.full_name] = same[0]
    return found
