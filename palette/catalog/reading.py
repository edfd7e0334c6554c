"""Definitions as the catalog's tables hold them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator

from palette.definitions import Entity, FeatureGroup
from palette.definitions.documents import from_plain, to_plain
from palette.errors import DefinitionError

__all__ = ["chunks", "entity_of", "group_of", "text_of"]

# Databases limit the values of one statement.
CHUNK = 500
# As JSON writes it, after an even number of backslashes.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


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
        If it holds the character NUL or half a surrogate pair, which databases cannot keep.
    """
    text = json.dumps(to_plain(definition), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if NUL.search(text):
        raise DefinitionError(f"{definition.name!r}: a text holds the character NUL; take it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DefinitionError(f"{definition.name!r}: a text holds half a surrogate pair; take it out") from error
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
