"""Plan of a run: the intervals to compute, and the state that they continue."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.catalog.feeds.state import FeedState
from palette.columns import exact_column
from palette.definitions import BatchSource
from palette.definitions.sources import DEFAULT_LOOKBACK
from palette.errors import PlanError
from palette.feeds.batch.intervals import Interval, check_range, missing_intervals
from palette.feeds.windows.update import Windowed, floor, round_up
from palette.offline.delta.version import open_version
from palette.times import now_micros, to_datetime, to_datetime_or_none, utc

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup, GroupSchema
    from palette.feeds.context import Stores, Table

__all__ = ["Work", "newest_event", "plan"]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    Parameters
    ----------
    schema : GroupSchema
        Of the group.
    to : datetime
        Up to which event time rows are published.
    intervals : tuple of Interval
        What to compute, in order.
    state : FeedState
        From where the run continues.
    table : Table, optional
        The group's table; None if nothing was written yet.
    restart : bool
        Whether the recorded state is of a table, or of partial aggregates, that no longer exists.
    backfill : str, optional
        Checksum of the range and source of a backfill.
    resumed : datetime, optional
        Up to where the same backfill was computed when it was interrupted.
    """

    schema: GroupSchema
    to: dt.datetime
    intervals: tuple[Interval, ...]
    state: FeedState
    table: Table | None
    restart: bool = False
    backfill: str | None = None
    resumed: dt.datetime | None = None


def plan(
    stores: Stores,
    schema: GroupSchema,
    *,
    start: dt.datetime | None = None,
    to: dt.datetime | None = None,
    chunk: dt.timedelta | None = None,
) -> Work:
    """Return what a run has to do; nothing is written.

    Raises
    ------
    PlanError
        If the group, or this range of it, cannot be computed.
    """
    group, now = schema.group, to_datetime(now_micros())
    end = now if to is None else utc(to)
    check_range(group, start, end, chunk)
    table, source = stores.find_table(group), group.source
    windowed = None
    if isinstance(source, BatchSource) and source.aggregates:
        windowed = Windowed.of(stores.spark, stores.tables, schema)
    restart = table is None or (windowed is not None and windowed.current() is None)
    state = FeedState() if restart else stores.catalog.feeds.state(schema.name)
    work = Work(schema, end, (), state, table, restart)
    if not isinstance(source, BatchSource):
        return work
    if group.timestamp is None:
        return replace(work, intervals=(Interval(None, end),))
    state = _with_computed_until(stores, schema, windowed, state)
    if start is None:
        _require_same_table(stores, group, state, table)
    backfill = None if start is None else _backfill_checksum(group, utc(start), to)
    lookback: dt.timedelta | None = DEFAULT_LOOKBACK if source.lookback is None else source.lookback
    if windowed is not None:
        # Windows that end in the future are not complete.
        end, start = floor(min(end, now), source), start and floor(start, source)
        lookback, chunk = round_up(lookback, source), round_up(chunk, source)
    intervals = missing_intervals(state.watermark, end, start=start, lookback=lookback, chunk=chunk)
    resumed = None if backfill is None else state.backfills.get(backfill)
    intervals = [interval for interval in intervals if resumed is None or interval.end > resumed]
    LOG.info("%s: %s", schema.name, _describe(intervals))
    return replace(work, intervals=tuple(intervals), state=state, backfill=backfill, resumed=resumed)


def newest_event(stores: Stores, schema: GroupSchema, version: int) -> dt.datetime | None:
    """Return the newest event time in a version of a group's table."""
    rows = open_version(stores.tables, stores.spark, schema, version).read()
    micros = rows.agg(F.unix_micros(F.max(exact_column(str(schema.timestamp))))).collect()[0][0]
    return to_datetime_or_none(micros)


def _with_computed_until(stores: Stores, schema: GroupSchema, windowed: Windowed | None, state: FeedState) -> FeedState:
    """Return a state of this release; an earlier release recorded the end of the last run as the watermark."""
    if state.watermark is None or state.computed_until is not None:
        return state
    if windowed is not None:
        newest = windowed.newest()
    else:
        newest = newest_event(stores, schema, stores.tables.resolve(stores.spark, schema.group))
    return replace(state, watermark=newest and min(newest, state.watermark), computed_until=state.watermark)


def _require_same_table(stores: Stores, group: FeatureGroup, state: FeedState, table: Table | None) -> None:
    """Raise if the table lacks what another machine computed into another table since."""
    if table is not None and None not in (state.watermark, state.table) and state.table != table.identity:
        where = stores.tables.identifier(group)
        raise PlanError(
            f"{group.full_name}: the last run wrote to another table than {where}: the catalog is shared, and "
            "the tables are not. Name the same tables: in each palette.yaml; or, to continue with this table, compute "
            f"what it lacks: start= (--from), up to {state.computed_until}"
        )


def _backfill_checksum(group: FeatureGroup, start: dt.datetime, to: dt.datetime | None) -> str:
    """Return a checksum of a backfill's range and source: only the same backfill is resumed."""
    source = "" if group.source is None else group.source.model_dump_json(exclude={"resources"})
    content = f"{start.isoformat()} {'' if to is None else utc(to).isoformat()} {source}"
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _describe(intervals: list[Interval]) -> str:
    if not intervals:
        return "no interval to compute"
    count = len(intervals)
    return f"{count} interval{'s' * (count > 1)} to compute, from {intervals[0]} to {intervals[-1].end.isoformat()}"
