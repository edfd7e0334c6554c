"""Validation of arguments: names, versions, lists of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from palette.definitions import Entity, FeatureGroup
from palette.errors import ArgumentError

__all__ = ["check_name", "check_version", "entity_name", "group_name", "listed", "versions"]


def check_name(value: Any, what: str) -> str:
    """Return a name; raise :class:`ArgumentError` if it is not a string."""
    if not isinstance(value, str):
        raise ArgumentError(f"expected {what}, found {_describe(value)}")
    return value


def check_version(value: Any) -> int:
    """Return the number of a version; raise :class:`ArgumentError` if it is not an integer."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"expected the number of a version, found {_describe(value)}")
    return int(value)


def entity_name(entity: str | Entity) -> str:
    """Return the name of an entity."""
    return entity.name if isinstance(entity, Entity) else check_name(entity, "the name of an entity")


def group_name(group: str | FeatureGroup) -> str:
    """Return the full name of a group."""
    if isinstance(group, FeatureGroup):
        return group.full_name
    return check_name(group, "one feature group, or its name 'entity:group'")


def listed(groups: Any) -> list[str | FeatureGroup]:
    """Return one or several groups as a list.

    Examples
    --------
    >>> listed(["restaurant:menu", "restaurant:hours"]), listed("restaurant:menu")
    (['restaurant:menu', 'restaurant:hours'], ['restaurant:menu'])
    """
    # A FeatureGroup is iterable too: over its fields.
    single = isinstance(groups, (str, FeatureGroup)) or not isinstance(groups, Iterable)
    return [groups] if single else list(groups)


def versions(
    version: Mapping[str, int] | int | None, groups: Iterable[str], full_name: Callable[[str], str]
) -> dict[str, int]:
    """Return group to table version.

    Parameters
    ----------
    version : mapping of str to int, int, or None
        A number is the version of the only group that is read.
    groups : iterable of str
        Full names of the groups that are read.
    full_name : callable
        Returns the full name of a group; raises for one that is not in the catalog.

    Raises
    ------
    ArgumentError
        If it is neither, or a number where several groups are read.

    Examples
    --------
    >>> versions(3, ["restaurant:menu"], str), versions({"restaurant:menu": 3}, [], str)
    ({'restaurant:menu': 3}, {'restaurant:menu': 3})
    """
    if version is None:
        return {}
    if isinstance(version, Mapping):
        return {full_name(name): check_version(number) for name, number in version.items()}
    read = sorted(set(groups))
    shape = f"{{{', '.join(f'{name!r}: N' for name in read)}}}"
    if not hasattr(version, "__index__") or isinstance(version, bool):
        raise ArgumentError(f"version: expected group to number, version={shape}, found {_describe(version)}")
    if len(read) != 1:
        raise ArgumentError(f"version={version}: features of {len(read)} groups are read, name each: version={shape}")
    return {read[0]: int(version)}


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value).__name__
    # The repr of other types may have many lines.
    return f"{kind} {value!r:.80}" if isinstance(value, (str, int, float, list, tuple, dict, set)) else kind
