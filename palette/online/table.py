"""The newest row of every key of one feature group, in memory."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.compilers.generated import define
from palette.errors import DataError, nearest
from palette.online.codec.schema import Schema
from palette.times import EPOCH, MICROSECOND, to_micros
from palette.types import INTEGERS, check_value

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["STATIC", "GroupTable", "key_list", "newer", "not_older"]

# The event time of a static row: after every moment, so that no ttl ever reaches it.
STATIC = 1 << 62


class GroupTable:
    """Rows of one feature group, one a key.

    A row is a tuple ``(event, created, *features)``: times in microseconds (``STATIC`` and ``None`` where there is
    none), features in the group's order. A key is the key value, or a tuple of them for a composite entity.

    Parameters
    ----------
    entity : Entity
        Says the key columns.
    group : FeatureGroup
        Says the features, their types and the ttl.
    """

    def __init__(self, entity: Entity, group: FeatureGroup) -> None:
        self.entity = entity
        self.group = group
        self.rows: dict[Any, tuple[Any, ...]] = {}
        # Key to the event and created time up to which it was deleted.
        self._dead: dict[Any, tuple[int, int | None]] = {}
        self._lock = threading.Lock()
        self._features = [(feature.name, feature.dtype) for feature in group.features]
        # What every answer needs, made once.
        self._columns = _columns_of(group)
        self._blank = dict.fromkeys(group.readable)
        self._age = None if group.ttl is None else group.ttl // MICROSECOND
        self.schema = Schema.of(entity, group)
        self._text_key = list(entity.keys.values()) == ["string"]

    def __len__(self) -> int:
        return len(self.rows)

    def asked(self, keys: Iterable[Any]) -> list[Any]:
        """Return keys that are asked for as the table holds them; see :meth:`key`.

        Raises
        ------
        DataError
            If it is one key, not a list of keys, or a part of one is of another type than the entity declares.
        """
        found = key_list(keys, self.group.full_name)
        if self._text_key and {key.__class__ for key in found} == {str}:
            return found
        return [self.key(key, asked=True) for key in found]

    def key(self, key: Any, *, asked: bool = False) -> Any:
        """Return a key as the table holds it, from a value, a sequence or a mapping of key columns.

        With ``asked`` an integer may be wider than the entity's: no row has such a key.

        Raises
        ------
        DataError
            If a part is of another type than the entity declares.
        """
        if self._text_key and key.__class__ is str:
            return key
        columns = self.entity.keys
        if isinstance(key, Mapping):
            parts: Sequence[Any] = [key.get(column) for column in columns]
        elif len(columns) == 1:
            parts = [key]
        else:
            parts = list(key) if isinstance(key, (tuple, list)) else [key]
        if len(parts) != len(columns):
            raise DataError(f"{self.group.full_name}: a key has the parts {', '.join(columns)}, found {key!r}")
        checked = tuple(
            check_value(
                part, "bigint" if asked and dtype in INTEGERS else dtype, f"{self.group.full_name}: key {column!r}"
            )
            for part, (column, dtype) in zip(parts, columns.items(), strict=True)
        )
        return checked[0] if len(columns) == 1 else checked

    def pack(self, row: Mapping[str, Any], stamp: int) -> tuple[Any, tuple[Any, ...]]:
        """Return ``(key, packed row)`` of a row given by column names; ``stamp`` is created where it is absent."""
        name, group = self.group.full_name, self.group
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

    def put(self, packed: Iterable[tuple[Any, tuple[Any, ...]]], *, settled: bool = False) -> int:
        """Put packed rows, never an older one over a newer one; return how many took their place.

        Of rows with the same times the greater values win; if the rows are ``settled``, they win: they are what the
        rule picked out of all that was written. Static rows without created time replace each other as they come.
        """
        taken = 0
        with self._lock:
            rows = self.rows
            for key, row in packed:
                if self._dead and not self._raised(key, row):
                    continue
                old = rows.get(key)
                if old is None or (not_older(row, old) if settled else newer(row, old)):
                    rows[key] = row
                    taken += 1
        return taken

    def replace(self, packed: Iterable[tuple[Any, tuple[Any, ...]]]) -> int:
        """Put packed rows in the place of whatever is known of their keys; return how many keys that are."""
        rows = dict(packed)
        with self._lock:
            self.rows |= rows
            for key in rows:
                self._dead.pop(key, None)
        return len(rows)

    def retain(self, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys, without a deletion being known; return how many."""
        kept = set(keys)
        with self._lock:
            others = [key for key in self.rows if key not in kept]
            for key in others:
                del self.rows[key]
        return len(others)

    def delete(self, keys: Iterable[Any], at: int) -> int:
        """Delete what is known of keys up to ``at`` (microseconds); return how many rows are gone.

        Rows written later are dead too unless their event time is after ``at``; in a static group unless their
        created time is. A static row without created time is just removed.
        """
        gone = 0
        with self._lock:
            for key in keys:
                row = self.rows.get(key)
                if self.group.timestamp is None and self.group.created is None:
                    gone += self.rows.pop(key, None) is not None
                    continue
                stamp = (STATIC, at) if self.group.timestamp is None else (at, None)
                if row is not None and not _survives(row, stamp):
                    del self.rows[key]
                    gone += 1
                if row is None or key not in self.rows:
                    self._dead[key] = max(stamp, self._dead.get(key, stamp))
        return gone

    def _raised(self, key: Any, row: tuple[Any, ...]) -> bool:
        """Tell whether a row is newer than what was deleted of its key."""
        stamp = self._dead.get(key)
        if stamp is None:
            return True
        if not _survives(row, stamp):
            return False
        del self._dead[key]
        return True

    def unpack(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Return a packed row as columns: the features, then the timestamp and created columns."""
        return self._columns(*row)

    def read(self, key: Any, now: int, *, status: bool = False) -> dict[str, Any]:
        """Return the values of one key at ``now`` (microseconds); all ``None`` where missing or expired."""
        return self.answer(self.rows.get(self.key(key, asked=True)), now, status=status)

    def answer(self, row: tuple[Any, ...] | None, now: int, *, status: bool = False) -> dict[str, Any]:
        """Return the values of a packed row at ``now`` (microseconds), as :meth:`read` does."""
        (values,) = self.answers((row,), now)
        if not status:
            return values
        expired = row is not None and self._age is not None and row[0] < now - self._age
        absent = "missing" if row is None else "expired" if expired else "null"
        statuses = {f"{name}__status": absent if value is None else "present" for name, value in values.items()}
        return values | statuses

    def answers(self, rows: Iterable[tuple[Any, ...] | None], now: int) -> list[dict[str, Any]]:
        """Return the values of packed rows at ``now`` (microseconds), as :meth:`read` does."""
        columns, blank = self._columns, self._blank
        if self._age is None:
            return [blank.copy() if row is None else columns(*row) for row in rows]
        oldest = now - self._age
        return [blank.copy() if row is None or row[0] < oldest else columns(*row) for row in rows]

    def redefined(self, entity: Entity, group: FeatureGroup) -> GroupTable:
        """Return a table with another definition of the same group, and the values that it still has.

        They are what :meth:`palette.online.codec.schema.Schema.reading` says.
        """
        table = GroupTable(entity, group)
        if (reading := table.schema.reading(self.schema)) is not None:
            table._dead = {} if table.schema.as_they_come else dict(self._dead)
            table.rows = {key: reading(row) for key, row in self}
        return table

    def __iter__(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        return iter(list(self.rows.items()))


def key_list(keys: Iterable[Any], group: str) -> list[Any]:
    """Return the keys of a group as a list.

    Raises
    ------
    DataError
        If it is one key, whose letters or columns would be taken for keys, or a frame.

    Examples
    --------
    >>> key_list("N14228", "plane:facts")
    Traceback (most recent call last):
    palette.errors.DataError: plane:facts: keys is a list of keys, found the string 'N14228': put it into brackets
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
    raise DataError(f"{group}: keys is a list of keys, found {what}")


def _columns_of(group: FeatureGroup) -> Callable[..., dict[str, Any]]:
    """Return a function that makes columns of a packed row: the features, then the timestamp and created columns."""
    names = [feature.name for feature in group.features]
    constants: dict[str, Any] = {f"n{place}": name for place, name in enumerate(names)}
    constants |= {"timestamp": group.timestamp, "created": group.created, "epoch": EPOCH, "delta": dt.timedelta}
    pairs = [f"n{place}: v{place}" for place in range(len(names))]
    if group.timestamp is not None:
        pairs.append("timestamp: epoch + delta(0, 0, event)")
    if group.created is not None:
        pairs.append("created: None if written is None else epoch + delta(0, 0, written)")
    values = [f"v{place}" for place in range(len(names))]
    return define("columns", ["event", "written", *values], [f"return {{{', '.join(pairs)}}}"], constants)


def newer(row: tuple[Any, ...], old: tuple[Any, ...]) -> bool:
    """Tell whether ``row`` wins over ``old``: later event, later created, the greater values, 0.0 before -0.0."""
    if row[0] != old[0]:
        return bool(row[0] > old[0])
    if row[0] == STATIC and row[1] is None and old[1] is None:
        return True
    mine, its = _order(row[1:]), _order(old[1:])
    return mine > its or (mine == its and _zero_signs(row) > _zero_signs(old))


def not_older(row: tuple[Any, ...], old: tuple[Any, ...]) -> bool:
    """Tell whether a settled ``row`` wins over ``old``: it is not older by event, then by created."""
    return _order(row[:2]) >= _order(old[:2])


def _survives(row: tuple[Any, ...], stamp: tuple[int, int | None]) -> bool:
    """Tell whether a row is later than a deletion: by event, in a static group by created."""
    event, created = stamp
    if created is None:
        return bool(row[0] > event)
    return row[1] is not None and bool(row[1] > created)


def _zero_signs(row: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return what decides between rows that are equal otherwise, numbers before lists."""
    numbers = [_is_positive_zero(value) for value in row if isinstance(value, float)]
    return numbers, [[_is_positive_zero(one) for one in value] for value in row if isinstance(value, (list, tuple))]


def _is_positive_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) > 0


def _order(value: Any) -> tuple[Any, ...]:
    """Return a key that sorts as Spark does: null first, NaN last and equal to itself, lists element by element."""
    if value is None:
        return (0,)
    if isinstance(value, float):
        return (1, 1, 0.0) if math.isnan(value) else (1, 0, value)
    if isinstance(value, (list, tuple)):
        return (1, 0, tuple(_order(element) for element in value))
    return (1, 0, value)
