"""The interface of everything that serving reads: rows by group and key, features by expression."""

from __future__ import annotations

import datetime as dt
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from palette.errors import ArgumentError, DataError, SnapshotError
from palette.online.features import FeatureRequest
from palette.online.layout import LocalTable, Request, Row, RowLayout, key_list
from palette.times import resolve_now, to_datetime

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup, GroupSchema
    from palette.definitions.expressions import Features
    from palette.online.features import FeatureRows

__all__ = ["Definitions", "FeatureReader", "LocalReader"]

Definitions: TypeAlias = "Callable[[str], tuple[Entity, FeatureGroup]]"
T = TypeVar("T")
# Yields requests, is sent their rows, and returns the answer.
Reading: TypeAlias = "Generator[list[Request], Sequence[Row | None], T]"


class FeatureReader(ABC):
    """Something that holds the newest row of every key.

    A reader of your own has one method, :meth:`fetch`; and :meth:`fetch_async` where a thread is not good enough. It
    may answer one fetch from several stores. One that is written to as well is an :class:`palette.online.OnlineStore`;
    one whose rows are in this process is a :class:`LocalReader`, which spares them the fetch.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.

    Attributes
    ----------
    at : int or None
        The time of a snapshot in microseconds, before which it cannot be read; None for a live store.
    generation : int
        Grows before a layout is replaced by another one, so that what was prepared on it is prepared again.
    """

    at: int | None = None
    generation: int = 0

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._layouts: dict[str, RowLayout] = {}
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Raise :class:`DataError`: a store is opened where it is used."""
        raise DataError(f"a {type(self).__name__} cannot be sent to another process: open it in the worker")

    # --- what a reader does

    @abstractmethod
    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return the packed row of each (full name of a group, key), all in one round trip.

        Rows are the packed tuples of :class:`palette.online.RowLayout`, keys what its ``key`` returns; both by
        :meth:`layout`, and not by the definitions of now, which may have changed since.

        Parameters
        ----------
        requests : sequence of (str, key)
            A key that is None, or has a part that is None, has no row and is not looked up.
        budget : float, optional
            Seconds that it may take.

        Raises
        ------
        StoreTimeoutError
            If it took longer.
        StoreError
            If the store cannot be reached, rejects the read, or holds something that cannot be read.
        """

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what :meth:`fetch` returns, without blocking the event loop."""
        import asyncio  # heavy, and most processes never wait for anything

        return await asyncio.to_thread(self.fetch, requests, budget)

    def close(self) -> None:  # noqa: B027 - nothing to do for most
        """Close connections and files; the reader may be used again."""

    async def close_async(self) -> None:
        """Close connections and files, those of the running event loop too."""
        self.close()

    async def ping_async(self, budget: float) -> None:
        """Raise :class:`palette.errors.StoreError` unless it answers within ``budget`` seconds."""
        layout = next(iter(self._layouts.values()), None)
        if layout is not None:
            await self.fetch_async([(layout.name, layout.probe_key)], budget)

    # --- definitions

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name."""
        return self._definitions(group)

    def layout(self, group: str) -> RowLayout:
        """Return the layout of the rows of a group ``entity:group``, valid until :attr:`generation` changes."""
        layout = self._layouts.get(group)
        entity, definition = self.definitions(group)
        if layout is not None and layout.entity is entity and layout.group is definition:
            return layout
        with self._lock:
            entity, definition = self.definitions(group)
            layout = self._layouts.get(group)
            if layout is None or (layout.entity, layout.group) != (entity, definition):
                from palette.definitions import GroupSchema

                # First the number: if it is the same before and after a fetch, so is the layout of the rows.
                self.generation += layout is not None
                self._invalidate_layout(group)
                layout = self._layouts[group] = self._make_layout(GroupSchema(entity, definition), layout)
        return layout

    def _make_layout(self, schema: GroupSchema, before: RowLayout | None) -> RowLayout:
        """Return the layout of a definition, which replaces another one if there was one."""
        del before
        return RowLayout(schema)

    def _invalidate_layout(self, group: str) -> None:  # noqa: B027 - nothing to do for most
        """Drop what was prepared for the layout of a group; called with the lock held."""

    def refresh(self) -> None:
        """Read the definitions again; a group that was removed is unknown from then on."""
        for group in list(self._layouts):
            try:
                self.layout(group)
            except KeyError:
                with self._lock:
                    self.generation += 1
                    self._invalidate_layout(group)
                    self._layouts.pop(group, None)

    # --- reads

    def read(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys in one round trip.

        Parameters
        ----------
        keys : mapping of str to iterable
            ``entity:group`` to keys: values, or tuples or mappings for composite keys.
        now : datetime or str, optional
            The time at which ttl counts, a string in ISO 8601; naive is UTC; default now.
        status : bool
            Adds ``<feature>__status``: ``present``, ``null``, ``expired`` or ``missing``.
        budget : float, optional
            Seconds that it may take.

        Returns
        -------
        dict of str to list of dict
            For each group the rows in the order of the keys; all values ``None`` where missing or expired.

        Raises
        ------
        ArgumentError
            If it is not a mapping of groups to lists of keys.
        DataError
            If a key has another type than the entity's.
        SnapshotError
            If ``now`` is before the snapshot's time, or a group is not in it.
        """
        return self._run(self._read(keys, now, status=status), budget)

    async def read_async(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Return what :meth:`read` returns, without blocking the event loop."""
        return await self._run_async(self._read(keys, now, status=status), budget)

    def features(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> FeatureRows:
        """Look features up for rows, all groups and keys in one round trip.

        Parameters
        ----------
        features : mapping of str to str, or sequence of str
            Output column to expression ``entity:group:feature:join_key``; of a sequence the columns are called like
            the features, and ``entity:group:*:join_key`` stands for all features of a group.
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            Each with the join keys; other columns are ignored. A key that is None gives None.
        now : datetime, optional
            The time at which ttl counts; naive is UTC; default now.
        status : bool
            Adds ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.
        budget : float, optional
            Seconds that it may take.

        Returns
        -------
        FeatureRows
            A list with a dict for each row, in order; ``to_pandas()`` and ``to_arrow()`` return it as a table.

        Raises
        ------
        FeatureNotFoundError, SchemaError
            If a name is unknown, or two columns would have the same name.
        DataError
            If a row lacks a join key, or a key has the wrong type.
        SnapshotError
            If ``now`` is before the snapshot's time, or a group is not in it.

        Examples
        --------
        >>> from palette import Entity, Feature, FeatureGroup
        >>> from palette.online import MemoryStore
        >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
        >>> store = MemoryStore({"restaurant:menu": (Entity("restaurant", keys={"id": "string"}), menu)}.__getitem__)
        >>> _ = store.write(menu, [{"id": "r1", "dishes": 40}])
        >>> store.features(["restaurant:menu:dishes:r_id"], [{"r_id": "r1"}, {"r_id": None}])
        [{'dishes': 40}, {'dishes': None}]
        """
        return self._run(self._look_up(features, rows, now, status=status), budget)

    async def features_async(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> FeatureRows:
        """Return what :meth:`features` returns, without blocking the event loop."""
        return await self._run_async(self._look_up(features, rows, now, status=status), budget)

    def check_now(self, now: int) -> int:
        """Return ``now``, or raise :class:`SnapshotError` if it lies before the snapshot's time."""
        if self.at is not None and now < self.at:
            raise SnapshotError(
                f"now is {to_datetime(now).isoformat()}Z, before the snapshot's time "
                f"{to_datetime(self.at).isoformat()}Z: take a snapshot at an earlier time"
            )
        return now

    def _read(
        self, keys: Mapping[str, Iterable[Any]], now: dt.datetime | str | None, *, status: bool
    ) -> Reading[dict[str, list[dict[str, Any]]]]:
        at, lists = self.check_now(resolve_now(now)), _key_lists(keys)
        while True:
            generation = self.generation
            layouts = {group: self.layout(group) for group in lists}
            checked = {group: layout.lookup_keys(lists[group]) for group, layout in layouts.items()}
            rows = yield [(group, key) for group, some in checked.items() for key in some]
            # Else a definition changed meanwhile: layouts and rows may be of two.
            if generation == self.generation:
                break
        answers, start = {}, 0
        for group, layout in layouts.items():
            packed = rows[start : start + len(checked[group])]
            start += len(packed)
            answers[group] = _answers(layout, packed, at, status=status)
        return answers

    def _look_up(
        self, features: Features, rows: Iterable[Mapping[str, Any]], now: dt.datetime | None, *, status: bool
    ) -> Reading[FeatureRows]:
        at, listed = self.check_now(resolve_now(now)), list(rows) if isinstance(rows, Iterator) else rows
        while True:
            generation = self.generation
            request = FeatureRequest(self.layout, features, status=status)
            keys = request.keys(listed)
            requests = request.requests(keys)
            packed = yield requests
            if generation == self.generation:
                return request.answer(keys, dict(zip(requests, packed, strict=True)), at)

    def _run(self, reading: Reading[T], budget: float | None) -> T:
        try:
            requests = next(reading)
            while True:
                requests = reading.send(self.fetch(requests, budget) if requests else ())
        except StopIteration as done:
            return done.value

    async def _run_async(self, reading: Reading[T], budget: float | None) -> T:
        try:
            requests = next(reading)
            while True:
                requests = reading.send(await self.fetch_async(requests, budget) if requests else ())
        except StopIteration as done:
            return done.value


class LocalReader(FeatureReader):
    """A reader whose rows are in this process: plans read its tables directly, without a fetch."""

    @abstractmethod
    def table(self, group: str) -> LocalTable:
        """Return the rows of a group ``entity:group``."""

    def layout(self, group: str) -> RowLayout:
        """Return :meth:`table`."""
        return self.table(group)

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return the packed row of each (full name of a group, key)."""
        del budget
        gets = {group: self.table(group).get for group in dict.fromkeys(group for group, _ in requests)}
        return [gets[group](key) for group, key in requests]

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what :meth:`fetch` returns, at once."""
        return self.fetch(requests, budget)

    def read(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys; see :meth:`FeatureReader.read`."""
        del budget
        at, answers = self.check_now(resolve_now(now)), {}
        for group, listed in _key_lists(keys).items():
            table = self.table(group)
            rows = [*map(table.get, table.lookup_keys(listed))]
            answers[group] = _answers(table, rows, at, status=status)
        return answers

    async def ping_async(self, budget: float) -> None:
        """Return: there is nothing to reach."""


def _answers(layout: RowLayout, rows: Sequence[Row | None], at: int, *, status: bool) -> list[dict[str, Any]]:
    return [layout.answer(row, at, status=True) for row in rows] if status else layout.answers(rows, at)


def _key_lists(keys: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return the keys of each group as a list.

    Raises
    ------
    ArgumentError
        If it is not a mapping of groups to lists of keys.
    """
    if not isinstance(keys, Mapping):
        raise ArgumentError(f"a read takes {{'entity:group': [keys]}}, found {type(keys).__name__} {keys!r:.80}")
    return {group: key_list(some, group) for group, some in keys.items()}
