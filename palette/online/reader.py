"""How serving reads feature groups, whatever holds them."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from palette.errors import DataError, SnapshotError
from palette.online.table import GroupTable, key_list
from palette.times import MICROSECOND, now_micros, resolve_now, to_datetime

if TYPE_CHECKING:
    from palette.definitions.expressions import Features
    from palette.online.features import FeatureRows

__all__ = ["AHEAD", "OnlineReader", "listed_requests", "packed_rows"]

# How far ahead of this clock rows may be that are written online: clocks differ, but one row of the year 2099 would
# keep out all that follows.
AHEAD = dt.timedelta(minutes=5)


def packed_rows(
    table: GroupTable, rows: Iterable[Mapping[str, Any]], ahead: dt.timedelta | None
) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return rows packed for a write at this moment.

    Raises
    ------
    DataError
        If one cannot be packed, or is further ahead of the clock than a write takes.
    """
    now = now_micros()
    packed = [(*table.pack(row, now), row) for row in rows]
    if ahead is not None and not table.schema.as_they_come:
        at = 0 if table.group.timestamp is not None else 1
        column, latest = table.group.timestamp or table.group.created, now + ahead // MICROSECOND
        for _, values, row in packed:
            if values[at] is not None and values[at] > latest:
                raise DataError(
                    f"{table.group.full_name}: {column!r} is {to_datetime(values[at])}, more than {ahead} ahead of the "
                    f"clock, and would keep out the key's true rows: {dict(row)!r:.200}; correct it, or write it with "
                    "ahead=timedelta(...)"
                )
    return [(key, values) for key, values, _ in packed]


def listed_requests(keys: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return what a read asks for, with the keys of each group as a list.

    Raises
    ------
    DataError
        If it is no mapping of groups to lists of keys.
    """
    if not isinstance(keys, Mapping):
        raise DataError(f"a read takes {{'entity:group': [keys]}}, found {type(keys).__name__} {keys!r:.80}")
    return {group: key_list(wanted, group) for group, wanted in keys.items()}


class OnlineReader(ABC):
    """Something that holds the newest row of every key."""

    # Microseconds; a live store has no moment before which it cannot be asked.
    at: int | None = None
    # Grows before a table is replaced by another one, so that what was prepared on it is prepared again.
    generation: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled: a store is opened where it is used."""
        raise DataError(f"a {type(self).__name__} cannot be sent to another process: open it in the worker")

    @abstractmethod
    def table(self, group: str) -> GroupTable:
        """Return the table of a feature group ``entity:group``."""

    def refresh(self) -> None:  # noqa: B027 - nothing to do for most
        """Take up definitions that changed; what is frozen has none."""

    def read(
        self, keys: Mapping[str, Iterable[Any]], now: dt.datetime | str | None = None, *, status: bool = False
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys.

        Parameters
        ----------
        keys : mapping of str to iterable
            ``entity:group`` to keys: values, or tuples or mappings for composite keys.
        now : datetime or str, optional
            The moment at which ttl counts, a text in ISO 8601; naive is UTC; default is this moment.
        status : bool
            Adds ``<feature>__status``: ``present``, ``null``, ``expired`` or ``missing``.

        Returns
        -------
        dict of str to list of dict
            For each group the rows in the order of the keys; all values ``None`` where missing or expired.

        Raises
        ------
        DataError
            If one key stands where a list of keys is expected, or a key has another type than the entity's.
        SnapshotError
            If ``now`` is before the snapshot's time, or a group is not in it.
        """
        at, requested = self.check_now(resolve_now(now)), listed_requests(keys)
        found = {}
        for group, wanted in requested.items():
            table = self.table(group)
            found[group] = [table.answer(table.rows.get(key), at, status=status) for key in table.asked(wanted)]
        return found

    def features(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
    ) -> FeatureRows:
        """Look features up for rows; a store elsewhere is asked once, for all groups and keys.

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
        >>> from palette import Entity, Feature, FeatureGroup, Snapshot
        >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
        >>> table = GroupTable(Entity("restaurant", keys={"id": "string"}), menu)
        >>> _ = table.put([table.pack({"id": "r1", "dishes": 40}, stamp=0)])
        >>> snapshot = Snapshot([table], at=dt.datetime(2026, 1, 1))
        >>> snapshot.features(["restaurant:menu:dishes:r_id"], [{"r_id": "r1"}, {"r_id": None}])
        [{'dishes': 40}, {'dishes': None}]
        """
        from palette.online.features import FeatureRequest

        at = self.check_now(resolve_now(now))
        request = FeatureRequest(self.table, features, status=status)
        keys = request.keys(rows)
        found = {(group, key): table.rows.get(key) for (group, key), table in request.requests(keys).items()}
        return request.answer(keys, found, at)

    async def features_async(
        self,
        features: Features,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        status: bool = False,
    ) -> FeatureRows:
        """Do as :meth:`features` does, without holding up the event loop."""
        return self.features(features, rows, now, status=status)

    def check_now(self, now: int) -> int:
        """Return ``now``, or raise :class:`SnapshotError` if it lies before the snapshot's time."""
        if self.at is not None and now < self.at:
            raise SnapshotError(
                f"now is {to_datetime(now).isoformat()}Z, before the snapshot's time "
                f"{to_datetime(self.at).isoformat()}Z: take a snapshot at an earlier time"
            )
        return now
