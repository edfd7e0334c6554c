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
from palette.catalog.definitions.rename import forget_renames, move_records
from palette.catalog.definitions.serialize import entity_from_json, group_from_json
from palette.catalog.definitions.view import DefinitionView
from palette.catalog.definitions.write import bump_revision, current_user, erase_definition, write_all
from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError, DefinitionError

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
        self._view = DefinitionView(database, None, {}, {})
        self._file_stamp: tuple[int, ...] | None = None

    def view(self) -> DefinitionView:
        """Return the definitions as they are now, to resolve several names at one revision."""
        file_stamp, view = self._stat(), self._view
        if file_stamp is not None and file_stamp == self._file_stamp:
            return view
        with self._database.reading() as connection:
            if connection is None:
                view = DefinitionView(self._database, None, {}, {})
            elif (stamp := _stamp(connection)) != view.stamp:
                entities = map(entity_from_json, connection.scalars(sa.select(tables.entities.c.definition)))
                mark = tables.marks.c
                reasons = sa.select(mark.subject, mark.text).where(mark.kind == "deprecated")
                view = DefinitionView(
                    self._database,
                    stamp,
                    {entity.name: entity for entity in entities},
                    {row.subject: row.text for row in connection.execute(reasons)},
                )
        # A concurrent reader may store an older view: its stamp is checked again at the next call.
        self._view, self._file_stamp = view, file_stamp
        return view

    def entities(self) -> dict[str, Entity]:
        """Return name to entity."""
        return dict(self.view().entities)

    def groups(self) -> dict[str, FeatureGroup]:
        """Return full name to feature group."""
        return self.view().groups()

    def entity(self, name: str) -> Entity:
        """Return an entity.

        Raises
        ------
        FeatureNotFoundError
            If there is no such entity; near names are offered.
        """
        return self.view().entity(name)

    def group(self, full_name: str) -> FeatureGroup:
        """Return a feature group.

        Raises
        ------
        FeatureNotFoundError
            If there is no such entity or group; near names are offered.
        """
        return self.view().group(full_name)

    def renamed_to(self, name: str) -> str | None:
        """Return the current name of a group or feature that was renamed, by its former full name, or None."""
        return self.view().renamed_to(name)

    def deprecated(self, feature: str) -> str | None:
        """Return why ``entity:group:feature`` is deprecated, or None."""
        return self.view().deprecated(feature)

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
                changes.check_breaking()
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
