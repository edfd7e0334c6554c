"""JSON of definitions in the tables of the catalog."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from palette.definitions import Entity, FeatureGroup
from palette.definitions.yaml.documents import from_plain, to_plain
from palette.errors import CatalogError, DefinitionError

__all__ = ["chunks", "entity_from_json", "group_from_json", "parse_json", "to_json"]

# Databases limit the number of values in a statement.
CHUNK = 500


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield names in lists that fit into one statement.

    Examples
    --------
    >>> list(chunks(["a", "b"]))
    [['a', 'b']]
    """
    rest = iter(names)
    while chunk := list(itertools.islice(rest, CHUNK)):
        yield chunk


def to_json(definition: Entity | FeatureGroup) -> str:
    """Return the JSON of a definition; equal definitions have equal JSON."""
    return json.dumps(to_plain(definition), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def parse_json(text: Any, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """Return the mapping or list of a JSON column.

    Raises
    ------
    CatalogError
        If the column contains something else, which palette did not write.
    """
    try:
        value = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise CatalogError(f"corrupt catalog row {text!r:.80}: {error}") from error
    if not isinstance(value, kind):
        raise CatalogError(f"corrupt catalog row {text!r:.80}")
    return value


def entity_from_json(text: str) -> Entity:
    """Return the entity that :func:`to_json` wrote."""
    entity = _parse_definition(text, "entities")
    assert isinstance(entity, Entity)
    return entity


def group_from_json(text: str) -> FeatureGroup:
    """Return the feature group that :func:`to_json` wrote."""
    group = _parse_definition(text, "feature_groups")
    assert isinstance(group, FeatureGroup)
    return group


def _parse_definition(text: str, section: str) -> Entity | FeatureGroup:
    try:
        return from_plain(parse_json(text, dict), section)
    except DefinitionError as error:
        raise CatalogError(f"corrupt definition in the catalog: {error}") from error
