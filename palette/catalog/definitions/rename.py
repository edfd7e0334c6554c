"""Renames of feature groups and features: their definitions, and the records that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import group_from_json
from palette.catalog.definitions.write import now
from palette.definitions import Entity, FeatureGroup, widens
from palette.definitions.yaml.documents import from_plain, to_plain
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError, nearest

__all__ = ["Rename", "forget_renames", "move_records", "plan_renames", "renamed_to"]

# Tables with records of a subject, and of a group.
SUBJECTS = (tables.marks, tables.notes, tables.ratings, tables.statistics)
GROUPS = (tables.feed_states, tables.pins)
RENAMED = "renamed"


@dataclass(frozen=True)
class Rename:
    """A rename of a group or feature.

    Parameters
    ----------
    old, new : str
        Full names, ``entity:group`` or ``entity:group:feature``.
    before : FeatureGroup
        The group as it is applied now.
    """

    old: str
    new: str
    before: FeatureGroup

    @property
    def kind(self) -> str:
        """``group`` or ``feature``."""
        return "feature" if self.old.count(":") == 2 else "group"

    @property
    def message(self) -> str:
        """Description of the rename and of what follows, for people."""
        follows = "its table is moved" if self.kind == "group" else "its values are copied to a column of that name"
        if self.before.table is not None:
            follows = "its table stays where it is"
        return f"{self.kind} {self.old!r} is renamed to {self.new!r}: {follows}; models look for the old name"

    @property
    def names(self) -> tuple[str, str]:
        """The last parts of the old and the new name."""
        return self.old.rpartition(":")[2], self.new.rpartition(":")[2]


def plan_renames(
    connection: sa.Connection, rename: Mapping[str, str], definitions: Sequence[Entity | FeatureGroup]
) -> tuple[dict[str, FeatureGroup], list[Rename]]:
    """Return the applied groups under their new names, by full name, and the renames.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    rename : mapping of str to str
        ``entity:group`` or ``entity:group:feature`` to the new name of the group or feature.
    definitions : sequence of Entity and FeatureGroup
        Definitions applied in the same plan; they may contain the new form.

    Raises
    ------
    FeatureNotFoundError
        If the old name is not applied; near names are offered.
    DefinitionError
        If the new name is malformed or in use, or the definitions contradict it.
    """
    given = {item.full_name: item for item in definitions if isinstance(item, FeatureGroup)}
    known = list(connection.scalars(sa.select(tables.groups.c.name)))
    groups: dict[str, FeatureGroup] = {}
    renames = []
    for old, name in rename.items():
        owner = old if old.count(":") == 1 else old.rpartition(":")[0]
        if owner.count(":") != 1:
            raise ArgumentError(f"{old!r}: expected entity:group or entity:group:feature")
        if old != owner and owner in rename:
            raise ArgumentError(f"{old!r}: its group is renamed as well: rename one after the other")
        if owner not in known:
            raise FeatureNotFoundError(f"no feature group {owner!r}{nearest(owner, known)}")
        text = connection.scalar(sa.select(tables.groups.c.definition).where(tables.groups.c.name == owner))
        before = group_from_json(str(text))
        if old == owner:
            item = Rename(old, f"{before.entity}:{name}", before)
            _check_group(item, given, known)
            groups[item.new] = _replace(before, {"name": name})
        else:
            item = Rename(old, f"{owner}:{name}", before)
            current = groups.get(owner, before)
            _check_feature(item, given.get(owner), current)
            features = to_plain(current)["features"]
            features = [{**plain, "name": name} if plain["name"] == item.names[0] else plain for plain in features]
            groups[owner] = _replace(current, {"features": features}, validate_source=False)
        renames.append(item)
    return groups, renames


def _replace(group: FeatureGroup, changes: dict[str, object], *, validate_source: bool = True) -> FeatureGroup:
    """Return a copy of a group with changes, validated like any definition."""
    plain = {**to_plain(group), **changes}
    source = None if validate_source else plain.pop("source", None)
    copy = from_plain(plain, "feature_groups")
    assert isinstance(copy, FeatureGroup)
    return copy if source is None else copy.model_copy(update={"source": group.source})


def _check_group(rename: Rename, given: Mapping[str, FeatureGroup], known: Sequence[str]) -> None:
    if rename.old in given:
        raise DefinitionError(f"{rename.old!r} is renamed, and is among the definitions: give it its new name there")
    if rename.new in known:
        raise DefinitionError(f"{rename.old!r} cannot be renamed: a feature group {rename.new!r} exists already")


def _check_feature(rename: Rename, given: FeatureGroup | None, before: FeatureGroup) -> None:
    old, new = rename.names
    types = {feature.name: feature.dtype for feature in before.features}
    if old not in types:
        raise FeatureNotFoundError(
            f"feature group {before.full_name!r} has no feature {old!r}{nearest(old, types)} to rename "
            f"(it has {', '.join(types)})"
        )
    if new in before.readable:
        raise DefinitionError(f"{rename.old!r} cannot be renamed: the group has a column {new!r} already")
    if given is not None:
        now_has = {feature.name: feature.dtype for feature in given.features}
        if old in now_has or new not in now_has:
            raise DefinitionError(f"{rename.old!r} is renamed to {new!r}: rename it in its definition too")
        if not widens(types[old], now_has[new]):
            raise DefinitionError(
                f"{rename.old!r} is {types[old]}, and {new!r} {now_has[new]}: rename it first, then change"
            )
    elif before.source is not None:
        raise DefinitionError(
            f"{rename.old!r} is computed by the source of its group: change the definition, including the source, and "
            "apply it with this rename"
        )
    if before.table is not None:
        raise DefinitionError(
            f"{rename.old!r}: its table {before.table} is filled by others; a feature has the name of their column"
        )
    if getattr(before.source, "aggregates", ()):
        raise DefinitionError(
            f"{rename.old!r} is stored by its source's aggregates under that name: declare the new name next to it, "
            "and remove the old one later"
        )


def forget_renames(connection: sa.Connection, definitions: Sequence[Entity | FeatureGroup]) -> None:
    """Delete the records of renames from names that are used again."""
    mark = tables.marks.c
    marked = set(connection.scalars(sa.select(mark.subject).where(mark.kind == RENAMED)))
    if not marked:
        return
    groups = [item for item in definitions if isinstance(item, FeatureGroup)]
    used = {group.full_name for group in groups}
    used |= {f"{group.full_name}:{name}" for group in groups for name in group.readable}
    for subject in marked & used:
        connection.execute(tables.marks.delete().where(mark.subject == subject, mark.kind == RENAMED))


def renamed_to(connection: sa.Connection, name: str) -> str | None:
    """Return the current name of a group or feature that was renamed from this name, or None."""
    mark, names = tables.marks.c, [name]
    while new := connection.scalar(sa.select(mark.text).where(mark.subject == names[-1], mark.kind == RENAMED)):
        if new in names:
            break
        names.append(new)
    return names[-1] if len(names) > 1 else None


def move_records(connection: sa.Connection, rename: Rename, *, who: str) -> None:
    """Move notes, marks, ratings, statistics, feed states and pins to the new name; models keep the old names."""
    for table in SUBJECTS:
        column = table.c.subject
        own = sa.or_(column == rename.old, column.startswith(f"{rename.old}:", autoescape=True))
        for subject in connection.scalars(sa.select(column).where(own).distinct()).all():
            moved = rename.new + subject.removeprefix(rename.old)
            connection.execute(table.delete().where(column == moved))
            connection.execute(table.update().where(column == subject).values(subject=moved))
    if rename.kind == "group":
        for table in GROUPS:
            name = table.c.group_name
            connection.execute(table.delete().where(name == rename.new))
            connection.execute(table.update().where(name == rename.old).values(group_name=rename.new))
    # Recorded for the old name, so that an error about it names the new one.
    mark = {"kind": RENAMED, "who": who, "at": now()}
    pairs = {rename.old: rename.new}
    if rename.kind == "group":
        pairs |= {f"{rename.old}:{name}": f"{rename.new}:{name}" for name in rename.before.readable}
    for old, new in pairs.items():
        connection.execute(
            tables.marks.delete().where(tables.marks.c.subject.in_([old, new]), tables.marks.c.kind == RENAMED)
        )
        connection.execute(tables.marks.insert().values({"subject": old, "text": new, **mark}))
