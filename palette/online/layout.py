"""The layout of packed rows: keys checked, rows packed and unpacked, answers of reads."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dsl.compilers.generated import define
from palette.errors import ArgumentError, DataError, nearest
from palette.online.codec.schema import StoredSchema
from palette.times import EPOCH, to_micros
from palette.types import INTEGERS, check_value

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup, GroupSchema

__all__ = ["STATIC", "Request", "Row", "RowLayout", "key_list", "key_lists"]

# A feature group's full name and a key; a packed row.
Request: TypeAlias = "tuple[str, Any]"
Row: TypeAlias = "tuple[Any, ...]"

# The event time of a static row: later than every timestamp, so that no ttl ever reaches it.
STATIC = 1 << 62
PROBE_VALUES: dict[str, Any] = {
    "string": "",
    "boolean": False,
    "timestamp": EPOCH,
    "date": EPOCH.date(),
}


class RowLayout:
    """Keys and packed rows of one feature group.

    A packed row is a tuple ``(event, created, *features)``: times in microseconds (``STATIC`` and ``None`` where there
    is none), features in the group's order. A key is the key value, or a tuple of them for a composite entity.

    Parameters
    ----------
    schema : GroupSchema
        Declares the key columns, the features with their types, the times and the ttl.

    Attributes
    ----------
    stored : StoredSchema
        Names and types of the columns, as stores record them.
    """

    def __init__(self, schema: GroupSchema) -> None:
        self.schema = schema
        self.entity = schema.entity
        self.group = schema.group
        self.stored = StoredSchema.from_definitions(schema)
        self._features = list(schema.features.items())
        # What every answer needs, made once.
        self._columns = _column_function(schema.group)
        self._blank = dict.fromkeys(schema.group.readable)
        self._age = schema.ttl_micros
        self._string_key = list(schema.keys.values()) == ["string"]

    @property
    def name(self) -> str:
        """``entity:group``."""
        return self.stored.group

    def lookup_keys(self, keys: Iterable[Any]) -> list[Any]:
        """Return the keys of a read as rows have them; see :meth:`lookup_key`.

        Raises
        ------
        ArgumentError
            If it is one key, not a list of keys.
        DataError
            If a part of a key has another type than the entity declares.
        """
        listed = key_list(keys, self.name)
        if self._string_key and {key.__class__ for key in listed} == {str}:
            return listed
        return [self.lookup_key(key) for key in listed]

    def lookup_key(self, key: Any) -> Any:
        """Return a key as :meth:`key` does; an integer may be wider than the entity's: no row has such a key."""
        return self._checked_key(key, any_width=True)

    def key(self, key: Any) -> Any:
        """Return a key as rows have it, from a value, a sequence or a mapping of key columns.

        Raises
        ------
        DataError
            If a part has another type than the entity declares.
        """
        return self._checked_key(key, any_width=False)

    def _checked_key(self, key: Any, *, any_width: bool) -> Any:
        if self._string_key and key.__class__ is str:
            return key
        columns = self.entity.keys
        if isinstance(key, Mapping):
            parts: Sequence[Any] = [key.get(column) for column in columns]
        elif len(columns) == 1:
            parts = [key]
        else:
            parts = list(key) if isinstance(key, (tuple, list)) else [key]
        if len(parts) != len(columns):
            raise DataError(f"{self.name}: a key has the parts {', '.join(columns)}, found {key!r}")
        checked = tuple(
            check_value(part, "bigint" if any_width and dtype in INTEGERS else dtype, f"{self.name}: key {column!r}")
            for part, (column, dtype) in zip(parts, columns.items(), strict=True)
        )
        return checked[0] if len(columns) == 1 else checked

    @property
    def probe_key(self) -> Any:
        """Some key of the right type, to check that a store answers."""
        parts = tuple(PROBE_VALUES.get(dtype, 0) for dtype in self.entity.keys.values())
        return parts[0] if len(parts) == 1 else parts

    def pack(self, row: Mapping[str, Any], stamp: int) -> tuple[Any, Row]:
        """Return ``(key, packed row)`` of a row given by column names; ``stamp`` is created where it is absent."""
        name, group = self.name, self.group
        known = {*self.entity.keys, *group.readable}
        for column in row:
            if column not in known:
                raise DataError(f"{name}: no column {column!r}{nearest(column, known)}")
        key = self.key(row)
        if any(part is None for part in (key if isinstance(key, tuple) else (key,))):
            raise DataError(f"{name}: a row without key: {dict(row)!r:.200}")
        event, created = STATIC, None
        if group.timestamp is not None:
            time = check_value(row.get(group.timestamp), "timestamp", f"{name}: {group.timestamp!r}")
            if time is None:
                raise DataError(f"{name}: a row without event time {group.timestamp!r}: {dict(row)!r:.200}")
            event = to_micros(time)
        if group.created is not None:
            if group.created not in row:
                created = stamp
            else:
                time = check_value(row[group.created], "timestamp", f"{name}: {group.created!r}")
                created = None if time is None else to_micros(time)
        try:
            values = [check_value(row.get(feature), dtype, f"{name}: {feature!r}") for feature, dtype in self._features]
        except DataError as error:
            raise DataError(f"{error} (key {key!r:.80})") from error
        return key, (event, created, *values)

    def unpack(self, row: Row) -> dict[str, Any]:
        """Return a packed row as columns: the features, then the timestamp and created columns."""
        return self._columns(*row)

    def answer(self, row: Row | None, now: int, *, status: bool = False) -> dict[str, Any]:
        """Return the values of a packed row at ``now`` (microseconds); all ``None`` where missing or expired."""
        return self.answers((row,), now, status=status)[0]

    def answers(self, rows: Iterable[Row | None], now: int, *, status: bool = False) -> list[dict[str, Any]]:
        """Return the values of packed rows at ``now`` (microseconds), as :meth:`answer` does."""
        if status:
            return [self._with_status(row, now) for row in rows]
        columns, blank = self._columns, self._blank
        if self._age is None:
            return [blank.copy() if row is None else columns(*row) for row in rows]
        oldest = now - self._age
        return [blank.copy() if row is None or row[0] < oldest else columns(*row) for row in rows]

    def _with_status(self, row: Row | None, now: int) -> dict[str, Any]:
        (values,) = self.answers((row,), now)
        expired = row is not None and self._age is not None and row[0] < now - self._age
        absent = "missing" if row is None else "expired" if expired else "null"
        statuses = {f"{name}__status": absent if value is None else "present" for name, value in values.items()}
        return values | statuses


