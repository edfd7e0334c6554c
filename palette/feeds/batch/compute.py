"""Computation of a run: interval by interval, each written to the table, and then recorded in the feed's state."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palette.definitions import BatchSource
from palette.feeds.batch.intervals import EARLIEST, Interval, advance_watermark
from palette.feeds.batch.plan import newest_event
from palette.feeds.batch.sources import read_source
from palette.feeds.context import Table
from palette.feeds.reports import Materialized, Progress
from palette.feeds.windows.coverage import Coverage
from palette.feeds.windows.update import Windowed
from palette.times import now_micros, to_datetime

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.catalog.feeds.locks import Lease
    from palette.catalog.feeds.state import FeedState
    from palette.definitions import GroupSchema
    from palette.feeds.batch.plan import Work
    from palette.feeds.context import Stores
    from palette.offline import Written

__all__ = ["Computed", "compute"]


@dataclass(frozen=True)
class Computed:
    """What a run has computed so far.

    Parameters
    ----------
    report : Materialized
        Its intervals and counts.
    state : FeedState
        As it is recorded.
    table : Table, optional
        The group's table with the rows of this run.
    read : Interval, optional
        The events that this run has read for windowed aggregates, without a gap.
    """

    report: Materialized
    state: FeedState
    table: Table | None
    read: Interval | None = None

    @classmethod
    def nothing(cls, work: Work) -> Computed:
        """Return what a run has computed before its first interval."""
        report = Materialized(work.schema.name, resumed=work.resumed, watermark=work.state.watermark)
        return cls(report, work.state, work.table)


def compute(stores: Stores, work: Work, lease: Lease, progress: Callable[[Progress], Any]) -> Iterator[Computed]:
    """Write the intervals of a run, and yield what was computed after each of them and at the end.

    An interval is written by a merge that can be repeated, and then recorded: a run that is killed at any time is
    repeated from its last recorded interval, and gives the same table.

    Raises
    ------
    LockedError
        If another run acquired the lock meanwhile.
    """
    feeds, name, intervals = stores.catalog.feeds, work.schema.name, work.intervals
    if work.restart:
        feeds.delete_state(name)
    done, steps, began = Computed.nothing(work), len(intervals) + 1, time.perf_counter()
    for step, interval in enumerate(intervals):
        progress(Progress(name, "compute", step, steps, interval))
        done = _compute_interval(stores, work, done, interval, lease)
        report = replace(done.report, intervals=intervals[: step + 1], seconds={"compute": time.perf_counter() - began})
        done = replace(done, report=report)
        yield done
    state = done.state
    if work.backfill in state.backfills:
        remaining = {other: until for other, until in state.backfills.items() if other != work.backfill}
        state = replace(state, backfills=remaining)
        feeds.set_state(name, state)
    watermark = state.watermark
    silent = bool(intervals) and work.backfill is None and work.schema.timestamp is not None
    silent = silent and watermark == work.state.watermark
    yield replace(done, state=state, report=replace(done.report, watermark=watermark, silent=silent))


def _compute_interval(stores: Stores, work: Work, done: Computed, interval: Interval, lease: Lease) -> Computed:
    schema, source = work.schema, work.schema.group.source
    assert isinstance(source, BatchSource)
    windowed = None
    if source.aggregates:
        windowed = Windowed.of(stores.spark, stores.tables, schema)
        done, rows = _update_windows(stores, windowed, done, interval)
    else:
        rows = read_source(stores.spark, schema.group, source, interval, stores.modules)
    lease.check()
    written = stores.tables.write(schema, rows, base=done.table and done.table.version)
    lease.check()
    if done.table is None:
        identity = stores.tables.identity(stores.spark, schema.group, written.version)
    else:
        identity = done.table.identity
    if windowed is None:
        newest = _newest_given(stores, schema, interval, written)
    else:
        newest = windowed.newest(interval.start)
    state = _advance(done.state, interval, newest)
    backfills = state.backfills if work.backfill is None else {**state.backfills, work.backfill: interval.end}
    state = replace(state, table=identity, backfills=backfills)
    stores.catalog.feeds.set_state(schema.name, state)
    if windowed is not None and not done.report.intervals:
        windowed.record_features()
    report = replace(
        done.report,
        rows_computed=done.report.rows_computed + written.received,
        rows_written=done.report.rows_written + written.rows,
    )
    return replace(done, report=report, state=state, table=Table(written.version, identity))


def _newest_given(stores: Stores, schema: GroupSchema, interval: Interval, written: Written) -> dt.datetime | None:
    """Return the newest event time that the source gave for an interval; of a static group the interval's end."""
    if schema.timestamp is None:
        return interval.end
    # The first write is compared with nothing, and is all that its version holds.
    first = written.latest is None and written.rows
    return newest_event(stores, schema, written.version) if first else written.latest


def _advance(state: FeedState, interval: Interval, newest: dt.datetime | None) -> FeedState:
    """Return the state after an interval was computed, whose newest event time is given."""
    # Whatever the interval: what the future brings is not known yet.
    computed = min(advance_watermark(state.computed_until, interval), to_datetime(now_micros()))
    watermark = state.watermark
    if newest is not None:
        watermark = max(watermark or EARLIEST, min(computed, newest))
    elif watermark is None:
        watermark = interval.start  # what is before the start of the first run is left out on purpose
    return replace(state, watermark=watermark, computed_until=computed)


def _update_windows(
    stores: Stores, windowed: Windowed, done: Computed, interval: Interval
) -> tuple[Computed, DataFrame]:
    """Replace the partial aggregates of an interval, and return the rows of the windows that change with them."""
    feeds, schema, source, state = stores.catalog.feeds, windowed.schema, windowed.source, done.state
    # Existing partials are then of a table that was deleted, or of a run that was killed.
    is_first = state.computed_until is None
    covered = Coverage(state.events_since, state.computed_until, done.read)
    events = covered.events(interval, windowed.longest)
    if is_first and events.start is not None:
        # A run that is killed after this has written nothing, and begins again.
        covered = replace(covered, since=events.start)
        state = replace(state, events_since=events.start)
        feeds.set_state(schema.name, state)
    rows = read_source(stores.spark, schema.group, source, events, stores.modules)
    left_out = windowed.replace_partials(rows, events, discard=is_first)
    covering = covered.with_events(events)
    if covering.since != covered.since:
        # After the partials are written: a run that is killed before this counts as covered less than it has.
        state = replace(state, events_since=covering.since)
        feeds.set_state(schema.name, state)
    renewed = done.table is not None and windowed.has_new_features()
    report = replace(done.report, rows_left_out=done.report.rows_left_out + left_out)
    rows = windowed.rows(windowed.ends(interval, covering, renewed=renewed))
    return replace(done, report=report, state=state, read=covering.read), rows
