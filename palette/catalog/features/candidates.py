"""Candidates of a feature selection: names, and ``*`` for the features of a group or of all entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.definitions.expressions import check_join_keys, check_order, expand, wildcard
from palette.errors import ArgumentError, FeatureNotFoundError, SchemaError, nearest
from palette.types import INTEGERS

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog
    from palette.definitions import Entity

__all__ = ["Candidate", "candidates", "check_names"]

EVERYTHING = ("*", "basis:*", "@basis:*")


class Candidate(NamedTuple):
    """A candidate feature.

    Parameters
    ----------
    ref : FeatureRef or BasisRef
        Its expression.
    named : bool
        Whether it was named; else a ``*`` matched it, and it may be left out where it cannot be read.
    deprecated : str, optional
        Reason of its deprecation, if a ``*`` matched it.
    """

    ref: FeatureRef | BasisRef
    named: bool
    deprecated: str | None = None


def candidates(
    catalog: SqlCatalog,
    columns: Mapping[str, str],
    names: Sequence[str] | None = None,
    join: Mapping[str, str | Sequence[str]] | None = None,
) -> list[Candidate]:
    """Return the candidate features, each once.

    Parameters
    ----------
    catalog : SqlCatalog
        The catalog.
    columns : mapping of str to str
        The columns of the basis with their types.
    names : sequence of str, optional
        Expressions; ``entity:group:*:join_key`` for all features of a group, ``basis:*`` for all columns of the basis,
        ``*``, the default, for all features of all entities that have a join key.
    join : mapping of str to str, optional
        Entity to its join key, for ``*``: ``"r_id"``, of a composite key ``"origin,dest"``; several in a list. Other
        entities are joined by the columns that are called and typed like their keys.

    Raises
    ------
    RefError, FeatureNotFoundError, SchemaError, ArgumentError
        If a name is malformed or unknown, or there are no candidates.
    """
    if isinstance(names, str):
        raise ArgumentError(f"candidates: expected a list of names, found {names!r}")
    keys = _join_keys(catalog, columns, join or {})
    matches: dict[str, Candidate] = {}
    for name in ("*",) if names is None else names:
        for candidate in _match(catalog, columns, keys, name):
            if candidate.named or candidate.ref.name not in matches:
                matches[candidate.ref.name] = candidate
    if not matches:
        remedy = (
            "name columns of the basis for their keys (join={'restaurant': 'r_id'})" if names is None else "name some"
        )
        raise ArgumentError(f"there are no candidates: {remedy}")
    return list(matches.values())


def check_names(catalog: SqlCatalog, names: Sequence[str], join: Mapping[str, str | Sequence[str]]) -> None:
    """Validate names and join keys as far as is possible without a basis.

    Raises
    ------
    RefError, FeatureNotFoundError, SchemaError
        If a name is malformed or unknown, or join keys are in another order than their entity's keys.
    """
    for name in names:
        if name in EVERYTHING:
            continue
        for ref in expand(name, catalog.definitions.group):
            if isinstance(ref, FeatureRef):
                catalog.definitions.group(f"{ref.entity}:{ref.group}").feature(ref.feature)
                check_join_keys(ref, catalog.definitions.entity(ref.entity))
    entities = _known_entities(catalog, join)
    for name, value in join.items():
        for join_keys in [value] if isinstance(value, str) else value:
            check_order(entities[name], join_keys.split(","), "join")


def _known_entities(catalog: SqlCatalog, names: Iterable[str]) -> Mapping[str, Entity]:
    entities = catalog.definitions.entities()
    for name in names:
        if name not in entities:
            raise FeatureNotFoundError(f"join: no entity {name!r}{nearest(name, entities)}")
    return entities


def _match(
    catalog: SqlCatalog, columns: Mapping[str, str], keys: Mapping[str, list[tuple[str, ...]]], name: str
) -> Iterator[Candidate]:
    if name == "*":
        for group in catalog.definitions.groups().values():
            for join_keys in keys.get(group.entity, ()):
                yield from _expand_group(catalog, f"{group.full_name}:*:{','.join(join_keys)}")
    elif name in EVERYTHING:
        for column in columns:
            yield Candidate(BasisRef(column), named=False)
    elif wildcard(name):
        yield from _expand_group(catalog, name)
    else:
        ref = parse_ref(name)
        if isinstance(ref, BasisRef) and ref.column not in columns:
            raise SchemaError(f"{ref.name!r}: the basis has no such column{nearest(ref.column, columns)}")
        yield Candidate(ref, named=True)


def _expand_group(catalog: SqlCatalog, name: str) -> Iterator[Candidate]:
    for ref in expand(name, catalog.definitions.group):
        assert isinstance(ref, FeatureRef)
        deprecated = catalog.definitions.deprecated(f"{ref.entity}:{ref.group}:{ref.feature}")
        yield Candidate(ref, named=False, deprecated=deprecated)


def _join_keys(
    catalog: SqlCatalog, columns: Mapping[str, str], join: Mapping[str, str | Sequence[str]]
) -> dict[str, list[tuple[str, ...]]]:
    """Return entity to its join keys, for entities that have some."""
    entities = _known_entities(catalog, join)
    keys = {name: [tuple(entity.keys)] for name, entity in entities.items() if _has_keys(columns, entity)}
    for name, value in join.items():
        keys[name] = [tuple(item.split(",")) for item in ([value] if isinstance(value, str) else value)]
        for column in (column for join_keys in keys[name] for column in join_keys):
            if column not in columns:
                raise SchemaError(f"join key {column!r} of {name}: no such column{nearest(column, columns)}")
        for join_keys in keys[name]:
            check_order(entities[name], join_keys, "join")
    return keys


def _has_keys(columns: Mapping[str, str], entity: Entity) -> bool:
    types = [(columns.get(key), dtype) for key, dtype in entity.keys.items()]
    return all(own == dtype or (own in INTEGERS and dtype in INTEGERS) for own, dtype in types)