def key_list(keys: Iterable[Any], group: str) -> list[Any]:
    """Return the keys of a group as a list.

    Raises
    ------
    ArgumentError
        If it is one key, whose letters or columns would be read as keys, or a frame.

    Examples
    --------
    >>> key_list("N14228", "plane:facts")
    Traceback (most recent call last):
    palette.errors.ArgumentError: plane:facts: keys is a list of keys, found the string 'N14228': put it into brackets
    """
    what = f"{type(keys).__name__} {keys!r:.80}: put it into brackets"
    if isinstance(keys, (str, bytes)):
        what = f"the string {keys!r:.80}: put it into brackets"
    elif isinstance(keys, Mapping):
        what = "a mapping: put it into brackets"
    elif hasattr(keys, "columns"):
        what = f"a {type(keys).__module__} frame"
    else:
        with contextlib.suppress(TypeError):
            return list(keys)
    raise ArgumentError(f"{group}: keys is a list of keys, found {what}")


def key_lists(keys: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return the keys of each group as a list.

    Raises
    ------
    ArgumentError
        If it is not a mapping of groups to lists of keys.
    """
    if not isinstance(keys, Mapping):
        raise ArgumentError(f"a read takes {{'entity:group': [keys]}}, found {type(keys).__name__} {keys!r:.80}")
    return {group: key_list(some, group) for group, some in keys.items()}


def _column_function(group: FeatureGroup) -> Callable[..., dict[str, Any]]:
    """Return a function from a packed row to columns: the features, then the timestamp and created columns."""
    names = [feature.name for feature in group.features]
    constants: dict[str, Any] = {f"n{index}": name for index, name in enumerate(names)}
    constants |= {"timestamp": group.timestamp, "created": group.created, "epoch": EPOCH, "delta": dt.timedelta}
    pairs = [f"n{index}: v{index}" for index in range(len(names))]
    if group.timestamp is not None:
        pairs.append("timestamp: epoch + delta(0, 0, event)")
    if group.created is not None:
        pairs.append("created: None if written is None else epoch + delta(0, 0, written)")
    values = [f"v{index}" for index in range(len(names))]
    return define("columns", ["event", "written", *values], [f"return {{{', '.join(pairs)}}}"], constants)
