"""How serving reads feature groups, whatever holds them."""

from __future__ import annotations

import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from palette.errors import DataError, SnapshotError
from palette.online.table import GroupTable, micros, moment

__all__ = ["OnlineReader", "now_micros"]


def now_micros(now: dt.datetime | None) -> int:
    """Return ``now`` in microseconds since 1970 UTC; ``None`` is this moment."""
    if now is None:
        return time.time_ns() // 1000
    try:
        return micros(now)
    except AttributeError:
        raise DataError(f"now is a datetime, found {type(now).__name__} {now!r:.80}") from None


class OnlineReader(ABC):
    """Something that holds the newest row of every key."""

    # Microseconds; a live store has no moment before which it cannot be asked.
    at: int | None = None
    # Grows before a table is replaced by another one, so that what was prepared on it is prepared again.
    generation: int = 0

    @abstractmethod
    def table(self, group: str) -> GroupTable:
        """Return the table of a feature group ``entity:group``."""

    def refresh(self) -> None:  # noqa: B027 - nothing to do for most
        """Take up definitions that changed; what is frozen has none."""

    def read(
        self, keys: Mapping[str, Iterable[Any]], now: dt.datetime | None = None, *, status: bool = False
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys.

        Parameters
        ----------
        keys : mapping of str to iterable
            ``entity:group`` to keys: values, or tuples or mappings for composite keys.
        now : datetime, optional
            The moment at which ttl counts; naive is UTC; default is this moment.
        status : bool
            Adds ``<feature>__status``: ``present``, ``null``, ``expired`` or ``missing``.

        Returns
        -------
        dict of str to list of dict
            For each group the rows in the order of the keys; all values ``None`` where missing or expired.

        Raises
        ------
        SnapshotError
            If ``now`` is before the snapshot's time, or a group is not in it.
        """
        at = self.check_now(now_micros(now))
        found = {}
        for group, wanted in keys.items():
            table = self.table(group)
            found[group] = [table.read(key, at, status=status) for key in wanted]
        return found

    def check_now(self, now: int) -> int:
        """Return ``now``, or raise :class:`SnapshotError` if it lies before the snapshot's time."""
        if self.at is not None and now < self.at:
            raise SnapshotError(
                f"now is {moment(now).isoformat()}Z, before the snapshot's time {moment(self.at).isoformat()}Z: "
                "take a snapshot at an earlier time"
            )
        return now
