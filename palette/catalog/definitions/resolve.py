"""Resolution of feature expressions to their definitions in the catalog."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.definitions import Entity, Feature, FeatureGroup
from palette.definitions.expressions import check_join_keys, named_columns, named_references
from palette.errors import DeprecatedFeatureWarning, FeatureNotFoundError

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog
    from palette.catalog.definitions.view import DefinitionView
    from palette.definitions.expressions import Features

__all__ = ["Resolved", "named_columns", "resolve", "resolve_columns"]


class Resolved(NamedTuple):
    """A feature expression and the definitions that it names."""

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
    ref = parse_ref(name) if isinstance(name, str) else name
    return _resolve(catalog.definitions.view(), ref, stacklevel=4)


def resolve_columns(catalog: SqlCatalog, features: Features) -> dict[str, Resolved]:
    """Return output column to definitions; each name is parsed once, at one revision of the catalog.

    Parameters
    ----------
    features : mapping of str to str, or sequence of str
        As :func:`named_columns` takes them.

    Raises
    ------
    RefError, FeatureNotFoundError, SchemaError
        As :func:`resolve` and :func:`named_columns` raise them.
    """
    view = catalog.definitions.view()
    references = named_references(features, view.group)
    return {column: _resolve(view, ref, stacklevel=5) for column, ref in references.items()}


def _resolve(view: DefinitionView, ref: FeatureRef | BasisRef, stacklevel: int) -> Resolved:
    if isinstance(ref, BasisRef):
        raise FeatureNotFoundError(f"{ref.name!r} is a column of the basis and needs no look-up")
    full_name = f"{ref.entity}:{ref.group}"
    try:
        group = view.group(full_name)
        entity, feature = view.entity(ref.entity), group.feature(ref.feature)
    except FeatureNotFoundError as error:
        if new_name := view.renamed_to(f"{full_name}:{ref.feature}"):
            raise FeatureNotFoundError(f"{ref.name!r}: the feature was renamed to {new_name!r}") from None
        raise FeatureNotFoundError(f"{ref.name!r}: {error}") from None
    check_join_keys(ref, entity)
    if reason := view.deprecated(f"{full_name}:{feature.name}"):
        message = f"{ref.name!r} is deprecated: {reason}"
        warnings.warn(message, DeprecatedFeatureWarning, stacklevel=stacklevel)
    return Resolved(ref, entity, group, feature)
