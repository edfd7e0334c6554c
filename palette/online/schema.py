"""What a stored row was written as: the names and types of a group at that time, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from palette.errors import StoreError

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["Schema"]


@dataclass(frozen=True)
class Schema:
    """Names and types of one definition of a feature group.

    Parameters
    ----------
    group : str
        ``entity:group``.
    keys, features : tuple of (name, type)
        In declared order.
    timestamp, created : str or None
        Columns of the times.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> schema = Schema.of(Entity("restaurant", keys={"id": "string"}), menu)
    >>> schema.text
    '["restaurant:menu", [["id", "string"]], null, null, [["dishes", "bigint"]]]'
    >>> Schema.parse(schema.text) == schema
    True
    """

    group: str
    keys: tuple[tuple[str, str], ...]
    timestamp: str | None
    created: str | None
    features: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, entity: Entity, group: FeatureGroup) -> Schema:
        """Return the schema of a definition."""
        features = tuple((feature.name, feature.dtype) for feature in group.features)
        return cls(group.full_name, tuple(entity.keys.items()), group.timestamp, group.created, features)

    @classmethod
    def parse(cls, text: str) -> Schema:
        """Return the schema that :attr:`text` says.

        Raises
        ------
        StoreError
            If the text says none.
        """
        try:
            group, keys, timestamp, created, features = json.loads(text)
            pairs = [tuple((str(name), str(dtype)) for name, dtype in found) for found in (keys, features)]
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"the store's note of a schema is damaged: {text!r:.80}") from error
        return cls(group, pairs[0], timestamp, created, pairs[1])

    @cached_property
    def text(self) -> str:
        """The schema as JSON, always the same."""
        return json.dumps([self.group, self.keys, self.timestamp, self.created, self.features])

    @cached_property
    def fingerprint(self) -> bytes:
        """Six bytes that stand before each row."""
        return hashlib.blake2b(self.text.encode(), digest_size=6).digest()

    @property
    def as_they_come(self) -> bool:
        """Whether rows have no times, so that each replaces the one before."""
        return self.timestamp is None and self.created is None

    def places(self, older: Schema) -> tuple[int | None, ...] | None:
        """Return where a row of ``older`` holds each feature of this one; None where it lacks it.

        Of a row whose keys, times or types are others nothing is left: then the answer itself is None.
        """
        types = dict(older.features)
        same = (older.group, older.keys, older.timestamp, older.created)
        if same != (self.group, self.keys, self.timestamp, self.created):
            return None
        if any(types.get(name, dtype) != dtype for name, dtype in self.features):
            return None
        names = list(types)
        return tuple(2 + names.index(name) if name in types else None for name, _ in self.features)
