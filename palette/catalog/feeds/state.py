"""State of a feed: how far a group was computed, and from which table and interrupted backfills a run continues."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.write import now

__all__ = ["FeedState", "read_state", "write_state"]


@dataclass(frozen=True)
class FeedState:
    """How far a feed of a group has come; times are naive UTC.

    Parameters
    ----------
    watermark : datetime, optional
        The newest event time that the source has given, from where the next run continues; None if nothing was
        computed.
    computed_until : datetime, optional
        The event time up to which everything was computed, whether there were rows or not. With a watermark it is
        None only in a catalog of an earlier release, whose watermark is the end of the last run.
    events_since : datetime, optional
        The time after which all events are in the partial aggregates; None if all events are.
    table : str, optional
        Identity of the Delta table that was computed.
    backfills : mapping of str to datetime
        Interrupted backfills, by a checksum of range and source, and up to where each was computed.

    Examples
    --------
    >>> FeedState(watermark=dt.datetime(2026, 1, 1)).to_plain()
    {'offline': datetime.datetime(2026, 1, 1, 0, 0)}
    """

    watermark: dt.datetime | None = None
    computed_until: dt.datetime | None = None
    events_since: dt.datetime | None = None
    table: str | None = None
    backfills: Mapping[str, dt.datetime] = field(default_factory=dict)

    def to_plain(self) -> dict[str, dt.datetime]:
        """Return the times that are known, as ``palette show`` prints them."""
        times = {"offline": self.watermark, "computed until": self.computed_until, "events since": self.events_since}
        return {name: time for name, time in times.items() if time is not None}


def read_state(database: Database, group: str) -> FeedState:
    """Return the state of a group's feed; an empty one if it never ran."""
    column = tables.feed_states.c
    columns = (column.watermark, column.computed_until, column.events_since, column.table_id, column.backfills)
    query = sa.select(*columns).where(column.group_name == group)
    with database.reading() as connection:
        row = None if connection is None else connection.execute(query).one_or_none()
    if row is None:
        return FeedState()
    backfills = {name: dt.datetime.fromisoformat(until) for name, until in json.loads(row.backfills).items()}
    return FeedState(row.watermark, row.computed_until, row.events_since, row.table_id, backfills)


def write_state(database: Database, group: str, state: FeedState) -> None:
    """Record the state of a group's feed, in place of the previous one."""
    row = {
        "group_name": group,
        "watermark": state.watermark,
        "computed_until": state.computed_until,
        "events_since": state.events_since,
        "table_id": state.table,
        "backfills": json.dumps({name: until.isoformat() for name, until in sorted(state.backfills.items())}),
        "updated": now(),
    }

    def put(connection: sa.Connection) -> None:
        connection.execute(tables.feed_states.delete().where(tables.feed_states.c.group_name == group))
        connection.execute(tables.feed_states.insert().values(row))

    database.change(put)
