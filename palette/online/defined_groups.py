"""Layouts of feature groups by their definitions, which may change while a process reads."""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from palette.online.layout import RowLayout

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup, GroupSchema

__all__ = ["DefinedGroups", "Definitions"]

Definitions: TypeAlias = "Callable[[str], tuple[Entity, FeatureGroup]]"


class DefinedGroups(ABC):  # noqa: B024 - the base of abstract classes
    """Feature groups by full name.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.

    Attributes
    ----------
    generation : int
        Grows before a layout is replaced by another one, so that what was prepared on it is prepared again.
    """

    generation: int = 0

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._layouts: dict[str, RowLayout] = {}
        self._lock = threading.RLock()

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name."""
        return self._definitions(group)

    def layout(self, group: str) -> RowLayout:
        """Return the layout of the rows of a group ``entity:group``, valid until :attr:`generation` changes."""
        layout = self._layouts.get(group)
        entity, definition = self.definitions(group)
        if layout is not None and layout.entity is entity and layout.group is definition:
            return layout
        with self._lock:
            entity, definition = self.definitions(group)
            layout = self._layouts.get(group)
            if layout is None or (layout.entity, layout.group) != (entity, definition):
                from palette.definitions import GroupSchema

                # First the number: if it is the same before and after a fetch, so is the layout of the rows.
                self.generation += layout is not None
                self._invalidate_layout(group)
                layout = self._layouts[group] = self._make_layout(GroupSchema(entity, definition), layout)
        return layout

    def _make_layout(self, schema: GroupSchema, before: RowLayout | None) -> RowLayout:
        """Return the layout of a definition, which replaces another one if there was one."""
        del before
        return RowLayout(schema)

    def _invalidate_layout(self, group: str) -> None:  # noqa: B027 - nothing to do for most
        """Drop what was prepared for the layout of a group; called with the lock held."""

    def refresh(self) -> None:
        """Read the definitions again; a group that was removed is unknown from then on."""
        for group in list(self._layouts):
            try:
                self.layout(group)
            except KeyError:
                with self._lock:
                    self.generation += 1
                    self._invalidate_layout(group)
                    self._layouts.pop(group, None)
