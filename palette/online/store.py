"""The interface of online stores: a reader that is written to as well."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.errors import DataError, SchemaError, StoreError
from palette.online.defined_groups import Definitions
from palette.online.layout import Row, RowLayout
from palette.online.reader import FeatureReader
from palette.times import MICROSECOND, now_micros, to_datetime

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup, GroupSchema

__all__ = ["MAX_AHEAD", "OnlineStore", "Opener", "require_store"]

Opener: TypeAlias = "Callable[[Definitions], OnlineStore]"

# Online writes reject rows further ahead of this clock: clocks differ, but one row of the year 2099 would block all
# later rows of its key.
MAX_AHEAD = dt.timedelta(minutes=5)


class OnlineStore(FeatureReader):
    """The newest row of every key, readable and writable by many at once.

    A store of your own has three methods: :meth:`fetch`, :meth:`put`, :meth:`delete`; and :meth:`fetch_async` where a
    thread is not good enough, :meth:`replace` and :meth:`retain` for ``materialize(full_refresh=True)``. One that
    outlives the process says so by :attr:`durable` and :meth:`identity`, so that ``materialize`` puts only what is new
    into it, and by :meth:`opener`, so that Spark's workers fill it. ``palette.online.testing.check_store`` proves such
    a store.

    Parameters
    ----------
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.

    Attributes
    ----------
    durable : bool
        Whether rows are still there when this process has ended.
    """

    durable: bool = False

    # --- what a store does

    @abstractmethod
    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows, never an older one over a newer one, each atomically; return how many are now the newest.

        The order is that of :meth:`palette.online.GroupTable.put`: event, created, values; of ``resolved`` rows event
        and created only. Of several rows of a key the winner counts.
        """

    @abstractmethod
    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a time; return how many rows were deleted.

        A row written later is ignored unless its event time (in a static group its created time) is after that time.
        A static row without created time is just removed.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable
            Values, or tuples or mappings for composite keys; ``self.layout(group).lookup_keys(keys)`` checks them.
        at : datetime, optional
            Naive is UTC; default now.
        """

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows, one a key, over whatever is known of their keys: newer rows, and deletions.

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
        """Remove the rows of all other keys without recording a deletion: rows written later are accepted.

        Keys without a row, which were deleted, are left as they are.

        Returns
        -------
        int
            How many rows were removed.

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
        return type(self).replace is not OnlineStore.replace and type(self).retain is not OnlineStore.retain

    def _cannot_replace(self, group: str) -> StoreError:
        return StoreError(
            f"{group}: a {type(self).__name__} cannot replace newer rows: implement the methods replace and retain, "
            "see palette.online.OnlineStore"
        )

    def identity(self, *, make: bool = False) -> str | None:
        """Return what distinguishes this store from others, also from another machine's at the same address.

        One that was emptied is another store.

        Parameters
        ----------
        make : bool
            Whether a store without identity is given one; else there is None. A store that is lost with this process
            has none.
        """
        del make
        return None

    def holds(self, group: str) -> bool:
        """Return whether rows of a group, by its definition of now, were put here and not lost since.

        Only stores with an identity are asked.
        """
        del group
        return False

    def opener(self) -> Opener | None:
        """Return a function that opens this store in another process; None if only this process can fill it."""
        return None

    def invalidate(self) -> None:
        """Drop rows that are cached here, because others wrote to the store."""

    # --- what follows from it

    @contextmanager
    def with_definition(self, schema: GroupSchema) -> Iterator[None]:
        """Know a group in a block, also if it was removed from the definitions."""
        before = self._definitions
        self._definitions = lambda name: (schema.entity, schema.group) if name == schema.name else before(name)
        try:
            yield
        finally:
            self._definitions = before
            self.refresh()

    def write(
        self,
        group: str | FeatureGroup,
        rows: Iterable[Mapping[str, Any]],
        *,
        ahead: dt.timedelta | None = MAX_AHEAD,
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
        layout = self.layout(group if isinstance(group, str) else group.full_name)
        return self.put_packed(layout, _pack(layout, rows, ahead))

    def put_packed(self, layout: RowLayout, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put rows that a layout packed, which may be one from before the definition changed; see :meth:`put`."""
        current = self.layout(layout.name)
        if current is not layout and current.schema != layout.schema:
            read = current.stored.reader_of(layout.stored)
            if read is None:
                raise SchemaError(f"{layout.name}: its keys or event time have changed since these rows were packed")
            packed = [(key, read(row)) for key, row in packed]
        return self.put(layout.name, packed, resolved=resolved)


def require_store(reader: FeatureReader, group: str) -> OnlineStore:
    """Return a reader that can be written to.

    Raises
    ------
    StoreError
        If it cannot: a snapshot is frozen.
    """
    if isinstance(reader, OnlineStore):
        return reader
    raise StoreError(
        f"{group}: a {type(reader).__name__} cannot be written to: name an online store in palette.yaml (online:), "
        "such as redis://HOST:PORT/DB or lmdb:DIRECTORY"
    )


def _pack(layout: RowLayout, rows: Iterable[Mapping[str, Any]], ahead: dt.timedelta | None) -> list[tuple[Any, Row]]:
    """Return rows packed for a write at this time.

    Raises
    ------
    DataError
        If one cannot be packed, or is further ahead of the clock than a write accepts.
    """
    now = now_micros()
    packed = [(*layout.pack(row, now), row) for row in rows]
    if ahead is not None and not layout.stored.without_times:
        position = 0 if layout.group.timestamp is not None else 1
        column, latest = layout.group.timestamp or layout.group.created, now + ahead // MICROSECOND
        for _, values, row in packed:
            if values[position] is not None and values[position] > latest:
                raise DataError(
                    f"{layout.name}: {column!r} is {to_datetime(values[position])}, more than {ahead} ahead of the "
                    f"clock, and would block later, correct rows of this key: {dict(row)!r:.200}; correct it, or write "
                    "it with ahead=timedelta(...)"
                )
    return [(key, values) for key, values, _ in packed]
