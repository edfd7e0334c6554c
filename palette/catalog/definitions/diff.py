"""Changes between two forms of entities, groups and features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from palette.catalog.definitions.changes import Change, rename_hint
from palette.catalog.definitions.compatibility import FOLLOWS, REWRITE, entity_break, group_breaks
from palette.catalog.definitions.field_diff import Difference, differences
from palette.catalog.definitions.former_columns import ReturningColumns, returning_columns
from palette.definitions import Entity, Feature, FeatureGroup
from palette.types import widens_in_place

__all__ = ["diff_entities", "diff_groups"]


def diff_entities(old: Mapping[str, Entity], new: Mapping[str, Entity]) -> Iterator[Change]:
    """Yield the changes of entities; those without a counterpart in ``old`` are added."""
    for name, entity in new.items():
        if name not in old:
            yield Change("added", "entity", name, (f"keys {', '.join(entity.keys)}",))
            continue
        breaking = entity_break(old[name], entity)
        values = differences(old[name], entity, {"name", "keys"})
        details = (*([breaking] if breaking else []), *_lines(values))
        yield Change("changed", "entity", name, details, breaking is not None, values=values)


def diff_groups(
    old: Mapping[str, FeatureGroup], new: Mapping[str, FeatureGroup], former: Mapping[str, Mapping[str, str]]
) -> Iterator[Change]:
    """Yield the changes of groups and their features.

    Parameters
    ----------
    old, new : mapping of str to FeatureGroup
        By full name; those without a counterpart in ``old`` are added.
    former : mapping of str to mapping
        Group to the types of columns that its table may still have.
    """
    for name, group in new.items():
        back = returning_columns(former.get(name, {}), old.get(name), group)
        if name not in old:
            names = ", ".join(feature.name for feature in group.features)
            details = (f"features {names}", *(message for _, message in back.values()))
            yield Change("added", "group", name, details, not all(follows for follows, _ in back.values()))
            continue
        times = (group.timestamp, group.created)
        breaking = group_breaks(old[name], group)
        breaking += [f"{name}: {message}" for column, (_, message) in back.items() if column in times]
        values = differences(old[name], group, {"name", "entity", "features", "timestamp", "created", "table"})
        others = _lines(values) + _order(old[name].features, group.features)
        if breaking or others:
            yield Change("changed", "group", name, (*breaking, *others), bool(breaking), values=values)
        yield from _diff_features(name, old[name].features, group.features, back)


def _order(old: Sequence[Feature], new: Sequence[Feature]) -> tuple[str, ...]:
    """Describe a change of the features' order, which breaks ties between rows of the same times."""
    before, after = [feature.name for feature in old], [feature.name for feature in new]
    was, now = ([name for name in names if name in before and name in after] for names in (before, after))
    return () if was == now else (f"order of features: {', '.join(was):.80} -> {', '.join(now):.80}",)


def _diff_features(
    group: str, old: Sequence[Feature], new: Sequence[Feature], back: ReturningColumns
) -> Iterator[Change]:
    before, after = {feature.name: feature for feature in old}, {feature.name: feature for feature in new}
    for feature in new:
        full_name = f"{group}:{feature.name}"
        if feature.name not in before:
            follows, message = back.get(feature.name, (True, ""))
            details = (feature.dtype, f"{group}: {message}") if message else (feature.dtype,)
            yield Change("added", "feature", full_name, details, breaking=not follows)
            continue
        was = before[feature.name]
        values = differences(was, feature, {"name", "dtype"})
        if was.dtype != feature.dtype:
            table = FOLLOWS if widens_in_place(was.dtype, feature.dtype) else REWRITE
            message = f"{group}: {feature.name!r} changes from {was.dtype} to {feature.dtype}: {table}"
            yield Change("changed", "feature", full_name, (message, *_lines(values)), breaking=True, values=values)
        elif values:
            yield Change("changed", "feature", full_name, _lines(values), values=values)
    for feature in old:
        if feature.name not in after:
            same = [other.name for other in new if other.name not in before and other.dtype == feature.dtype]
            hint = rename_hint(same[0] if len(same) == 1 else None)
            message = f"{group}: feature {feature.name!r} is removed{hint}: a written table keeps its column"
            yield Change("removed", "feature", f"{group}:{feature.name}", (message,), breaking=True)


def _lines(values: Iterable[Difference]) -> tuple[str, ...]:
    return tuple(line for value in values for line in value.lines)
