"""Which features a question about many means: ``*`` for the features of a group, or for all that suit a basis."""

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
    """A feature that is asked about.

    Parameters
    ----------
    ref : FeatureRef or BasisRef
        Its expression.
    named : bool
        Whether somebody named it; else it was found, and may be left out where it cannot be read.
    deprecated : str, optional
        Why it should not be used any more, of one that was found.
    """

    ref: FeatureRef | BasisRef
    named: bool
    deprecated: str | None = None


def candidates(
    catalog: SqlCatalog,
    columns: Mapping[str, str],
    wanted: Sequence[str] | None = None,
    join: Mapping[str, str | Sequence[str]] | None = None,
) -> list[Candidate]:
    """Return the features that are meant, each once.

    Parameters
    ----------
    catalog : SqlCatalog
        Knows the features.
    columns : mapping of str to str
        The columns of the basis with their types.
    wanted : sequence of str, optional
        Expressions; ``entity:group:*:join_key`` for all features of a group, ``basis:*`` for all columns of the basis,
        ``*`` for all features of all entities that have a join key, which is meant by None, too.
    join : mapping of str to str, optional
        Entity to its join key, for ``*``: ``"r_id"``, of a composite key ``"origin,dest"``; several in a list. Other
        entities are joined by the columns that are called and typed like their keys.

    Raises
    ------
    RefError, FeatureNotFoundError, SchemaError, ArgumentError
        If a name is malformed or unknown, or nothing is meant.
    """
    if isinstance(wanted, str):
        raise ArgumentError(f"candidates: expected a list of names, found {wanted!r}")
    keys = _join_keys(catalog, columns, join or {})
    found: dict[str, Candidate] = {}
    for name in ("*",) if wanted is None else wanted:
        for one in _meant(catalog, columns, keys, name):
            if one.named or one.ref.name not in found:
                found[one.ref.name] = one
    if not found:
        remedy = (
            "name columns of the basis for their keys (join={'restaurant': 'r_id'})" if wanted is None else "name some"
        )
        raise ArgumentError(f"there are no candidates: {remedy}")
    return list(found.values())


def check_names(catalog: SqlCatalog, wanted: Sequence[str], join: Mapping[str, str | Sequence[str]]) -> None:
    """Refuse names that are malformed or unknown, and wrong join keys, as far as can be told without a basis.

    Raises
    ------
    RefError, FeatureNotFoundError, SchemaError
        If there are some, or join keys are in another order than their entity's keys.
    """
    for name in wanted:
        if name in EVERYTHING:
            continue
        for ref in expand(name, catalog.definitions.group):
            if isinstance(ref, FeatureRef):
                catalog.definitions.group(f"{ref.entity}:{ref.group}").feature(ref.feature)
                check_join_keys(ref, catalog.definitions.entity(ref.entity))
    entities = _known_entities(catalog, join)
    for name, texts in join.items():
        for text in [texts] if isinstance(texts, str) else texts:
            check_order(entities[name], text.split(","), "join")


def _known_entities(catalog: SqlCatalog, names: Iterable[str]) -> Mapping[str, Entity]:
    entities = catalog.definitions.entities()
    for name in names:
        if name not in entities:
            raise FeatureNotFoundError(f"join: there is no entity {name!r}{nearest(name, entities)}")
    return entities


def _meant(
    catalog: SqlCatalog, columns: Mapping[str, str], keys: Mapping[str, list[tuple[str, ...]]], name: str
) -> Iterator[Candidate]:
    if name == "*":
        for group in catalog.definitions.groups().values():
            for join_keys in keys.get(group.entity, ()):
                yield from _all(catalog, f"{group.full_name}:*:{','.join(join_keys)}")
    elif name in EVERYTHING:
        for column in columns:
            yield Candidate(BasisRef(column), named=False)
    elif wildcard(name):
        yield from _all(catalog, name)
    else:
        ref = parse_ref(name)
        if isinstance(ref, BasisRef) and ref.column not in columns:
            raise SchemaError(f"{ref.name!r}: the basis has no such column{nearest(ref.column, columns)}")
        yield Candidate(ref, named=True)


def _all(catalog: SqlCatalog, name: str) -> Iterator[Candidate]:
    for ref in expand(name, catalog.definitions.group):
        assert isinstance(ref, FeatureRef)
        deprecated = catalog.definitions.deprecated(f"{ref.entity}:{ref.group}:{ref.feature}")
        yield Candidate(ref, named=False, deprecated=deprecated)


def _join_keys(
    catalog: SqlCatalog, columns: Mapping[str, str], join: Mapping[str, str | Sequence[str]]
) -> dict[str, list[tuple[str, ...]]]:
    """Return the join keys of each entity that has some."""
    entities = _known_entities(catalog, join)
    keys = {name: [tuple(entity.keys)] for name, entity in entities.items() if _suits(entity, columns)}
    for name, texts in join.items():
        keys[name] = [tuple(text.split(",")) for text in ([texts] if isinstance(texts, str) else texts)]
        for column in (column for one in keys[name] for column in one):
            if column not in columns:
                raise SchemaError(f"join key {column!r} of {name}: no such column{nearest(column, columns)}")
        for join_keys in keys[name]:
            check_order(entities[name], join_keys, "join")
    return keys


def _suits(entity: Entity, columns: Mapping[str, str]) -> bool:
    found = [(columns.get(key), dtype) for key, dtype in entity.keys.items()]
    return all(one == dtype or (one in INTEGERS and dtype in INTEGERS) for one, dtype in found)
