"""Removed definitions, read from the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from palette.catalog import tables
from palette.definitions import Entity, FeatureGroup
from palette.errors import FeatureNotFoundError

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog

__all__ = ["last_definitions", "last_entity", "removed_groups"]


def removed_groups(catalog: SqlCatalog, entity: str) -> list[str]:
    """Return the full names of an entity's removed groups."""
    old, now = tables.versions.c, tables.groups.c
    names = sa.select(old.name).where(old.kind == "group", old.name.startswith(f"{entity}:", autoescape=True))
    with catalog.database.reading() as connection:
        if connection is None:
            return []
        return list(connection.scalars(names.where(old.name.not_in(sa.select(now.name))).distinct().order_by(old.name)))


def last_definitions(catalog: SqlCatalog, name: str) -> tuple[Entity, FeatureGroup]:
    """Return the entity and the group of a full name; removed ones in their last form.

    Raises
    ------
    FeatureNotFoundError
        If there was never such a group; near names are offered.
    """
    try:
        group = catalog.definitions.group(name)
    except FeatureNotFoundError:
        forms = [version.definition for version in catalog.definitions.history(name)]
        groups = [form for form in forms if isinstance(form, FeatureGroup)]
        if not groups:
            raise
        group = groups[-1]
    return last_entity(catalog, group.entity), group


def last_entity(catalog: SqlCatalog, name: str) -> Entity:
    """Return an entity; a removed one in its last form.

    Raises
    ------
    FeatureNotFoundError
        If there was never such an entity; near names are offered.
    """
    try:
        return catalog.definitions.entity(name)
    except FeatureNotFoundError:
        forms = [version.definition for version in catalog.definitions.history(name)]
        entities = [form for form in forms if isinstance(form, Entity)]
        if not entities:
            raise
        return entities[-1]
