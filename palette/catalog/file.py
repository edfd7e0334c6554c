"""A catalog in one JSON file, or in memory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from palette.catalog.changes import check_changes
from palette.definitions import Entity, FeatureGroup
from palette.definitions.documents import from_plain, to_plain
from palette.errors import DefinitionError, FeatureNotFoundError, nearest

__all__ = ["FileCatalog"]

FORMAT = 1
EMPTY: dict[str, Any] = {"format": FORMAT, "entities": [], "feature_groups": [], "pins": {}}


class FileCatalog:
    """Definitions and pins of a store, in ``catalog.json``.

    Writers take turns by a lock file and replace the file whole, so a reader never sees half a change. Another
    process's changes are seen at the next call.

    Parameters
    ----------
    path : str or Path
        The JSON file; made at the first change.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._entities: dict[str, Entity] = {}
        self._groups: dict[str, FeatureGroup] = {}
        self._pins: dict[str, dict[str, int]] = {}

    def entities(self) -> dict[str, Entity]:
        """Name to entity."""
        self._refresh()
        return dict(self._entities)

    def groups(self) -> dict[str, FeatureGroup]:
        """Full name to feature group."""
        self._refresh()
        return dict(self._groups)

    def entity(self, name: str) -> Entity:
        """Return an entity, or raise :class:`FeatureNotFoundError` with near names."""
        self._refresh()
        if name not in self._entities:
            known = sorted(self._entities)
            raise FeatureNotFoundError(f"no entity {name!r}{nearest(name, known)} (known: {_listed(known)})")
        return self._entities[name]

    def group(self, full_name: str) -> FeatureGroup:
        """Return a feature group, or raise :class:`FeatureNotFoundError` with near names."""
        self._refresh()
        if full_name not in self._groups:
            entity = full_name.partition(":")[0]
            self.entity(entity)
            known = sorted(self._groups)
            raise FeatureNotFoundError(
                f"no feature group {full_name!r}{nearest(full_name, known)} (known: {_listed(known)})"
            )
        return self._groups[full_name]

    def apply(self, definitions: Sequence[Entity | FeatureGroup], *, allow_breaking: bool = False) -> None:
        """Add or change definitions, all or none.

        Raises
        ------
        DefinitionError
            If names clash, an entity is unknown, or a change would break existing tables.
        """
        with self._changing() as document:
            entities, groups = dict(self._entities), dict(self._groups)
            for definition in definitions:
                if isinstance(definition, Entity):
                    entities[definition.name] = definition
                else:
                    groups[definition.full_name] = definition
            check_changes(self._entities, self._groups, entities, groups, allow_breaking=allow_breaking)
            document["entities"] = [to_plain(entity) for entity in entities.values()]
            document["feature_groups"] = [to_plain(group) for group in groups.values()]

    def pins(self) -> dict[str, dict[str, int]]:
        """Name of who keeps them to the table versions kept."""
        self._refresh()
        return {name: dict(versions) for name, versions in self._pins.items()}

    def keep(self, name: str, versions: Mapping[str, int]) -> None:
        """Keep table versions from vacuum under a name; an older pin of this name is replaced."""
        with self._changing() as document:
            document["pins"][name] = dict(versions)

    def release(self, name: str) -> None:
        """Drop the pin of this name.

        Raises
        ------
        DefinitionError
            If there is none.
        """
        with self._changing() as document:
            if name not in document["pins"]:
                raise DefinitionError(f"no pin {name!r}{nearest(name, document['pins'])}")
            del document["pins"][name]

    def _refresh(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            # Nothing was applied yet, or the store was removed under us.
            self._load(EMPTY)
            self._stamp = None
            return
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._load(self._document())
            self._stamp = stamp

    def _document(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return json.loads(json.dumps(EMPTY))
        except ValueError as error:
            raise DefinitionError(f"{str(self.path)!r} is not a catalog: {error}") from error
        if document.get("format") != FORMAT:
            raise DefinitionError(
                f"{str(self.path)!r} has format {document.get('format')}; this release reads {FORMAT}"
            )
        return document

    def _load(self, document: dict[str, Any]) -> None:
        entities = [from_plain(plain, "entities") for plain in document["entities"]]
        groups = [from_plain(plain, "feature_groups") for plain in document["feature_groups"]]
        self._entities = {entity.name: entity for entity in entities if isinstance(entity, Entity)}
        self._groups = {group.full_name: group for group in groups if isinstance(group, FeatureGroup)}
        self._pins = document["pins"]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Lock, read afresh, let the caller change the document, replace the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self._document()
            self._load(document)
            yield document
            # Written whole beside it: with the usual rights, which a temporary file has not.
            fresh = self.path.with_suffix(".new")
            try:
                fresh.write_text(json.dumps(document, indent=1, allow_nan=False), "utf-8")
                os.replace(fresh, self.path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
            self._load(document)
            self._stamp = None


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:20])
    return (shown or "none") + (", ..." if len(names) > 20 else "")
