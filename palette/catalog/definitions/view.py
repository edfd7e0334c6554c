"""Definitions and deprecations at one revision of the catalog."""

from __future__ import annotations

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.rename import renamed_to
from palette.catalog.definitions.serialize import group_from_json
from palette.definitions import Entity, FeatureGroup
from palette.errors import FeatureNotFoundError, nearest

__all__ = ["DefinitionView"]


class DefinitionView:
    """Definitions at one revision: any number of names is resolved without a check whether the catalog has changed.

    Parameters
    ----------
    database : Database
        Groups are read from it on first use.
    stamp : tuple of str and int, optional
        Identity and revision of the catalog; None if it does not exist yet.
    entities : dict of str to Entity
        All entities by name.
    deprecated : dict of str to str
        Reasons by feature, group or entity.
    """

    def __init__(
        self,
        database: Database,
        stamp: tuple[str, int] | None,
        entities: dict[str, Entity],
        deprecated: dict[str, str],
    ) -> None:
        self.stamp = stamp
        self.entities = entities
        self._database = database
        self._groups: dict[str, FeatureGroup] = {}
        self._all_groups: dict[str, FeatureGroup] | None = None
        self._deprecated = deprecated

    def groups(self) -> dict[str, FeatureGroup]:
        """Return full name to feature group."""
        if self._all_groups is None:
            with self._database.reading() as connection:
                query = sa.select(tables.groups.c.definition).order_by(tables.groups.c.name)
                groups = [] if connection is None else [group_from_json(text) for text in connection.scalars(query)]
            self._all_groups = {group.full_name: group for group in groups}
        return dict(self._all_groups)

    def entity(self, name: str) -> Entity:
        """Return an entity; see :meth:`palette.catalog.definitions.definitions.Definitions.entity`."""
        if name not in self.entities:
            raise FeatureNotFoundError(f"no entity {name!r}{_suggest(name, sorted(self.entities))}")
        return self.entities[name]

    def group(self, full_name: str) -> FeatureGroup:
        """Return a feature group; see :meth:`palette.catalog.definitions.definitions.Definitions.group`."""
        if (group := self._groups.get(full_name)) is not None:
            return group
        names: list[str] = []
        with self._database.reading() as connection:
            query = sa.select(tables.groups.c.definition).where(tables.groups.c.name == full_name)
            definition = None if connection is None else connection.scalar(query)
            if connection is not None and definition is None:
                names = sorted(connection.scalars(sa.select(tables.groups.c.name)))
        if definition is not None:
            return self._groups.setdefault(full_name, group_from_json(definition))
        if meant := [repr(name) for name in names if name.endswith(f":{full_name}")]:
            raise FeatureNotFoundError(f"no feature group {full_name!r}; did you mean {' or '.join(meant[:3])}?")
        if new_name := self.renamed_to(full_name):
            raise FeatureNotFoundError(f"no feature group {full_name!r}: it was renamed to {new_name!r}")
        self.entity(full_name.partition(":")[0])
        raise FeatureNotFoundError(f"no feature group {full_name!r}{_suggest(full_name, names)}")

    def renamed_to(self, name: str) -> str | None:
        """Return the current name of a group or feature that was renamed, by its former full name, or None."""
        with self._database.reading() as connection:
            return None if connection is None else renamed_to(connection, name)

    def deprecated(self, feature: str) -> str | None:
        """Return why ``entity:group:feature`` is deprecated, or None."""
        if not self._deprecated:
            return None
        entity, group, _ = feature.split(":")
        reasons = self._deprecated
        return reasons.get(feature) or reasons.get(f"{entity}:{group}") or reasons.get(entity)


def _suggest(name: str, known: list[str]) -> str:
    if not known:
        return ": none is applied yet (palette apply, or store.apply(...))"
    return f"{nearest(name, known)} (known: {', '.join(known[:20])}{', ...' * (len(known) > 20)})"
