"""Entities and feature groups of a catalog: look-up, plan, apply, history."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.changes import Changes
from palette.catalog.definitions.plan import compute
from palette.catalog.definitions.rename import forget_renames, move_records, renamed_to
from palette.catalog.definitions.serialize import entity_from_json, group_from_json
from palette.catalog.definitions.write import bump_revision, current_user, erase_definition, write_all
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError, nearest

__all__ = ["DefinitionVersion", "Definitions"]

# Modification times have the resolution of the file system's clock: two changes may share a recent one.
CLOCK_RESOLUTION = 0.1


class DefinitionVersion(NamedTuple):
    """One version of a definition; ``definition`` is None where it was removed."""

    version: int
    action: str
    definition: Entity | FeatureGroup | None
    who: str
    at: dt.datetime


class _Cache:
    """Definitions and deprecations read at one revision of the catalog."""

    def __init__(self, stamp: tuple[str, int] | None, entities: dict[str, Entity], deprecated: dict[str, str]) -> None:
        self.stamp = stamp
        self.entities = entities
        self.groups: dict[str, FeatureGroup] = {}
        self.all_groups: dict[str, FeatureGroup] | None = None
        self.deprecated = deprecated


class Definitions:
    """Entities and feature groups.

    Definitions are cached; each call checks whether they changed, so changes of another process are seen at the next
    call.

    Parameters
    ----------
    database : Database
        The database of the catalog.

    Examples
    --------
    >>> import tempfile
    >>> from palette.catalog import SqlCatalog
    >>> catalog = SqlCatalog.in_directory(tempfile.mkdtemp())
    >>> print(catalog.definitions.plan([Entity("plane", keys={"tailnum": "string"})]))
    + entity plane
        keys tailnum
    1 added, 0 changed, 0 removed; none breaking
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = _Cache(None, {}, {})
        self._file_stamp: tuple[int, ...] | None = None

    def entities(self) -> dict[str, Entity]:
        """Return name to entity."""
        return dict(self._current().entities)

    def groups(self) -> dict[str, FeatureGroup]:
        """Return full name to feature group."""
        cache = self._current()
        if cache.all_groups is None:
            with self._database.reading() as connection:
                query = sa.select(tables.groups.c.definition).order_by(tables.groups.c.name)
                groups = [] if connection is None else [group_from_json(text) for text in connection.scalars(query)]
            cache.all_groups = {group.full_name: group for group in groups}
        return dict(cache.all_groups)

    def entity(self, name: str) -> Entity:
        """Return an entity.

        Raises
        ------
        FeatureNotFoundError
            If there is no such entity; near names are offered.
        """
        entities = self._current().entities
        if name not in entities:
            raise FeatureNotFoundError(f"no entity {name!r}{_suggest(name, sorted(entities))}")
        return entities[name]

    def group(self, full_name: str) -> FeatureGroup:
        """Return a feature group.

        Raises
        ------
        FeatureNotFoundError
            If there is no such entity or group; near names are offered.
        """
        cache = self._current()
        if (group := cache.groups.get(full_name)) is not None:
            return group
        names: list[str] = []
        with self._database.reading() as connection:
            query = sa.select(tables.groups.c.definition).where(tables.groups.c.name == full_name)
            definition = None if connection is None else connection.scalar(query)
            if connection is not None and definition is None:
                names = sorted(connection.scalars(sa.select(tables.groups.c.name)))
        if definition is not None:
            return cache.groups.setdefault(full_name, group_from_json(definition))
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
        reasons = self._current().deprecated
        if not reasons:
            return None
        entity, group, _ = feature.split(":")
        return reasons.get(feature) or reasons.get(f"{entity}:{group}") or reasons.get(entity)

    def plan(
        self,
        definitions: Sequence[Entity | FeatureGroup],
        *,
        prune: bool = False,
        remove: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> Changes:
        """Return what :meth:`apply` would change.

        Parameters
        ----------
        definitions : sequence of Entity and FeatureGroup
            The definitions to apply.
        prune : bool
            Whether applied definitions that are not among them are removed.
        remove : sequence of str
            Entities, groups and features to remove, by their full names.
        rename : mapping of str to str, optional
            Groups and features by their full names to their new names.
        drop_tables : bool
            Whether the tables of removed groups are to be deleted, by whoever applies the plan.

        Raises
        ------
        DefinitionError
            If names clash or an entity is unknown.
        FeatureNotFoundError
            If something to remove is not applied.
        """
        options: dict[str, Any] = {"prune": prune, "remove": remove, "rename": rename, "drop_tables": drop_tables}
        with self._database.reading() as connection:
            if connection is not None:
                return compute(connection, definitions, stamp=_stamp(connection), report_unreferenced=True, **options)
        with sa.create_engine("sqlite://").connect() as empty:
            tables.metadata.create_all(empty)
            return compute(empty, definitions, stamp=("", 0), **options)

    def apply(
        self,
        definitions: Sequence[Entity | FeatureGroup] | Changes,
        *,
        allow_breaking: bool = False,
        prune: bool = False,
        remove: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        who: str | None = None,
    ) -> Changes:
        """Carry out what :meth:`plan` returns, all or nothing.

        Parameters
        ----------
        definitions : sequence of Entity and FeatureGroup, or Changes
            A plan is carried out exactly, or rejected if the catalog has changed since.
        allow_breaking : bool
            Whether features and groups may disappear, and types may change.
        prune : bool
            Whether applied definitions that are not among these are removed; a plan has its own.
        remove : sequence of str
            Entities, groups and features to remove, by their full names; a plan has its own.
        rename : mapping of str to str, optional
            Groups and features to their new names, likewise; the caller moves the tables.
        who : str, optional
            Recorded in the history; by default ``PALETTE_USER`` or the user of the process.

        Raises
        ------
        DefinitionError
            If names clash, an entity is unknown, a change would break existing tables, or the catalog has changed
            since the plan.
        """
        if isinstance(definitions, Changes) and (prune or remove or rename):
            option = "prune=True" if prune else "remove=" if remove else "rename="
            raise ArgumentError(f"a plan is carried out as it was shown: give {option} to plan(), not to apply()")

        def work(connection: sa.Connection) -> Changes:
            stamp = _stamp(connection)
            if isinstance(definitions, Changes):
                changes = definitions
                if changes.stamp not in (stamp, ("", 0)) or (changes.stamp == ("", 0) and stamp[1]):
                    raise DefinitionError("the catalog has changed since this plan was made; plan again")
            else:
                changes = compute(connection, definitions, prune=prune, stamp=stamp, remove=remove, rename=rename)
            if not allow_breaking:
                changes.refuse_breaking()
            _carry_out(connection, changes, who or current_user())
            return changes

        return self._database.change(work)

    def history(self, name: str) -> list[DefinitionVersion]:
        """Return the versions of an entity, or of a group by its full name, oldest first."""
        old = tables.versions.c
        kind, read = ("group", group_from_json) if ":" in name else ("entity", entity_from_json)
        query = sa.select(tables.versions).where(old.kind == kind, old.name == name).order_by(old.version)
        with self._database.reading() as connection:
            rows: Sequence[Any] = [] if connection is None else connection.execute(query).all()
        return [
            DefinitionVersion(
                row.version, row.action, read(row.definition) if row.definition else None, row.who, row.at
            )
            for row in rows
        ]

    def _current(self) -> _Cache:
        """Return the cache, read again if the catalog has changed."""
        file_stamp, cache = self._stat(), self._cache
        if file_stamp is not None and file_stamp == self._file_stamp:
            return cache
        with self._database.reading() as connection:
            if connection is None:
                cache = _Cache(None, {}, {})
            elif (stamp := _stamp(connection)) != cache.stamp:
                entities = map(entity_from_json, connection.scalars(sa.select(tables.entities.c.definition)))
                mark = tables.marks.c
                reasons = sa.select(mark.subject, mark.text).where(mark.kind == "deprecated")
                cache = _Cache(
                    stamp,
                    {entity.name: entity for entity in entities},
                    {row.subject: row.text for row in connection.execute(reasons)},
                )
        # A concurrent reader may store an older cache: its stamp is checked again at the next call.
        self._cache, self._file_stamp = cache, file_stamp
        return cache

    def _stat(self) -> tuple[int, ...] | None:
        """Return the identity of the file's content, or None where only the database knows whether it changed."""
        if self._database.path is None:
            return None
        try:
            stat = self._database.path.stat()
        except OSError:
            return None
        if abs(time.time() - stat.st_mtime) <= CLOCK_RESOLUTION:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _carry_out(connection: sa.Connection, changes: Changes, who: str) -> None:
    for rename in changes.renames:
        move_records(connection, rename, who=who)
    if changes.definitions:
        forget_renames(connection, changes.definitions)
        write_all(connection, changes.definitions, who=who)
    for kind, name in changes.dropped:
        erase_definition(connection, kind, name, who=who)
        if changes.drop_tables:
            connection.execute(tables.pins.delete().where(tables.pins.c.group_name == name))
    for rename in changes.renames:
        if rename.kind == "group":
            erase_definition(connection, "group", rename.old, who=who, action="renamed")
    if changes.dropped:
        bump_revision(connection)


def _stamp(connection: sa.Connection) -> tuple[str, int]:
    row = connection.execute(sa.select(tables.state.c.identity, tables.state.c.revision)).one()
    return row.identity, row.revision


def _suggest(name: str, known: list[str]) -> str:
    if not known:
        return ": none is applied yet (palette apply, or store.apply(...))"
    return f"{nearest(name, known)} (known: {', '.join(known[:20])}{', ...' * (len(known) > 20)})"
