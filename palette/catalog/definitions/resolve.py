"""From expressions to what the catalog says about them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.definitions import Entity, Feature, FeatureGroup
from palette.definitions.expressions import check_join_keys, named_columns
from palette.errors import DeprecatedFeatureWarning, FeatureNotFoundError

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog

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
        group = catalog.definitions.group(f"{ref.entity}:{ref.group}")
        entity, feature = catalog.definitions.entity(ref.entity), group.feature(ref.feature)
    except FeatureNotFoundError as error:
        if now_called := catalog.definitions.renamed_to(f"{ref.entity}:{ref.group}:{ref.feature}"):
            raise FeatureNotFoundError(f"{ref.name!r}: the feature was renamed to {now_called!r}") from None
        raise FeatureNotFoundError(f"{ref.name!r}: {error}") from None
    check_join_keys(ref, entity)
    if reason := catalog.definitions.deprecated(f"{group.full_name}:{feature.name}"):
        told = f"{ref.name!r} is deprecated: {reason}"
        warnings.warn(told, DeprecatedFeatureWarning, stacklevel=3)
    return Resolved(ref, entity, group, feature)


def _parsed(name: str | FeatureRef | BasisRef) -> FeatureRef | BasisRef:
    return name if isinstance(name, (FeatureRef, BasisRef)) else parse_ref(name)
