"""Definitions as the catalog's tables hold them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator

from palette.definitions import Entity, FeatureGroup
from palette.definitions.documents import from_plain, to_plain
from palette.errors import DefinitionError

__all__ = ["chunks", "entity_of", "group_of", "text_of"]

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
    """Return the JSON text of a definition; equal definitions have equal texts.

    Raises
    ------
    DefinitionError
        If it holds the character NUL, which PostgreSQL cannot keep.
    """
    text = json.dumps(to_plain(definition), allow_nan=False, separators=(",", ":"))
    if "\\u0000" in text:
        raise DefinitionError(f"{definition.name!r}: a text holds the character NUL; take it out")
    return text


def entity_of(text: str) -> Entity:
    """Return the entity that :func:`text_of` wrote."""
    found = from_plain(json.loads(text), "entities")
    assert isinstance(found, Entity)
    return found


def group_of(text: str) -> FeatureGroup:
    """Return the feature group that :func:`text_of` wrote."""
    found = from_plain(json.loads(text), "feature_groups")
    assert isinstance(found, FeatureGroup)
    return found
