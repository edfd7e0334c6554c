"""Who uses what is applied, and what something that is not among the definitions at hand may be called now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import chunks, group_of
from palette.definitions import FeatureGroup

__all__ = ["likely_renames", "users"]


def users(connection: sa.Connection, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return entity, full name of a group or of a feature to the models that use it, or features of it.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    names : iterable of str
        Also of what is no more, as long as a model uses it.
    """
    wanted, used = set(names), tables.model_features.c
    named = {name: [name] for name in wanted if name.count(":") == 2}
    if len(named) < len(wanted):
        # Once for all: no index finds what begins with a name, in every collation of PostgreSQL.
        for feature in connection.scalars(sa.select(used.feature).distinct()):
            group = feature.rpartition(":")[0]
            named[feature] = [name for name in (feature, group, feature.partition(":")[0]) if name in wanted]
    found: dict[str, set[str]] = {}
    for some in chunks(feature for feature, of in named.items() if of):
        asked = sa.select(used.feature, used.model).where(used.feature.in_(some)).distinct()
        for feature, model in connection.execute(asked):
            for name in named[feature]:
                found.setdefault(name, set()).add(model)
    return {name: tuple(sorted(models)) for name, models in found.items()}


def likely_renames(connection: sa.Connection, gone: Sequence[str], fresh: Sequence[FeatureGroup]) -> dict[str, str]:
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
