"""What an apply would change: computed once, shown to people, carried out as it stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.changes import ANEW, FOLLOWS, check_group, check_together, entity_break, group_breaks
from palette.catalog.reading import chunks, entity_of, group_of, text_of
from palette.definitions import Entity, Feature, FeatureGroup
from palette.definitions.types import widens_in_place
from palette.errors import DefinitionError
from palette.terminal import printable

__all__ = ["Change", "Changes", "compute"]

D = TypeVar("D", Entity, FeatureGroup)
SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@dataclass(frozen=True)
class Change:
    """One difference between what is applied and what is wanted.

    Parameters
    ----------
    action : {"added", "changed", "removed"}
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
    """

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaking: bool = False
    models: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{SIGNS[self.action]} {self.kind} {self.name}{' (breaking)' if self.breaking else ''}"]
        lines += [f"    {detail}" for detail in self.details]
        if self.models:
            lines.append(f"    used by {_listed(self.models)}")
        return "\n".join(lines)


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
        total = ", ".join(f"{counts[action]} {action}" for action in SIGNS)
        broken = f"{len(self.breaking)} breaking" if self.breaking else "none breaking"
        hit = f", which hit {_listed(self.models)}" if self.models else ""
        return "\n".join([*(str(change) for change in self.items), f"{total}; {broken}{hit}"])

    def to_json(self) -> str:
        """Return the changes as one JSON text."""
        return json.dumps(
            {"changes": [asdict(change) for change in self.items], "models": self.models}, ensure_ascii=False
        )

    def refuse_breaking(self, remedy: str = "apply(..., allow_breaking=True)") -> None:
        """Raise :class:`DefinitionError` if anything breaks, naming it, and how it is done all the same."""
        if not self.breaking:
            return
        told = "; ".join("; ".join(change.details) for change in self.breaking)
        hit = f"; models that use them: {_listed(self.models)}" if self.models else ""
        raise DefinitionError(f"breaking changes: {told}{hit} (use another name, or {remedy})")


def _listed(models: Iterable[str]) -> str:
    return ", ".join(map(printable, models))


def compute(
    connection: sa.Connection, definitions: Sequence[Entity | FeatureGroup], *, prune: bool, stamp: tuple[str, int]
) -> Changes:
    """Compare definitions with what is applied.

    Raises
    ------
    DefinitionError
        If they do not fit together.
    """
    entities = _by_name("entity", ((one.name, one) for one in definitions if isinstance(one, Entity)))
    groups = _by_name("feature group", ((one.full_name, one) for one in definitions if isinstance(one, FeatureGroup)))
    all_entities, all_groups = _names(connection, tables.entities), _names(connection, tables.groups)
    if prune:
        dropped = [("group", name) for name in all_groups if name not in groups]
        dropped += [("entity", name) for name in all_entities if name not in entities]
        all_entities, all_groups = list(entities), list(groups)
    else:
        dropped = []
    check_together([*all_entities, *entities], [*all_groups, *groups])

    old_entities = {one.name: one for one in _differing(connection, tables.entities, entities)}
    old_groups = {one.full_name: one for one in _differing(connection, tables.groups, groups)}
    new_entities = {name: one for name, one in entities.items() if _new(name, old_entities, one)}
    new_groups = {name: one for name, one in groups.items() if _new(name, old_groups, one)}
    _check(connection, new_entities, new_groups, entities, all_entities, {name for _, name in dropped})

    items = [*_entity_changes(old_entities, new_entities), *_group_changes(old_groups, new_groups)]
    items += [Change("removed", kind, name, (f"{kind} {name!r} is removed",), breaking=True) for kind, name in dropped]
    items = [_with_models(connection, change) for change in items]
    return Changes(tuple(items), (*new_entities.values(), *new_groups.values()), tuple(dropped), stamp)


def _by_name(kind: str, definitions: Iterable[tuple[str, D]]) -> dict[str, D]:
    found: dict[str, D] = {}
    for name, one in definitions:
        # The same twice, of two modules that share an entity, is no contradiction.
        if found.setdefault(name, one) is not one and text_of(found[name]) != text_of(one):
            raise DefinitionError(f"{kind} {name!r} is given twice, and differently; take one of the two out")
    return found


def _names(connection: sa.Connection, table: sa.Table) -> list[str]:
    return list(connection.scalars(sa.select(table.c.name)))


def _new(name: str, old: Mapping[str, Any], one: Entity | FeatureGroup) -> bool:
    # _differing left None for what is applied as it stands.
    return name not in old or text_of(old[name]) != text_of(one)


def _differing(connection: sa.Connection, table: sa.Table, wanted: Mapping[str, D]) -> Iterator[D]:
    """Yield what is applied under the wanted names; what is the same is not parsed."""
    for some in chunks(wanted):
        rows = connection.execute(sa.select(table.c.name, table.c.definition).where(table.c.name.in_(some)))
        for name, text in rows:
            same = wanted[name]
            found: Any = same
            if text != text_of(same):
                found = entity_of(text) if isinstance(same, Entity) else group_of(text)
            yield found


def _check(
    connection: sa.Connection,
    entities: Mapping[str, Entity],
    groups: Mapping[str, FeatureGroup],
    given: Mapping[str, Entity],
    known: Iterable[str],
    dropped: set[str],
) -> None:
    needed = {group.entity for group in groups.values()} - set(given) - dropped
    found = dict(given)
    for some in chunks(needed):
        rows = connection.scalars(sa.select(tables.entities.c.definition).where(tables.entities.c.name.in_(some)))
        found |= {one.name: one for one in map(entity_of, rows)}
    for group in groups.values():
        check_group(group, found, known)
    for some in chunks(entities):
        rows = connection.scalars(sa.select(tables.groups.c.definition).where(tables.groups.c.entity.in_(some)))
        for group in map(group_of, rows):
            if group.full_name not in groups and group.full_name not in dropped:
                check_group(group, found, known)


def _entity_changes(old: Mapping[str, Entity], new: Mapping[str, Entity]) -> Iterator[Change]:
    for name, entity in new.items():
        if name not in old:
            yield Change("added", "entity", name, (f"keys {', '.join(entity.keys)}",))
            continue
        broken = entity_break(old[name], entity)
        details = tuple([broken] if broken else _described(old[name], entity, {"name", "keys"}))
        yield Change("changed", "entity", name, details, broken is not None)


def _group_changes(old: Mapping[str, FeatureGroup], new: Mapping[str, FeatureGroup]) -> Iterator[Change]:
    for name, group in new.items():
        if name not in old:
            names = ", ".join(feature.name for feature in group.features)
            yield Change("added", "group", name, (f"features {names}",))
            continue
        broken = group_breaks(old[name], group)
        described = _described(old[name], group, {"name", "entity", "features", "timestamp", "created"})
        described += _reordered(old[name].features, group.features)
        if broken or described:
            yield Change("changed", "group", name, (*broken, *described), bool(broken))
        yield from _feature_changes(name, old[name].features, group.features)


def _reordered(old: Sequence[Feature], new: Sequence[Feature]) -> tuple[str, ...]:
    """Tell that features have changed places: their order decides between rows of the same times."""
    before, after = [one.name for one in old], [one.name for one in new]
    was, now = ([name for name in names if name in before and name in after] for names in (before, after))
    return () if was == now else (f"order of features: {', '.join(was):.80} -> {', '.join(now):.80}",)


def _feature_changes(group: str, old: Sequence[Feature], new: Sequence[Feature]) -> Iterator[Change]:
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    for feature in new:
        full_name = f"{group}:{feature.name}"
        if feature.name not in before:
            yield Change("added", "feature", full_name, (feature.dtype,))
            continue
        was = before[feature.name]
        if was.dtype != feature.dtype:
            table = FOLLOWS if widens_in_place(was.dtype, feature.dtype) else ANEW
            told = f"{group}: {feature.name!r} changes from {was.dtype} to {feature.dtype}: {table}"
            yield Change("changed", "feature", full_name, (told,), breaking=True)
        elif described := _described(was, feature, {"name", "dtype"}):
            yield Change("changed", "feature", full_name, described)
    for feature in old:
        if feature.name not in after:
            same = [one.name for one in new if one.name not in before and one.dtype == feature.dtype]
            hint = f" (renamed to {same[0]!r}?)" if len(same) == 1 else ""
            told = f"{group}: feature {feature.name!r} is removed{hint}: a written table keeps its column"
            yield Change("removed", "feature", f"{group}:{feature.name}", (told,), breaking=True)


def _described(old: Any, new: Any, apart: set[str]) -> tuple[str, ...]:
    fields = [name for name in type(new).model_fields if name not in apart]
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in fields]
    return tuple(f"{name}: {was!r:.80} -> {now!r:.80}" for name, was, now in pairs if repr(was) != repr(now))


def _with_models(connection: sa.Connection, change: Change) -> Change:
    if not change.breaking:
        return change
    used = tables.model_features.c
    hit = used.feature == change.name
    if change.kind != "feature":
        hit = used.feature.startswith(f"{change.name}:", autoescape=True)
    models = connection.scalars(sa.select(used.model).where(hit).distinct().order_by(used.model))
    return Change(change.action, change.kind, change.name, change.details, True, tuple(models))
