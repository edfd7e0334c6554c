"""Lists and mappings of feature expressions: wildcards, column names, join keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.errors import SchemaError

if TYPE_CHECKING:
    from palette.definitions.models import Entity, FeatureGroup

__all__ = [
    "Features",
    "Groups",
    "check_join_keys",
    "check_order",
    "expand",
    "named_columns",
    "named_references",
    "wildcard",
]

Features: TypeAlias = "Mapping[str, str | FeatureRef] | Sequence[str | FeatureRef]"
Groups: TypeAlias = "Callable[[str], FeatureGroup]"


def wildcard(name: object) -> tuple[str, tuple[str, ...]] | None:
    """Return the group and the join keys of ``entity:group:*:join_key``; None for any other name.

    Examples
    --------
    >>> wildcard("@palette:restaurant:menu:*:r_id"), wildcard("restaurant:menu:dishes:r_id")
    (('restaurant:menu', ('r_id',)), None)
    """
    if not isinstance(name, str):
        return None
    parts = name.removeprefix("@palette:").split(":")
    if len(parts) != 4 or parts[2] != "*":
        return None
    return f"{parts[0]}:{parts[1]}", tuple(parts[3].split(","))


def expand(name: str | FeatureRef | BasisRef, groups: Groups | None = None) -> Iterator[FeatureRef | BasisRef]:
    """Yield the references of a name in a list: itself, or every feature of a group.

    Parameters
    ----------
    name : str or parsed name
        An expression, or ``entity:group:*:join_key``.
    groups : callable, optional
        Returns the feature group of a full name.

    Raises
    ------
    RefError
        If the name is malformed.
    FeatureNotFoundError
        If the group does not exist.
    SchemaError
        If it is a wildcard, and ``groups`` is None.
    """
    if (group_and_keys := wildcard(name)) is None:
        yield _parsed(name)
        return
    if groups is None:
        raise SchemaError(f"{name!r}: only a store knows the features of a group; pass store= with the list")
    group = groups(group_and_keys[0])
    for feature in group.features:
        yield FeatureRef(group.entity, group.name, feature.name, group_and_keys[1])


def named_columns(features: Features, groups: Groups | None = None) -> dict[str, str]:
    """Return output column to canonical expression; columns of a plain sequence have the names of the features.

    Parameters
    ----------
    features : mapping of str to str, or sequence of str
        Expressions; in a sequence ``entity:group:*:join_key`` stands for all features of a group.
    groups : callable, optional
        Returns the feature group of a full name; only wildcards need it.

    Raises
    ------
    RefError
        If a name is malformed.
    FeatureNotFoundError
        If the group of a wildcard does not exist.
    SchemaError
        If two columns would have the same name, or a column of a mapping is a wildcard.

    Examples
    --------
    >>> named_columns(["@palette:restaurant:menu:dishes:r_id"])
    {'dishes': 'restaurant:menu:dishes:r_id'}
    """
    return {column: ref.name for column, ref in named_references(features, groups).items()}


def named_references(features: Features, groups: Groups | None = None) -> dict[str, FeatureRef | BasisRef]:
    """Return output column to parsed expression; see :func:`named_columns`."""
    if isinstance(features, Mapping):
        for column, name in features.items():
            if wildcard(name):
                raise SchemaError(
                    f"column {column!r} cannot be {name!r}, all features of a group: pass a list of names, or name "
                    "a column for each feature"
                )
        return {column: _parsed(name) for column, name in features.items()}
    if isinstance(features, str) or not isinstance(features, Sequence):
        raise SchemaError(f"features: expected a mapping or a list of names, found {features!r}")
    named: dict[str, FeatureRef | BasisRef] = {}
    for ref in (ref for name in features for ref in expand(name, groups)):
        column = ref.feature if isinstance(ref, FeatureRef) else ref.column
        if column in named:
            raise SchemaError(
                f"{named[column].name!r} and {ref.name!r} would both fill column {column!r}; "
                "pass a mapping of column to name"
            )
        named[column] = ref
    return named


def check_join_keys(ref: FeatureRef, entity: Entity) -> None:
    """Raise :class:`SchemaError` unless a name has one join key for each key of its entity, in their order."""
    check_order(entity, ref.join_keys, repr(ref.name))


def check_order(entity: Entity, join_keys: Sequence[str], label: str) -> None:
    """Validate the number of join keys, and that none has the name of a key at another position.

    Parameters
    ----------
    entity : Entity
        Declares the keys, in their order.
    join_keys : sequence of str
        Columns of the basis.
    label : str
        Start of the message.

    Raises
    ------
    SchemaError
        If they are wrong; the message names the right order.

    Examples
    --------
    >>> from palette.definitions import Entity
    >>> route = Entity("route", keys={"origin": "string", "dest": "string"})
    >>> check_order(route, ("from", "dest"), "ride")
    >>> check_order(route, ("dest", "from"), "ride")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    palette.errors.SchemaError: ride: entity 'route' has ... in this order: expected from,dest, found dest,from; ...
    """
    if len(join_keys) != len(entity.keys):
        raise SchemaError(
            f"{label}: entity {entity.name!r} has the keys {', '.join(entity.keys)}, so the name needs "
            f"{len(entity.keys)} join keys separated by commas, found {len(join_keys)}"
        )
    keys = [key.casefold() for key in entity.keys]
    folded = [name.casefold() for name in join_keys]
    if all(name == key or name not in keys for name, key in zip(folded, keys, strict=True)):
        return
    named = dict(zip(folded, join_keys, strict=True))
    others = (name for name in join_keys if name.casefold() not in keys)
    expected = [named[key.casefold()] if key.casefold() in named else next(others, key) for key in entity.keys]
    raise SchemaError(
        f"{label}: entity {entity.name!r} has the keys {', '.join(entity.keys)}, in this order: expected "
        f"{','.join(expected)}, found {','.join(join_keys)}; if another order is intended, rename "
        "the columns"
    )


def _parsed(name: str | FeatureRef | BasisRef) -> FeatureRef | BasisRef:
    return name if isinstance(name, (FeatureRef, BasisRef)) else parse_ref(name)
