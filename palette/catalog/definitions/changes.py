"""Changes: a plan of an apply, as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from palette.catalog.definitions.field_diff import Difference
from palette.catalog.definitions.rename import Rename
from palette.definitions import Entity, FeatureGroup
from palette.errors import DefinitionError
from palette.terminal import printable

__all__ = ["Change", "Changes", "Unreferenced", "rename_hint"]

# Maximum number of unreferenced definitions in the text, and of models that use each.
MAX_UNREFERENCED, MAX_MODELS = 20, 5
SYMBOLS = {"added": "+", "changed": "~", "removed": "-", "renamed": ">"}


@dataclass(frozen=True)
class Change:
    """One difference between the applied and the given definitions.

    Parameters
    ----------
    action : {"added", "changed", "removed", "renamed"}
        Kind of change.
    kind : {"entity", "group", "feature"}
        Kind of definition.
    name : str
        Its full name, ``entity:group:feature`` for a feature.
    details : tuple of str
        Descriptions, for people.
    breaking : bool
        Whether written tables or fitted models may no longer fit.
    models : tuple of str
        Models that a breaking change affects.
    values : tuple of Difference
        Fields of a changed definition that differ, with complete values.
    """

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaking: bool = False
    models: tuple[str, ...] = ()
    values: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        lines = [f"{SYMBOLS[self.action]} {self.kind} {self.name}{' (breaking)' if self.breaking else ''}"]
        lines += [f"    {detail}" for detail in self.details]
        if self.models:
            lines.append(f"    used by {_join(self.models)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Unreferenced:
    """An applied definition that is not among the given ones.

    Parameters
    ----------
    kind : {"entity", "group"}
        Kind of definition.
    name : str
        Its full name.
    models : tuple of str
        Models that use it.
    renamed : str, optional
        Its likely new name.
    """

    kind: str
    name: str
    models: tuple[str, ...] = ()
    renamed: str | None = None

    def __str__(self) -> str:
        more = f" and {len(self.models) - MAX_MODELS:,} more" if len(self.models) > MAX_MODELS else ""
        users = f" (used by {_join(self.models[:MAX_MODELS])}{more})" if self.models else ""
        return f"not in these files: {self.kind} {self.name}{rename_hint(self.renamed)}{users}; --prune removes it"


@dataclass(frozen=True)
class Changes:
    """Plan of an apply; ``str()`` is for people, :meth:`to_json` for machines.

    Examples
    --------
    >>> changes = Changes((Change("added", "entity", "plane"),))
    >>> print(changes)
    + entity plane
    1 added, 0 changed, 0 removed; none breaking
    >>> bool(changes), changes.breaking
    (True, ())
    """

    items: tuple[Change, ...] = ()
    definitions: tuple[Entity | FeatureGroup, ...] = field(default=(), repr=False)
    dropped: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    stamp: tuple[str, int] | None = None
    unreferenced: tuple[Unreferenced, ...] = ()
    drop_tables: bool = False
    pruned: bool = field(default=False, repr=False)
    renames: tuple[Rename, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def added(self) -> tuple[Change, ...]:
        """Added definitions."""
        return self._filter("added")

    @property
    def changed(self) -> tuple[Change, ...]:
        """Changed definitions."""
        return self._filter("changed")

    @property
    def removed(self) -> tuple[Change, ...]:
        """Removed definitions."""
        return self._filter("removed")

    @property
    def breaking(self) -> tuple[Change, ...]:
        """Changes that need ``allow_breaking=True``."""
        return tuple(change for change in self.items if change.breaking)

    @property
    def models(self) -> tuple[str, ...]:
        """Models that breaking changes affect."""
        return tuple(sorted({model for change in self.items for model in change.models}))

    def _filter(self, action: str) -> tuple[Change, ...]:
        return tuple(change for change in self.items if change.action == action)

    def __str__(self) -> str:
        counts = Counter(change.action for change in self.items)
        total = ", ".join(f"{counts[action]} {action}" for action in SYMBOLS if counts[action] or action != "renamed")
        broken = f"{len(self.breaking)} breaking" if self.breaking else "none breaking"
        hit = f", which hit {_join(self.models)}" if self.models else ""
        others = [str(item) for item in self.unreferenced[:MAX_UNREFERENCED]]
        if len(self.unreferenced) > MAX_UNREFERENCED:
            others.append(f"not in these files: {len(self.unreferenced) - MAX_UNREFERENCED:,} more")
        return "\n".join([*(str(change) for change in self.items), *others, f"{total}; {broken}{hit}"])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the text in notebooks."""
        printer.text(str(self))

    def to_json(self) -> str:
        """Return the changes as a JSON string."""
        plain: dict[str, Any] = {"changes": [asdict(change) for change in self.items], "models": self.models}
        plain["not_in_these_files"] = [asdict(item) for item in self.unreferenced]
        return json.dumps(plain, ensure_ascii=False)

    def check_breaking(self, remedy: str = "apply(..., allow_breaking=True)") -> None:
        """Raise :class:`DefinitionError` if a change is breaking; the message names the changes and the remedy."""
        if not self.breaking:
            return
        details = "; ".join("; ".join(change.details) for change in self.breaking)
        hit = f"; models that use them: {_join(self.models)}" if self.models else ""
        deletes = [
            change.action == "renamed" or (change.action == "removed" and change.kind != "feature")
            for change in self.breaking
        ]
        ways = ["use another name"] * (not all(deletes)) + ["do not prune"] * (any(deletes) and self.pruned)
        ways.append(f"or {remedy}" if ways else remedy)
        raise DefinitionError(f"breaking changes: {details}{hit} ({', '.join(ways)})")


def rename_hint(name: str | None) -> str:
    """Return a remark about the likely new name of a definition, or an empty string."""
    return "" if name is None else f" (renamed to {name!r}?)"


def _join(models: Iterable[str]) -> str:
    return ", ".join(map(printable, models))
