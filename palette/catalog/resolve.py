"""From expressions to what the catalog says about them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.definitions import Entity, Feature, FeatureGroup
from palette.errors import DeprecatedFeatureWarning, FeatureNotFoundError, SchemaError

if TYPE_CHECKING:
    from palette.catalog.sql import SqlCatalog

__all__ = ["Resolved", "named_columns", "resolve"]


class Resolved(NamedTuple):
    """An expression, and the definitions that it names."""

    ref: FeatureRef
    entity: Entity
    group: FeatureGroup
    feature: Feature


def resolve(catalog: SqlCatalog, name: str | FeatureRef | BasisRef) -> Resolved:
    """Return the definitions that an expression names; a deprecated feature warns.

    Raises
    ------
    RefError
        If the name is malformed.
    FeatureNotFoundError
        If the entity, the group or the feature is not in the catalog; near names are offered.
    SchemaError
        If the number of join keys is not the entity's number of keys.
    """
    ref = _parsed(name)
    if isinstance(ref, BasisRef):
        raise FeatureNotFoundError(f"{ref.name!r} is a column of the basis and needs no look-up")
    try:
        group = catalog.group(f"{ref.entity}:{ref.group}")
        entity, feature = catalog.entity(ref.entity), group.feature(ref.feature)
    except FeatureNotFoundError as error:
        raise FeatureNotFoundError(f"{ref.name!r}: {error}") from error
    if len(ref.join_keys) != len(entity.keys):
        raise SchemaError(
            f"{ref.name!r}: entity {entity.name!r} has the keys {', '.join(entity.keys)}, so the name takes "
            f"{len(entity.keys)} join keys with commas between, found {len(ref.join_keys)}"
        )
    if reason := catalog.deprecated(f"{group.full_name}:{feature.name}"):
        told = f"{ref.name!r} is deprecated: {reason}"
        warnings.warn(told, DeprecatedFeatureWarning, stacklevel=3)
    return Resolved(ref, entity, group, feature)


def named_columns(features: Mapping[str, str | FeatureRef] | Sequence[str | FeatureRef]) -> dict[str, str]:
    """Return output column to canonical expression; columns of a plain sequence are called like the features.

    Raises
    ------
    RefError
        If a name is malformed.
    SchemaError
        If two of them would be called the same.

    Examples
    --------
    >>> named_columns(["@palette:restaurant:menu:dishes:r_id"])
    {'dishes': 'restaurant:menu:dishes:r_id'}
    """
    if isinstance(features, Mapping):
        return {column: _parsed(name).name for column, name in features.items()}
    if isinstance(features, str) or not isinstance(features, Sequence):
        raise SchemaError(f"features: expected a mapping or a list of names, found {features!r}")
    named: dict[str, str] = {}
    for name in features:
        ref = _parsed(name)
        column = ref.feature if isinstance(ref, FeatureRef) else ref.column
        if column in named:
            raise SchemaError(
                f"{named[column]!r} and {ref.name!r} would both fill column {column!r}; "
                "pass a mapping of column to name"
            )
        named[column] = ref.name
    return named


def _parsed(name: str | FeatureRef | BasisRef) -> FeatureRef | BasisRef:
    return name if isinstance(name, (FeatureRef, BasisRef)) else parse_ref(name)
