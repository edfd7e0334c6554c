"""The catalog: definitions and pins of a store, in a database."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.changes import Changes
from palette.catalog.definitions.diff import compute
from palette.catalog.definitions.rename import forget_renames, move_records, renamed_to
from palette.catalog.definitions.serialize import entity_of, group_of
from palette.catalog.definitions.write import current_user, erase_definition, stir, write_all
from palette.catalog.features.annotations import Marks
from palette.catalog.features.search import Filters, Found, described, search
from palette.catalog.feeds.locks import FeedRecords
from palette.catalog.feeds.runs import Records
from palette.definitions import Entity, FeatureGroup
from palette.errors import DefinitionError, FeatureNotFoundError, nearest

__all__ = ["SqlCatalog", "Version"]

# File systems stamp changes by a clock that ticks: a younger stamp may stand for two changes.
TICK = 0.1


class Version(NamedTuple):
    """One form that a definition had; None after it was removed."""

    version: int
    action: str
    definition: Entity | FeatureGroup | None
    who: str
    at: dt.datetime


class _Kept:
    """What was read at one revision of the definitions."""

    def __init__(self, stamp: tuple[str, int] | None, entities: dict[str, Entity], marked: dict[str, str]) -> None:
        self.stamp = stamp
        self.entities = entities
        self.groups: dict[str, FeatureGroup] = {}
        self.all_groups: dict[str, FeatureGroup] | None = None
        self.deprecated = marked


class SqlCatalog(Marks, Records, FeedRecords):
    """Definitions and pins of a store, and what people and pipelines say about them.

    Definitions that were read stay in memory; each call asks whether they changed, so another process's changes are
    seen at the next call.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST:PORT/DATABASE``.
    legacy : Path, optional
        A ``catalog.json`` of an earlier release, taken over when the database is made.

    Examples
    --------
    >>> import tempfile
    >>> catalog = SqlCatalog.in_directory(tempfile.mkdtemp())
    >>> print(catalog.plan([Entity("plane", keys={"tailnum": "string"})]))
    + entity plane
        keys tailnum
    1 added, 0 changed, 0 removed; none breaking
    """

    @classmethod
    def in_directory(cls, directory: str | Path, url: str | None = None) -> SqlCatalog:
        """Open the catalog of a store's directory: the database ``url``, or the file ``catalog.db``."""
        directory = Path(os.path.abspath(directory))
        file = sa.URL.create("sqlite", database=str(directory / "catalog.db"))
        return cls(url or file.render_as_string(), legacy=directory / "catalog.json")

    def _forget(self) -> None:
        super()._forget()
        self._kept = _Kept(None, {}, {})
        self._stamp: tuple[int, ...] | None = None

    def entities(self) -> dict[str, Entity]:
        """Name to entity."""
        return dict(self._fresh().entities)

    def groups(self) -> dict[str, FeatureGroup]:
        """Full name to feature group."""
        kept = self._fresh()
        if kept.all_groups is None:
            with self.reading() as connection:
                asked = sa.select(tables.groups.c.definition).order_by(tables.groups.c.name)
                found = [] if connection is None else [group_of(text) for text in connection.scalars(asked)]
            kept.all_groups = {group.full_name: group for group in found}
        return dict(kept.all_groups)

    def entity(self, name: str) -> Entity:
        """Return an entity, or raise :class:`FeatureNotFoundError` with near names."""
        entities = self._fresh().entities
        if name not in entities:
            raise FeatureNotFoundError(f"no entity {name!r}{_offered(name, sorted(entities))}")
        return entities[name]

    def group(self, full_name: str) -> FeatureGroup:
        """Return a feature group, or raise :class:`FeatureNotFoundError` with near names."""
        kept = self._fresh()
        if (group := kept.groups.get(full_name)) is not None:
            return group
        with self.reading() as connection:
            asked = sa.select(tables.groups.c.definition).where(tables.groups.c.name == full_name)
            text = None if connection is None else connection.scalar(asked)
            names = [] if connection is None or text else list(connection.scalars(sa.select(tables.groups.c.name)))
        if text is None:
            known = sorted(names)
            if meant := [repr(name) for name in known if name.endswith(f":{full_name}")]:
                raise FeatureNotFoundError(f"no feature group {full_name!r}; did you mean {' or '.join(meant[:3])}?")
            if now_called := self.renamed_to(full_name):
                raise FeatureNotFoundError(f"no feature group {full_name!r}: it was renamed to {now_called!r}")
            self.entity(full_name.partition(":")[0])
            raise FeatureNotFoundError(f"no feature group {full_name!r}{_offered(full_name, known)}")
        return kept.groups.setdefault(full_name, group_of(text))

    def renamed_to(self, name: str) -> str | None:
        """Return the present name of a group or feature that was renamed, by its former full name, or None."""
        with self.reading() as connection:
            return None if connection is None else renamed_to(connection, name)

    def deprecated(self, feature: str) -> str | None:
        """Return why ``entity:group:feature`` should not be used any more, or None."""
        marked = self._fresh().deprecated
        if not marked:
            return None
        entity, group, _ = feature.split(":")
        return marked.get(feature) or marked.get(f"{entity}:{group}") or marked.get(entity)

    def plan(
        self,
        definitions: Sequence[Entity | FeatureGroup],
        *,
        prune: bool = False,
        remove: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> Changes:
        """Tell what :meth:`apply` would change, without doing it.

        Parameters
        ----------
        definitions : sequence of Entity and FeatureGroup
            What is wanted.
        prune : bool
            Whether what is applied and not among them is to be removed.
        remove : sequence of str
            Entities, groups and features to remove, by their full names.
        rename : mapping of str to str, optional
            Groups and features by their full names to their new names.
        drop_tables : bool
            Whether the tables of removed groups are to be deleted, by who applies the plan.

        Raises
        ------
        DefinitionError
            If names clash or an entity is unknown.
        FeatureNotFoundError
            If something to remove is not applied.
        """
        how: dict[str, Any] = {"prune": prune, "remove": remove, "rename": rename, "drop_tables": drop_tables}
        with self.reading() as connection:
            if connection is not None:
                return compute(connection, definitions, stamp=_stamp(connection), tell_unnamed=True, **how)
        with sa.create_engine("sqlite://").connect() as nothing:
            tables.metadata.create_all(nothing)
            return compute(nothing, definitions, stamp=("", 0), **how)

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
        """Carry out what :meth:`plan` tells, all or none.

        Parameters
        ----------
        definitions : sequence of Entity and FeatureGroup, or Changes
            A plan is carried out exactly, or refused if the catalog changed since.
        allow_breaking : bool
            Lets features and groups disappear, and types change.
        prune : bool
            Whether what is applied and not among the definitions is removed; of a plan that is settled.
        remove : sequence of str
            Entities, groups and features to remove, by their full names; of a plan that is settled.
        rename : mapping of str to str, optional
            Groups and features to their new names, likewise; tables are the caller's business.
        who : str, optional
            Stands in the history; by default ``PALETTE_USER`` or the process's user.

        Raises
        ------
        DefinitionError
            If names clash, an entity is unknown, or a change would break existing tables.
        """
        if isinstance(definitions, Changes) and (prune or remove or rename):
            word = "prune=True" if prune else "remove=" if remove else "rename="
            raise DefinitionError(f"a plan is carried out as it was shown: give {word} to plan(), not to apply()")

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
            for one in changes.renames:
                move_records(connection, one, who=who or current_user())
            if changes.definitions:
                forget_renames(connection, changes.definitions)
                write_all(connection, changes.definitions, who=who or current_user())
            for kind, name in changes.dropped:
                erase_definition(connection, kind, name, who=who or current_user())
                if changes.drop_tables:
                    connection.execute(tables.pins.delete().where(tables.pins.c.group_name == name))
            for one in (one for one in changes.renames if one.kind == "group"):
                erase_definition(connection, "group", one.old, who=who or current_user(), action="renamed")
            if changes.dropped:
                stir(connection)
            return changes

        return self.change(work)

    def history(self, name: str) -> list[Version]:
        """Return the forms that an entity, or a group by its full name, had, oldest first."""
        old = tables.versions.c
        kind, read = ("group", group_of) if ":" in name else ("entity", entity_of)
        asked = sa.select(tables.versions).where(old.kind == kind, old.name == name).order_by(old.version)
        with self.reading() as connection:
            rows: Sequence[Any] = [] if connection is None else connection.execute(asked).all()
        return [
            Version(row.version, row.action, read(row.definition) if row.definition else None, row.who, row.at)
            for row in rows
        ]

    def search(self, text: str | None = None, *, limit: int = 50, **filters: Unpack[Filters]) -> list[Found]:
        """Find features; see :meth:`palette.FeatureStore.search`."""
        with self.reading() as connection:
            return [] if connection is None else search(connection, text, limit=limit, **filters)

    def described(self, feature: str) -> Found | None:
        """Return what a search tells of ``entity:group:feature``, its group's and entity's words included, or None."""
        with self.reading() as connection:
            return None if connection is None else described(connection, feature)

    def pins(self) -> dict[str, dict[str, int]]:
        """Name of who keeps them to the table versions kept."""
        found: dict[str, dict[str, int]] = {}
        with self.reading() as connection:
            for row in [] if connection is None else connection.execute(sa.select(tables.pins)):
                found.setdefault(row.name, {})[row.group_name] = row.version
        return found

    def keep(self, name: str, versions: Mapping[str, int]) -> None:
        """Keep table versions from vacuum under a name; an older pin of this name is replaced."""
        rows = [{"name": name, "group_name": group, "version": number} for group, number in versions.items()]

        def put(connection: sa.Connection) -> None:
            connection.execute(tables.pins.delete().where(tables.pins.c.name == name))
            if rows:
                connection.execute(tables.pins.insert(), rows)

        self.change(put)

    def release(self, name: str) -> None:
        """Drop the pin of this name.

        Raises
        ------
        DefinitionError
            If there is none.
        """

        def drop(connection: sa.Connection) -> None:
            if not connection.execute(tables.pins.delete().where(tables.pins.c.name == name)).rowcount:
                known = connection.scalars(sa.select(tables.pins.c.name).distinct())
                raise DefinitionError(f"no pin {name!r}{nearest(name, known)}")

        self.change(drop)

    def _fresh(self) -> _Kept:
        seen = self._seen()
        kept = self._kept
        if seen is not None and seen == self._stamp:
            return kept
        with self.reading() as connection:
            if connection is None:
                kept = _Kept(None, {}, {})
            elif (stamp := _stamp(connection)) != kept.stamp:
                found = map(entity_of, connection.scalars(sa.select(tables.entities.c.definition)))
                mark = tables.marks.c
                marked = sa.select(mark.subject, mark.text).where(mark.kind == "deprecated")
                entities = {entity.name: entity for entity in found}
                kept = _Kept(stamp, entities, {row.subject: row.text for row in connection.execute(marked)})
        # A reader that raced with us may keep an older form: it asks again at its next call.
        self._kept, self._stamp = kept, seen
        return kept

    def _seen(self) -> tuple[int, ...] | None:
        """Return what tells that the file is as it was, or None where only the database knows."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError:
            return None
        settled = abs(time.time() - found.st_mtime) > TICK
        return (found.st_ino, found.st_mtime_ns, found.st_size) if settled else None


def _stamp(connection: sa.Connection) -> tuple[str, int]:
    row = connection.execute(sa.select(tables.state.c.identity, tables.state.c.revision)).one()
    return row.identity, row.revision


def _offered(name: str, known: list[str]) -> str:
    if not known:
        return ": none is applied yet (palette apply, or store.apply(...))"
    return f"{nearest(name, known)} (known: {', '.join(known[:20])}{', ...' * (len(known) > 20)})"
