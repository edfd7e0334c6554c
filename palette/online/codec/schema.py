"""What a stored row was written as: the names and types of a group at that time, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.errors import DataError, StoreError
from palette.online.codec.conversion import UnfitRow, feature_conversion
from palette.types import INTEGERS, widens

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["Schema"]

Row: TypeAlias = "tuple[Any, ...]"
Convert: TypeAlias = "Callable[[Any], Any]"


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

    def reading(self, written: Schema) -> Callable[[Row], Row] | None:
        """Return a function from rows of another schema of the group to rows of this one.

        Features are matched by name. One that was widened since, or whose wider values fit, keeps its value; one that
        the row lacks, or has with an unrelated type, is null; a created time that another column held is null. Of a
        row whose keys or event time are others nothing is left: then the answer itself is None.
        """
        if not self._follows(written):
            return None
        types = dict(written.features)
        fields = [_field(self.group, name, types, dtype) for name, dtype in self.features]
        same_created = self.created == written.created
        if any(convert for _, convert in fields):
            return lambda row: _converted(row, fields, same_created=same_created)
        places = [place for place, _ in fields]
        get = tuple.__getitem__

        def read(row: Row) -> Row:
            values = [None if place is None else get(row, place) for place in places]
            return (row[0], row[1] if same_created else None, *values)

        return read

    def unrelated(self, written: Schema) -> list[str]:
        """Return the features whose types in two schemas have nothing to do with each other."""
        types = dict(written.features)
        return [name for name, dtype in self.features if name in types and not _related(types[name], dtype)]

    def _follows(self, written: Schema) -> bool:
        same = (self.group, self.timestamp, len(self.keys)) == (written.group, written.timestamp, len(written.keys))
        # Integers of all widths are the same bytes.
        return same and all(
            own == other or (own[0] == other[0] and own[1] in INTEGERS and other[1] in INTEGERS)
            for own, other in zip(self.keys, written.keys, strict=True)
        )


def _related(found: str, wanted: str) -> bool:
    return widens(found, wanted) or widens(wanted, found)


def _field(group: str, name: str, types: Mapping[str, str], dtype: str) -> tuple[int | None, Convert | None]:
    """Return where rows of other types hold a feature, and what makes it a value of this type."""
    found = types.get(name)
    if found is None or not _related(found, dtype):
        return None, None
    return 2 + list(types).index(name), feature_conversion(group, name, found, dtype)


def _converted(row: Row, fields: Sequence[tuple[int | None, Convert | None]], *, same_created: bool) -> Row:
    values: list[Any] = [row[0], row[1] if same_created else None]
    faults: dict[int, str] = {}
    for place, convert in fields:
        value = None if place is None else tuple.__getitem__(row, place)
        if convert is not None:
            try:
                value = convert(value)
            except DataError as error:
                faults[len(values)] = str(error)
        values.append(value)
    return UnfitRow.of(values, faults) if faults else tuple(values)
