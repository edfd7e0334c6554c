"""A store that is not in this process's memory: asked for many rows at once, within a time budget."""

from __future__ import annotations

import datetime as dt
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from palette.errors import DataError, SchemaError, StoreError
from palette.online.features import FeatureRequest
from palette.online.reader import AHEAD, OnlineReader, listed_requests, packed_rows
from palette.online.table import GroupTable, newer, not_older
from palette.times import resolve_now, to_datetime

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup
    from palette.definitions.expressions import Features
    from palette.online.features import FeatureRows
    from palette.online.memory import MemoryStore
    from palette.online.snapshot.snapshot import Snapshot

__all__ = ["Definitions", "RemoteReader", "RemoteTable", "Request", "Row", "fill", "newest"]

Definitions: TypeAlias = "Callable[[str], tuple[Entity, FeatureGroup]]"
Request = tuple[str, Any]
Row = tuple[Any, ...]


class RemoteReader(OnlineReader):
    """The newest row of every key, kept elsewhere.

    A store of your own has three methods: :meth:`fetch`, :meth:`put`, :meth:`delete`; and :meth:`fetch_async` where a
    thread is not good enough, :meth:`replace` and :meth:`retain` for ``materialize(full_refresh=True)``. Rows are the
    packed tuples of :class:`palette.online.GroupTable`, keys what its ``key`` returns; both as :meth:`table` has them,
    and not as the definitions are by now, which may have changed since. ``palette.online.testing.check_store`` proves
    such a store.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._shapes: dict[str, RemoteTable] = {}
        self._lock = threading.RLock()

    # --- what a store does

    @abstractmethod
    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return the packed row of each (full name of a group, key), all in one round trip.

        Parameters
        ----------
        requests : sequence of (str, key)
            A key that is None, or has a part that is None, has no row; nobody is asked for it.
        budget : float, optional
            Seconds that it may take.

        Raises
        ------
        StoreTimeoutError
            If it took longer.
        StoreError
            If the store cannot be reached, refuses, or holds something that cannot be read.
        """

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Do as :meth:`fetch` does, without holding up the event loop."""
        import asyncio  # heavy, and most processes never wait for anything

        return await asyncio.to_thread(self.fetch, requests, budget)

    @abstractmethod
    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> int:
        """Put packed rows, never an older one over a newer one, each atomically; return how many are now the newest.

        The order is that of :meth:`palette.online.GroupTable.put`: event, created, values; of ``settled`` rows event
        and created only. Of several rows of a key the winner counts.
        """

    @abstractmethod
    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a moment; return how many rows are gone.

        A row written later stays dead unless its event time (in a static group its created time) is after that
        moment. A static row without created time is just removed.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable
            Values, or tuples or mappings for composite keys; ``self.table(group).asked(keys)`` checks them.
        at : datetime, optional
            Naive is UTC; default this moment.
        """

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows, one a key, in the place of whatever is known of their keys: newer rows, and deletions.

        With :meth:`retain` it makes a group equal to a table, whatever was there.

        Returns
        -------
        int
            How many keys have these rows now.

        Raises
        ------
        StoreError
            If the store has no such method of its own: by ``put`` and ``delete`` alone nothing older comes back.
        """
        del packed
        raise self._cannot_replace(group)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys, without a deletion being known: what is written later is taken.

        Keys without a row, which were deleted, are left as they are.

        Returns
        -------
        int
            How many rows are gone.

        Raises
        ------
        StoreError
            If the store has no such method of its own.
        """
        del keys
        raise self._cannot_replace(group)

    @property
    def can_replace(self) -> bool:
        """Whether the store has :meth:`replace` and :meth:`retain`."""
        return type(self).replace is not RemoteReader.replace and type(self).retain is not RemoteReader.retain

    def _cannot_replace(self, group: str) -> StoreError:
        return StoreError(
            f"{group}: a {type(self).__name__} cannot take rows back: give it the methods replace and retain, see "
            "palette.online.RemoteReader"
        )

    def close(self) -> None:
        """Let go of connections and files; the store may be used again."""

    # --- what follows from it

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name."""
        return self._definitions(group)

    def table(self, group: str) -> GroupTable:
        """Return a table that knows the keys and features of a group, and asks the store for each row.

        Rows that :meth:`fetch` returns have the layout of this table until :attr:`generation` changes.
        Ask for many rows with :meth:`fetch` or :meth:`read`.
        """
        found = self._shapes.get(group)
        if found is not None and _same(found, self.definitions(group)):
            return found
        with self._lock:
            definitions = self.definitions(group)
            found = self._shapes.get(group)
            if found is None or not _same(found, definitions):
                # First the number: if it is the same before and after a fetch, so is the layout of the rows.
                self.generation += found is not None
                self._forget(group)
                found = self._shapes[group] = RemoteTable(self, *definitions)
        return found

    def _forget(self, group: str) -> None:
        """Drop what was prepared for a group, whose definition changed; called with the lock held."""

    def _put(self, table: GroupTable, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        """Put rows that were packed by a table, which may be one of before the definition changed."""
        name, current = table.group.full_name, self.table(table.group.full_name)
        if (current.entity, current.group) != (table.entity, table.group):
            reading = current.schema.reading(table.schema)
            if reading is None:
                raise SchemaError(f"{name}: its keys or event time have changed since these rows were packed")
            packed = [(key, reading(row)) for key, row in packed]
        return self.put(name, packed, settled=settled)

    def refresh(self) -> None:
        """Take up definitions that changed; a group that was removed is unknown from then on."""
        for group in list(self._shapes):
            try:
                self.table(group)
            except KeyError:
                with self._lock:
                    self.generation += 1
                    self._forget(group)
                    self._shapes.pop(group, None)

    def write(
        self,
        group: str | FeatureGroup,
        rows: Iterable[Mapping[str, Any]],
        *,
        ahead: dt.timedelta | None = AHEAD,
    ) -> int:
        """Write rows; an older row never replaces a newer one.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        rows : iterable of mappings
            Key columns, event time and features by name; absent features are null; an absent created is now.
        ahead : timedelta, optional
            How far the event time (in a static group the created time) may be ahead of this clock; None: any time.

        Returns
        -------
        int
            How many rows are now the newest of their key.

        Raises
        ------
        DataError
            If a row lacks its key or event time, is too far ahead of the clock, or a value has the wrong type; then
            nothing is written.
        StoreError
            If the store fails; then any of the rows may have been written, and writing them again does no harm.
        """
        table = self.table(group if isinstance(group, str) else group.full_name)
        return table.put(packed_rows(table, rows, ahead))

    def read(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys in one round trip; ``budget`` is the seconds that it may take.

        See :meth:`palette.online.OnlineReader.read`.
        """
        at, requested = resolve_now(now), listed_requests(keys)
        while True:
            generation, wanted = self.generation, self._wanted(requested)
            rows = self.fetch(_requests(wanted), budget)
            # Else a definition changed meanwhile: tables and rows may be of two.
            if generation == self.generation:
                return _answers(wanted, rows, at, status=status)

    async def read_async(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Do as :meth:`read` does, without holding up the event loop."""
        at, requested = resolve_now(now), listed_requests(keys)
        while True:
            generation, wanted = self.generation, self._wanted(requested)
            rows = await self.fetch_async(_requests(wanted), budget)
            if generation == self.generation:
                return _answers(wanted, rows, at, status=status)

    def features(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> FeatureRows:
        """Look features up for rows in one round trip; ``budget`` is the seconds that it may take.

        See :meth:`palette.online.OnlineReader.features`.
        """
        at, listed = resolve_now(now), list(rows) if isinstance(rows, Iterator) else rows
        while True:
            generation, (request, keys, wanted) = self.generation, self._asked(features, listed, status=status)
            found = self.fetch(wanted, budget) if wanted else ()
            # Else a definition changed meanwhile: tables and rows may be of two.
            if generation == self.generation:
                return request.answer(keys, dict(zip(wanted, found, strict=True)), at)

    async def features_async(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> FeatureRows:
        """Do as :meth:`features` does, without holding up the event loop."""
        at, listed = resolve_now(now), list(rows) if isinstance(rows, Iterator) else rows
        while True:
            generation, (request, keys, wanted) = self.generation, self._asked(features, listed, status=status)
            found = await self.fetch_async(wanted, budget) if wanted else ()
            if generation == self.generation:
                return request.answer(keys, dict(zip(wanted, found, strict=True)), at)

    def _asked(
        self, features: Features, rows: Iterable[Mapping[str, Any]], *, status: bool
    ) -> tuple[FeatureRequest, list[list[Any]], list[Request]]:
        request = FeatureRequest(self.table, features, status=status)
        keys = request.keys(rows)
        return request, keys, list(request.requests(keys))

    def _wanted(self, keys: Mapping[str, Iterable[Any]]) -> dict[str, tuple[GroupTable, list[Any]]]:
        tables = {group: self.table(group) for group in keys}
        return {group: (tables[group], tables[group].asked(wanted)) for group, wanted in keys.items()}


def _requests(wanted: Mapping[str, tuple[GroupTable, list[Any]]]) -> list[Request]:
    return [(group, key) for group, (_, found) in wanted.items() for key in found]


def _same(table: GroupTable, definitions: tuple[Entity, FeatureGroup]) -> bool:
    entity, group = definitions
    if table.entity is entity and table.group is group:
        return True
    return (table.entity, table.group) == definitions


def _answers(
    wanted: Mapping[str, tuple[GroupTable, list[Any]]], rows: Sequence[Row | None], at: int, *, status: bool
) -> dict[str, list[dict[str, Any]]]:
    answers, start = {}, 0
    for group, (table, keys) in wanted.items():
        found = rows[start : start + len(keys)]
        start += len(keys)
        answers[group] = [table.answer(row, at, status=True) for row in found] if status else table.answers(found, at)
    return answers


def newest(packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> dict[Any, Row]:
    """Return the row of each key that wins over the others.

    Examples
    --------
    >>> newest([("a", (2, None, 1.0)), ("a", (1, None, 9.0))])
    {'a': (2, None, 1.0)}
    """
    found: dict[Any, Row] = {}
    wins = not_older if settled else newer
    for key, row in packed:
        old = found.get(key)
        if old is None or wins(row, old):
            found[key] = row
    return found


def fill(store: RemoteReader | MemoryStore, snapshot: Snapshot) -> int:
    """Put all rows of a snapshot into a store; newer rows there stay.

    Parameters
    ----------
    store : MemoryStore or RemoteReader
        Knows the definitions of the snapshot's groups.
    snapshot : Snapshot
        Its rows are settled: among rows of the same times they win.

    Returns
    -------
    int
        How many rows are now the newest of their key.

    Raises
    ------
    SchemaError
        If the store's definition of a group has other keys, times, or types.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> from palette.online import MemoryStore, Snapshot
    >>> menu = FeatureGroup("menu", entity="r", features=[Feature("dishes", "bigint")])
    >>> here, there = (MemoryStore({"r:menu": (Entity("r", keys={"id": "string"}), menu)}.__getitem__) for _ in "12")
    >>> here.write(menu, [{"id": "r1", "dishes": 40}])
    1
    >>> fill(there, Snapshot([here.table("r:menu")], at=dt.datetime(2026, 1, 1)))
    1
    """
    taken = 0
    for name in snapshot.groups:
        found, wanted = snapshot.table(name), store.table(name)
        if (found.entity, found.group) != (wanted.entity, wanted.group):
            here, there = (table.schema for table in (wanted, found))
            others = here.unrelated(there)
            if others or here.reading(there) is None:
                what = f"other types of {', '.join(others)}" if others else "other keys or event times"
                raise SchemaError(f"{name}: the snapshot and the store define {what}; take a new snapshot")
            found = found.redefined(wanted.entity, wanted.group)
        taken += wanted.put(found, settled=True)
    return taken


class RemoteTable(GroupTable):
    """The keys and features of a group whose rows are elsewhere, fetched one by one."""

    def __init__(self, store: RemoteReader, entity: Entity, group: FeatureGroup) -> None:
        super().__init__(entity, group)
        self._store = store
        self.rows = _RemoteRows(store, group.full_name)

    def put(self, packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> int:
        """Put rows that this table packed into the store."""
        return self._store._put(self, packed, settled=settled)

    def replace(self, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put rows into the store whatever it knows of their keys."""
        return self._store.replace(self.group.full_name, packed)

    def retain(self, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys from the store."""
        return self._store.retain(self.group.full_name, keys)

    def delete(self, keys: Iterable[Any], at: int) -> int:
        """Delete from the store."""
        return self._store.delete(self.group.full_name, keys, to_datetime(at))


class _RemoteRows(dict[Any, Row]):
    """What a plan that reads ``table.rows.get(key)`` is given: right, but one round trip a row."""

    def __init__(self, store: RemoteReader, group: str) -> None:
        super().__init__()
        self._store = store
        self._group = group

    def get(self, key: Any, default: Any = None) -> Any:
        row = self._store.fetch([(self._group, key)])[0]
        return default if row is None else row

    def _elsewhere(self, *_: Any) -> NoReturn:
        raise DataError(f"{self._group} is not in this process: its rows can be fetched by key, not counted or listed")

    __len__ = __iter__ = items = keys = values = __getitem__ = __contains__ = _elsewhere
