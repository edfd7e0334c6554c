"""The schema of stored rows: the names and types of a group when they were written, and their fingerprint."""

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
    from palette.definitions import GroupSchema

__all__ = ["StoredSchema"]

Row: TypeAlias = "tuple[Any, ...]"
Convert: TypeAlias = "Callable[[Any], Any]"


@dataclass(frozen=True)
class StoredSchema:
    """Names and types of one definition of a feature group, as stores record them next to the rows.

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
    >>> from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> stored = StoredSchema.from_definitions(GroupSchema(Entity("restaurant", keys={"id": "string"}), menu))
    >>> stored.json
    '["restaurant:menu", [["id", "string"]], null, null, [["dishes", "bigint"]]]'
    >>> StoredSchema.parse(stored.json) == stored
    True
    """

    group: str
    keys: tuple[tuple[str, str], ...]
    timestamp: str | None
    created: str | None
    features: tuple[tuple[str, str], ...]

    @classmethod
    def from_definitions(cls, schema: GroupSchema) -> StoredSchema:
        """Return the stored schema of a definition."""
        keys, features = tuple(schema.keys.items()), tuple(schema.features.items())
        return cls(schema.name, keys, schema.timestamp, schema.created, features)

    @classmethod
    def parse(cls, record: str) -> StoredSchema:
        """Return the schema of its :attr:`json`.

        Raises
        ------
        StoreError
            If it is not the JSON of a schema.
        """
        try:
            group, keys, timestamp, created, features = json.loads(record)
            pairs = [tuple((str(name), str(dtype)) for name, dtype in columns) for columns in (keys, features)]
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"damaged schema record in the store: {record!r:.80}") from error
        return cls(group, pairs[0], timestamp, created, pairs[1])

    @cached_property
    def json(self) -> str:
        """The schema as JSON, always the same."""
        return json.dumps([self.group, self.keys, self.timestamp, self.created, self.features])

    @cached_property
    def fingerprint(self) -> bytes:
        """Six bytes at the head of each row."""
        return hashlib.blake2b(self.json.encode(), digest_size=6).digest()

    @property
    def without_times(self) -> bool:
        """Whether rows have no times, so that each replaces the one before."""
        return self.timestamp is None and self.created is None

    def reader_of(self, written: StoredSchema) -> Callable[[Row], Row] | None:
        """Return a function from rows of another schema of the group to rows of this one.

        Features are matched by name. One that was widened since, or whose wider values fit, keeps its value; one that
        the row lacks, or has with an unrelated type, is null; a created time that another column held is null. Rows
        with other keys or another event time cannot be read: then there is no function.
        """
        if not self._follows(written):
            return None
        types = dict(written.features)
        fields = [_field(self.group, name, types, dtype) for name, dtype in self.features]
        same_created = self.created == written.created
        if any(convert for _, convert in fields):
            return lambda row: _convert(row, fields, same_created=same_created)
        positions = [position for position, _ in fields]
        get = tuple.__getitem__

        def read(row: Row) -> Row:
            values = [None if position is None else get(row, position) for position in positions]
            return (row[0], row[1] if same_created else None, *values)

        return read

    def unrelated(self, written: StoredSchema) -> list[str]:
        """Return the features of which neither type widens to the other."""
        types = dict(written.features)
        return [name for name, dtype in self.features if name in types and not _related(types[name], dtype)]

    def _follows(self, written: StoredSchema) -> bool:
        same = (self.group, self.timestamp, len(self.keys)) == (written.group, written.timestamp, len(written.keys))
        # Integers of all widths are the same bytes.
        return same and all(
            own == other or (own[0] == other[0] and own[1] in INTEGERS and other[1] in INTEGERS)
            for own, other in zip(self.keys, written.keys, strict=True)
        )


def _related(written: str, read: str) -> bool:
    return widens(written, read) or widens(read, written)


def _field(group: str, name: str, types: Mapping[str, str], dtype: str) -> tuple[int | None, Convert | None]:
    """Return the position of a feature in rows of other types, and the conversion of its values to this type."""
    written = types.get(name)
    if written is None or not _related(written, dtype):
        return None, None
    return 2 + list(types).index(name), feature_conversion(group, name, written, dtype)


def _convert(row: Row, fields: Sequence[tuple[int | None, Convert | None]], *, same_created: bool) -> Row:
    values: list[Any] = [row[0], row[1] if same_created else None]
    faults: dict[int, str] = {}
    for position, convert in fields:
        value = None if position is None else tuple.__getitem__(row, position)
        if convert is not None:
            try:
                value = convert(value)
            except DataError as error:
                faults[len(values)] = str(error)
        values.append(value)
    return UnfitRow.of(values, faults) if faults else tuple(values)
