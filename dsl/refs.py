"""Names of features and basis columns: ``entity:feature_group:feature:join_key`` and ``basis:column``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dsl.errors import RefError

__all__ = ["BasisRef", "FeatureRef", "parse_ref"]

_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = ("palette", "basis")


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A feature of an entity, looked up by columns of the basis.

    Parameters
    ----------
    entity, group, feature : str
        Names of the entity, of one of its feature groups and of a feature of the group.
    join_keys : tuple of str
        The columns that hold the entity's key, in the order of the entity's declared keys.

    Examples
    --------
    >>> ref = FeatureRef("route", "delays", "mean_delay", ("origin", "dest"))
    >>> str(ref)
    'route:delays:mean_delay:origin,dest'
    """

    entity: str
    group: str
    feature: str
    join_keys: tuple[str, ...]

    def __post_init__(self) -> None:
        name = str(self)
        _check_entity(self.entity, name)
        _check_part("feature group", self.group, name)
        _check_part("feature", self.feature, name)
        if not self.join_keys:
            raise RefError(f"malformed feature name {name!r}: it has no join key")
        for key in self.join_keys:
            _check_part("join key", key, name)
        if len(set(self.join_keys)) < len(self.join_keys):
            raise RefError(f"malformed feature name {name!r}: duplicate join key")

    def __str__(self) -> str:
        return f"{self.entity}:{self.group}:{self.feature}:{','.join(self.join_keys)}"

    @property
    def name(self) -> str:
        """The canonical name."""
        return str(self)


@dataclass(frozen=True, slots=True)
class BasisRef:
    """A column of the basis, or a column derived by an earlier stage.

    Examples
    --------
    >>> BasisRef("order_size").name
    'basis:order_size'
    """

    column: str

    def __post_init__(self) -> None:
        _check_part("column", self.column, str(self))

    def __str__(self) -> str:
        return f"basis:{self.column}"

    @property
    def name(self) -> str:
        """The canonical name."""
        return str(self)


def parse_ref(text: str) -> FeatureRef | BasisRef:
    """Parse the name of a feature or of a basis column.

    Parameters
    ----------
    text : str
        ``[@palette:]entity:feature_group:feature:join_key[,join_key...]`` or ``[@]basis:column``.

    Raises
    ------
    RefError
        The name is malformed; the message names the part.

    Examples
    --------
    >>> parse_ref("@palette:restaurant:order_history:prep_time:r_id")
    FeatureRef(entity='restaurant', group='order_history', feature='prep_time', join_keys=('r_id',))
    >>> parse_ref("@basis:city")
    BasisRef(column='city')
    """
    if not isinstance(text, str):
        raise RefError(f"expected a feature name as a string, found {type(text).__name__}")
    parts = text.removeprefix("@palette:").split(":")
    if parts[0] in ("basis", "@basis") and not text.startswith("@palette:"):
        if len(parts) != 2:
            raise RefError(f"malformed feature name {text!r}: a basis column is written 'basis:column'")
        _check_part("column", parts[1], text)
        return BasisRef(parts[1])
    if len(parts) != 4:
        raise RefError(
            f"malformed feature name {text!r}: expected 'entity:feature_group:feature:join_key' or 'basis:column', "
            f"found {len(parts)} part{'s' * (len(parts) != 1)}"
        )
    entity, group, feature, keys = parts
    _check_entity(entity, text)
    return FeatureRef(entity, group, feature, tuple(keys.split(",")))


def _check_entity(entity: str, name: str) -> None:
    _check_part("entity", entity, name)
    if entity in _RESERVED:
        raise RefError(f"malformed feature name {name!r}: {entity!r} is reserved and cannot name an entity")


def _check_part(kind: str, part: str, name: str) -> None:
    if not _PART.fullmatch(part):
        problem = (
            "is empty" if not part else f"{part!r} must be a letter or underscore, then letters, digits, underscores"
        )
        raise RefError(f"malformed feature name {name!r}: the {kind} {problem}")
