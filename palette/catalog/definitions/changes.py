"""Changes: what an apply would do, shown to people and machines, and carried out as it stands."""

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

__all__ = ["Change", "Changes", "Unnamed", "hint"]

# So many of what is not named are shown to people, with so many of who use it.
SHOWN, NAMED = 20, 5
SIGNS = {"added": "+", "changed": "~", "removed": "-", "renamed": ">"}


@dataclass(frozen=True)
class Change:
    """One difference between what is applied and what is wanted.

    Parameters
    ----------
    action : {"added", "changed", "removed", "renamed"}
        What happens.
    kind : {"entity", "group", "feature"}
        To what.
    name : str
        Its full name, ``entity:group:feature`` for a feature.
    details : tuple of str
        What differs.
    breaking : bool
        Whether what is written or trained may no longer fit.
    models : tuple of str
        The models that a breaking change hits.
    values : tuple of Difference
        What differs, whole, of a definition that stays.
    """

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaking: bool = False
    models: tuple[str, ...] = ()
    values: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        lines = [f"{SIGNS[self.action]} {self.kind} {self.name}{' (breaking)' if self.breaking else ''}"]
        lines += [f"    {detail}" for detail in self.details]
        if self.models:
            lines.append(f"    used by {_listed(self.models)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Unnamed:
    """What is applied, and not among the definitions.

    Parameters
    ----------
    kind : {"entity", "group"}
        What it is.
    name : str
        Its full name.
    models : tuple of str
        Who uses it.
    renamed : str, optional
        What it may be called now.
    """

    kind: str
    name: str
    models: tuple[str, ...] = ()
    renamed: str | None = None

    def __str__(self) -> str:
        more = f" and {len(self.models) - NAMED:,} more" if len(self.models) > NAMED else ""
        told = [hint(self.renamed), f" (used by {_listed(self.models[:NAMED])}{more})" if self.models else ""]
        return f"not in these files: {self.kind} {self.name}{''.join(told)}; --prune removes it"


@dataclass(frozen=True)
class Changes:
    """All differences; ``str()`` is for people, :meth:`to_json` for machines.

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
    unnamed: tuple[Unnamed, ...] = ()
    drop_tables: bool = False
    pruned: bool = field(default=False, repr=False)
    renames: tuple[Rename, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def added(self) -> tuple[Change, ...]:
        """What is new."""
        return self._of("added")

    @property
    def changed(self) -> tuple[Change, ...]:
        """What is there, and different."""
        return self._of("changed")

    @property
    def removed(self) -> tuple[Change, ...]:
        """What goes."""
        return self._of("removed")

    @property
    def breaking(self) -> tuple[Change, ...]:
        """What needs ``allow_breaking=True``."""
        return tuple(change for change in self.items if change.breaking)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that breaking changes hit."""
        return tuple(sorted({model for change in self.items for model in change.models}))

    def _of(self, action: str) -> tuple[Change, ...]:
        return tuple(change for change in self.items if change.action == action)

    def __str__(self) -> str:
        counts = Counter(change.action for change in self.items)
        total = ", ".join(f"{counts[action]} {action}" for action in SIGNS if counts[action] or action != "renamed")
        broken = f"{len(self.breaking)} breaking" if self.breaking else "none breaking"
        hit = f", which hit {_listed(self.models)}" if self.models else ""
        others = [str(one) for one in self.unnamed[:SHOWN]]
        if len(self.unnamed) > SHOWN:
            others.append(f"not in these files: {len(self.unnamed) - SHOWN:,} more")
        return "\n".join([*(str(change) for change in self.items), *others, f"{total}; {broken}{hit}"])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show it in notebooks as for people."""
        printer.text(str(self))

    def to_json(self) -> str:
        """Return the changes as one JSON text."""
        plain: dict[str, Any] = {"changes": [asdict(change) for change in self.items], "models": self.models}
        plain["not_in_these_files"] = [asdict(one) for one in self.unnamed]
        return json.dumps(plain, ensure_ascii=False)

    def refuse_breaking(self, remedy: str = "apply(..., allow_breaking=True)") -> None:
        """Raise :class:`DefinitionError` if anything breaks, naming it, and how it is done all the same."""
        if not self.breaking:
            return
        told = "; ".join("; ".join(change.details) for change in self.breaking)
        hit = f"; models that use them: {_listed(self.models)}" if self.models else ""
        gone = [
            change.action == "renamed" or (change.action == "removed" and change.kind != "feature")
            for change in self.breaking
        ]
        ways = ["use another name"] * (not all(gone)) + ["do not prune"] * (any(gone) and self.pruned)
        ways.append(f"or {remedy}" if ways else remedy)
        raise DefinitionError(f"breaking changes: {told}{hit} ({', '.join(ways)})")


def hint(name: str | None) -> str:
    """Return what is told of a name that something may have now."""
    return "" if name is None else f" (renamed to {name!r}?)"


def _listed(models: Iterable[str]) -> str:
    return ", ".join(map(printable, models))
