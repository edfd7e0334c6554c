"""The interface of everything that serving reads: rows by group and key, features by expression."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from palette.errors import DataError, SnapshotError
from palette.online.defined_groups import DefinedGroups
from palette.online.features import FeatureRequest
from palette.online.layout import Request, Row, key_lists
from palette.times import resolve_now, to_datetime

if TYPE_CHECKING:
    from palette.definitions.expressions import Features
    from palette.online.features import FeatureRows

__all__ = ["FeatureReader"]

T = TypeVar("T")
# Yields requests, is sent their rows, and returns the answer.
Reading: TypeAlias = "Generator[list[Request], Sequence[Row | None], T]"


class FeatureReader(DefinedGroups):
    """Something that holds the newest row of every key.

    A reader of your own has one method, :meth:`fetch`; and :meth:`fetch_async` where a thread is not good enough. It
    may answer one fetch from several stores. One that is written to as well is an :class:`palette.online.OnlineStore`;
    one whose rows are in this process is a :class:`palette.online.LocalReader`, which spares them the fetch.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.

    Attributes
    ----------
    at : int or None
        The time of a snapshot in microseconds, before which it cannot be read; None for a live store.
    """

    at: int | None = None

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

    def close(self) -> None:
        """Close connections and files; the reader may be used again."""

    async def close_async(self) -> None:
        """Close connections and files, those of the running event loop too."""
        self.close()

    async def ping_async(self, budget: float) -> None:
        """Raise :class:`palette.errors.StoreError` unless it answers within ``budget`` seconds."""
        layout = next(iter(self._layouts.values()), None)
        if layout is not None:
            await self.fetch_async([(layout.name, layout.probe_key)], budget)

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
        at, lists = self.check_now(resolve_now(now)), key_lists(keys)
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
            answers[group] = layout.answers(packed, at, status=status)
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
