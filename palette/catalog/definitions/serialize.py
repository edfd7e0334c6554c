"""Definitions as the catalog's tables hold them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from palette.definitions import Entity, FeatureGroup
from palette.definitions.yaml.documents import from_plain, to_plain
from palette.errors import CatalogError, DefinitionError

__all__ = ["chunks", "entity_of", "group_of", "plain_of", "text_of"]

# Databases limit the values of one statement.
CHUNK = 500


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield names in lists that one statement can take.

    Examples
    --------
    >>> list(chunks(["a", "b"]))
    [['a', 'b']]
    """
    left = iter(names)
    while some := list(itertools.islice(left, CHUNK)):
        yield some


def text_of(definition: Entity | FeatureGroup) -> str:
    """Return the JSON text of a definition; equal definitions have equal texts."""
    return json.dumps(to_plain(definition), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def plain_of(text: Any, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """Return the mapping or list that a column holds as JSON.

    Raises
    ------
    CatalogError
        If it does not: somebody else wrote to the database.
    """
    try:
        found = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise CatalogError(f"the catalog holds what no release of palette writes, {text!r:.80}: {error}") from error
    if not isinstance(found, kind):
        raise CatalogError(f"the catalog holds what no release of palette writes, {text!r:.80}")
    return found


def entity_of(text: str) -> Entity:
    """Return the entity that :func:`text_of` wrote."""
    found = _read(text, "entities")
    assert isinstance(found, Entity)
    return found


def group_of(text: str) -> FeatureGroup:
    """Return the feature group that :func:`text_of` wrote."""
    found = _read(text, "feature_groups")
    assert isinstance(found, FeatureGroup)
    return found


def _read(text: str, section: str) -> Entity | FeatureGroup:
    try:
        return from_plain(plain_of(text, dict), section)
    except DefinitionError as error:
        raise CatalogError(f"the catalog holds a definition that is none: {error}") from error
