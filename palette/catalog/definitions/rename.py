"""Renames of feature groups and features: the new definition, and what of the catalog goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import group_of
from palette.catalog.definitions.write import now
from palette.definitions import Entity, FeatureGroup, widens
from palette.definitions.yaml.documents import from_plain, to_plain
from palette.errors import ArgumentError, DefinitionError, FeatureNotFoundError, nearest

__all__ = ["Rename", "forget_renames", "move_records", "renamed_groups", "renamed_to"]

# What people and pipelines say about a name, and what pipelines keep of a group.
SUBJECTS = (tables.marks, tables.notes, tables.ratings, tables.statistics)
GROUPS = (tables.watermarks, tables.pins)
RENAMED = "renamed"


@dataclass(frozen=True)
class Rename:
    """A group or feature that gets another name.

    Parameters
    ----------
    old, new : str
        Full names, ``entity:group`` or ``entity:group:feature``.
    before : FeatureGroup
        The group as it is applied.
    """

    old: str
    new: str
    before: FeatureGroup

    @property
    def kind(self) -> str:
        """``group`` or ``feature``."""
        return "feature" if self.old.count(":") == 2 else "group"

    @property
    def told(self) -> str:
        """What becomes of it, for people."""
        follows = "its table is moved" if self.kind == "group" else "its values are copied to a column of that name"
        if self.before.table is not None:
            follows = "its table stays where it is"
        return f"{self.kind} {self.old!r} is renamed to {self.new!r}: {follows}; models look for the old name"

    @property
    def names(self) -> tuple[str, str]:
        """The last parts of the names."""
        return self.old.rpartition(":")[2], self.new.rpartition(":")[2]


def renamed_groups(
    connection: sa.Connection, rename: Mapping[str, str], definitions: Sequence[Entity | FeatureGroup]
) -> tuple[dict[str, FeatureGroup], list[Rename]]:
    """Return the applied groups as they are called then, by their new full names, and the renames.

    Parameters
    ----------
    connection : Connection
        To the catalog.
    rename : mapping of str to str
        ``entity:group`` or ``entity:group:feature`` to the new name of the group or feature.
    definitions : sequence of Entity and FeatureGroup
        What is applied together with it; may have the new form.

    Raises
    ------
    FeatureNotFoundError
        If nothing of the old name is applied; near names are offered.
    DefinitionError
        If the new name is malformed or taken, or the definitions contradict it.
    """
    given = {one.full_name: one for one in definitions if isinstance(one, FeatureGroup)}
    known = list(connection.scalars(sa.select(tables.groups.c.name)))
    groups: dict[str, FeatureGroup] = {}
    found = []
    for old, name in rename.items():
        owner = old if old.count(":") == 1 else old.rpartition(":")[0]
        if owner.count(":") != 1:
            raise ArgumentError(f"{old!r}: expected entity:group or entity:group:feature")
        if old != owner and owner in rename:
            raise ArgumentError(f"{old!r}: its group is renamed as well: rename one after the other")
        if owner not in known:
            raise FeatureNotFoundError(f"no feature group {owner!r}{nearest(owner, known)}")
        text = connection.scalar(sa.select(tables.groups.c.definition).where(tables.groups.c.name == owner))
        before = group_of(str(text))
        if old == owner:
            one = Rename(old, f"{before.entity}:{name}", before)
            _check_group(one, given, known)
            groups[one.new] = _called(before, {"name": name})
        else:
            one = Rename(old, f"{owner}:{name}", before)
            so_far = groups.get(owner, before)
            _check_feature(one, given.get(owner), so_far)
            features = to_plain(so_far)["features"]
            features = [{**plain, "name": name} if plain["name"] == one.names[0] else plain for plain in features]
            groups[owner] = _called(so_far, {"features": features}, sourceless=True)
        found.append(one)
    return groups, found


def _called(group: FeatureGroup, changes: dict[str, object], *, sourceless: bool = False) -> FeatureGroup:
    """Return a group with other names, checked like any definition."""
    plain = {**to_plain(group), **changes}
    source = plain.pop("source", None) if sourceless else None
    made = from_plain(plain, "feature_groups")
    assert isinstance(made, FeatureGroup)
    return made if source is None else made.model_copy(update={"source": group.source})


def _check_group(one: Rename, given: Mapping[str, FeatureGroup], known: Sequence[str]) -> None:
    if one.old in given:
        raise DefinitionError(f"{one.old!r} is to be renamed, and among the definitions: give it its new name there")
    if one.new in known:
        raise DefinitionError(f"{one.old!r} cannot be renamed: there is a feature group {one.new!r} already")


def _check_feature(one: Rename, given: FeatureGroup | None, before: FeatureGroup) -> None:
    old, new = one.names
    types = {feature.name: feature.dtype for feature in before.features}
    if old not in types:
        raise FeatureNotFoundError(
            f"feature group {before.full_name!r} has no feature {old!r}{nearest(old, types)} to rename "
            f"(it has {', '.join(types)})"
        )
    if new in before.readable:
        raise DefinitionError(f"{one.old!r} cannot be renamed: the group has a column {new!r} already")
    if given is not None:
        now_has = {feature.name: feature.dtype for feature in given.features}
        if old in now_has or new not in now_has:
            raise DefinitionError(f"{one.old!r} is to be renamed to {new!r}: do so in its definition, too")
        if not widens(types[old], now_has[new]):
            raise DefinitionError(
                f"{one.old!r} is {types[old]}, and {new!r} {now_has[new]}: rename it first, then change"
            )
    elif before.source is not None:
        raise DefinitionError(
            f"{one.old!r} is what the source of its group fills: change the definition, source and all, and apply it "
            "with this rename"
        )
    if before.table is not None:
        raise DefinitionError(
            f"{one.old!r}: its table {before.table} is filled by others; a feature is called like their column"
        )
    if getattr(before.source, "aggregates", ()):
        raise DefinitionError(
            f"{one.old!r} is kept by its source's aggregates under that name: declare the new name beside it, and "
            "remove the old one later"
        )


def forget_renames(connection: sa.Connection, definitions: Sequence[Entity | FeatureGroup]) -> None:
    """Forget that names which are in use again were given up."""
    mark = tables.marks.c
    marked = set(connection.scalars(sa.select(mark.subject).where(mark.kind == RENAMED)))
    if not marked:
        return
    groups = [one for one in definitions if isinstance(one, FeatureGroup)]
    used = {group.full_name for group in groups}
    used |= {f"{group.full_name}:{name}" for group in groups for name in group.readable}
    for subject in marked & used:
        connection.execute(tables.marks.delete().where(mark.subject == subject, mark.kind == RENAMED))


def renamed_to(connection: sa.Connection, name: str) -> str | None:
    """Return what a group or feature is called that is not known under this name any more, or None."""
    mark, seen = tables.marks.c, [name]
    while found := connection.scalar(sa.select(mark.text).where(mark.subject == seen[-1], mark.kind == RENAMED)):
        if found in seen:
            break
        seen.append(found)
    return seen[-1] if len(seen) > 1 else None


def move_records(connection: sa.Connection, one: Rename, *, who: str) -> None:
    """Let notes, marks, ratings, statistics, watermarks and pins follow a rename; models keep the old names."""
    for table in SUBJECTS:
        column = table.c.subject
        mine = sa.or_(column == one.old, column.startswith(f"{one.old}:", autoescape=True))
        for subject in connection.scalars(sa.select(column).where(mine).distinct()).all():
            moved = one.new + subject.removeprefix(one.old)
            connection.execute(table.delete().where(column == moved))
            connection.execute(table.update().where(column == subject).values(subject=moved))
    if one.kind == "group":
        for table in GROUPS:
            name = table.c.group_name
            connection.execute(table.delete().where(name == one.new))
            connection.execute(table.update().where(name == one.old).values(group_name=one.new))
    # Of the name that is no more, so that who asks for it learns the new one.
    mark = {"kind": RENAMED, "who": who, "at": now()}
    pairs = {one.old: one.new}
    if one.kind == "group":
        pairs |= {f"{one.old}:{name}": f"{one.new}:{name}" for name in one.before.readable}
    for old, new in pairs.items():
        connection.execute(
            tables.marks.delete().where(tables.marks.c.subject.in_([old, new]), tables.marks.c.kind == RENAMED)
        )
        connection.execute(tables.marks.insert().values({"subject": old, "text": new, **mark}))
