"""A feature group brought up to date: computed from its source, written to Delta, dispersed to the online store.

Each chunk is written by a merge that can be repeated, and then the watermark goes on: a run that is killed at any
moment is repeated, and gives the same table. What goes online is known by the table's version.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.catalog.tables import BACKFILL, COMPUTED, OFFLINE, TABLE
from palette.columns import exact_column
from palette.definitions import BatchSource, GroupSchema
from palette.definitions.sources import DEFAULT_LOOKBACK
from palette.errors import CatalogError, PlanError
from palette.feeds.intervals import EARLIEST, Interval, advanced, check_range, missing, span
from palette.feeds.publish import disperse, planned
from palette.feeds.reports import Materialized, Progress
from palette.feeds.sources import rows_of
from palette.feeds.windows.coverage import Coverage
from palette.feeds.windows.update import Windowed, floor, whole
from palette.times import to_datetime_or_none, utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.catalog.feeds.locks import Lease
    from palette.definitions import Entity, FeatureGroup
    from palette.feeds.context import Stores
    from palette.offline import Written

__all__ = ["OFFLINE", "materialize"]

# The moment from which on all events are in the partials; without it they are from the beginning.
EVENTS = "events since"
KIND = "materialize"


def materialize(
    stores: Stores,
    entity: Entity,
    group: FeatureGroup,
    *,
    start: dt.datetime | None = None,
    to: dt.datetime | None = None,
    chunk: str | dt.timedelta | None = None,
    full_refresh: bool = False,
    online: bool = True,
    dry_run: bool = False,
    progress: Callable[[Progress], Any] | None = None,
) -> Materialized:
    """Bring a feature group up to date; see :meth:`palette.FeatureStore.materialize`.

    Raises
    ------
    LockedError
        If another run works on the group.
    PlanError
        If there is nothing that could be computed like this.
    """
    run = _Run(stores, entity, group, _now() if to is None else utc(to), progress or (lambda _: None))
    backfill = None if start is None else _backfill_name(group, utc(start), to)
    if dry_run:
        return run.dry(run.intervals(start, span(chunk), backfill), full_refresh=full_refresh, online=online)
    # Refused before anything is recorded.
    run.intervals(start, span(chunk), backfill)
    with stores.catalog.feeds.lock(group.full_name) as lease, run.recorded():
        run.compute(run.intervals(start, span(chunk), backfill), lease, backfill)
        lease.check()
        if online:
            run.disperse(full_refresh=full_refresh)
        else:
            run.stay()
    return run.told


@dataclass
class _Run:
    """One run over one group."""

    stores: Stores
    entity: Entity
    group: FeatureGroup
    to: dt.datetime
    progress: Callable[[Progress], Any]
    told: Materialized = field(init=False)
    steps: int = 1
    taken: Interval | None = None

    def __post_init__(self) -> None:
        self.told = Materialized(self.group.full_name)

    def intervals(
        self, start: dt.datetime | None, chunk: dt.timedelta | None, backfill: str | None
    ) -> tuple[Interval, ...]:
        """Return what is to be computed; of a backfill that was broken off, what is left of it."""
        source, name = self.group.source, self.group.full_name
        if not isinstance(source, BatchSource) or self.group.timestamp is None:
            check_range(self.group, start, self.to, chunk)
            return (Interval(None, self.to),) if isinstance(source, BatchSource) else ()
        lookback: dt.timedelta | None = DEFAULT_LOOKBACK if source.lookback is None else source.lookback
        to = self.to
        if source.aggregates:
            self._windowed()  # refused where they cannot be kept
            # Windows that end in time to come are not finished.
            to, start = floor(min(to, _now()), source), start and floor(start, source)
            lookback, chunk = whole(lookback, source), whole(chunk, source)
        marks = {} if self._nothing_is_kept() else self.stores.catalog.feeds.watermarks(name)
        if start is None:
            self._refuse_another_table(marks)
        found = missing(self._goes_on_from(marks), to, start=start, lookback=lookback, chunk=chunk)
        done = marks.get(backfill) if backfill else None
        self.told = replace(self.told, resumed=done)
        return tuple(one for one in found if done is None or one.end > done)

    def _refuse_another_table(self, marks: Mapping[str, dt.datetime]) -> None:
        """Refuse to go on in a table that lacks what was computed since, by another machine into another table."""
        known = {mark for mark in marks if mark.startswith(TABLE)}
        if OFFLINE in marks and known and self._table() not in known:
            where = self.stores.tables.identifier(self.group)
            raise PlanError(
                f"{self.group.full_name}: the last run wrote to another table than {where}: the catalog is shared, and "
                "the tables are not. Name the same tables: in each palette.yaml; or, if this table is to be gone on "
                f"with, compute what it lacks: start= (--from), up to {marks.get(COMPUTED, marks[OFFLINE])}"
            )

    def _table(self) -> str:
        stores = self.stores
        version = stores.tables.version(stores.spark, self.group)
        return "" if version is None else f"{TABLE}{stores.tables.identity(stores.spark, self.group, version)}"

    def dry(self, intervals: tuple[Interval, ...], *, full_refresh: bool, online: bool) -> Materialized:
        """Tell what would be done."""
        self.told = replace(self.told, intervals=intervals, dry_run=True, watermark=self._watermark())
        stores = self.stores
        if not online:
            self.stay()
        if not online or stores.tables.version(stores.spark, self.group) is None:
            return self.told
        plan = planned(
            stores.spark, stores.catalog, stores.tables, stores.online, self.group, full_refresh=full_refresh
        )
        return replace(self.told, version=plan.version, since=plan.since and plan.since.version)

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep a row of the run in the catalog, whatever becomes of it."""
        catalog, name = self.stores.catalog, self.group.full_name
        catalog.feeds.end_lost_runs(name, KIND)  # we hold the lock: nobody runs them
        number = catalog.feeds.start_run(name, KIND, details={"to": self.to.isoformat()})
        try:
            yield
        except BaseException as error:
            # The error that matters is this one, even where it cannot be recorded.
            with contextlib.suppress(CatalogError):
                fault = f"{type(error).__name__}: {error}"[:1000]
                catalog.feeds.end_run(number, "failed", details=self.told.to_json() | {"error": fault})
            raise
        catalog.feeds.end_run(number, "done", details=self.told.to_json())
        self.progress(Progress(name, "done", self.steps, self.steps))

    def compute(self, intervals: tuple[Interval, ...], lease: Lease, backfill: str | None) -> None:
        """Write interval by interval, each with its watermark."""
        stores, group, source = self.stores, self.group, self.group.source
        if self._nothing_is_kept():
            # Also those of backfills that were broken off: what they had written is gone.
            for mark in stores.catalog.feeds.watermarks(group.full_name):
                stores.catalog.feeds.forget_watermark(group.full_name, mark)
        self.steps, known = len(intervals) + 1, self._watermark()
        began = time.perf_counter()
        for step, interval in enumerate(intervals):
            assert isinstance(source, BatchSource)
            self.progress(Progress(group.full_name, "compute", step, self.steps, interval))
            windowed = None
            if source.aggregates:
                windowed, ends = self._windows(source, interval)
                rows = windowed.rows(ends)
            else:
                rows = self._rows(source, interval)
            lease.check()
            written = stores.tables.write(GroupSchema(self.entity, group), rows)
            lease.check()
            self._advance(interval, self._newest(interval, written), first=step == 0)
            if windowed is not None and step == 0:
                windowed.settle()
            if backfill is not None:
                stores.catalog.feeds.set_watermark(group.full_name, backfill, interval.end)
            self.told = replace(
                self.told,
                intervals=intervals[: step + 1],
                rows_computed=self.told.rows_computed + written.received,
                rows_written=self.told.rows_written + written.rows,
                seconds={"compute": time.perf_counter() - began},
            )
        if backfill is not None:
            stores.catalog.feeds.forget_watermark(group.full_name, backfill)
        watermark = self._watermark()
        silent = bool(intervals) and backfill is None and self.group.timestamp is not None and watermark == known
        self.told = replace(self.told, watermark=watermark, silent=silent)

    def _goes_on_from(self, marks: Mapping[str, dt.datetime]) -> dt.datetime | None:
        """Return the watermark; of an earlier release it was the end of the last run, whatever the source had given."""
        watermark = marks.get(OFFLINE)
        if watermark is None or COMPUTED in marks:
            return watermark
        newest = self._windowed().newest() if self._has_windows() else self._newest_written()
        return newest and min(newest, watermark)

    def _newest_written(self, version: int | None = None) -> dt.datetime | None:
        """Return the newest event time in the table."""
        rows = self.stores.tables.read(self.stores.spark, GroupSchema(self.entity, self.group), version)
        micros = rows.agg(F.unix_micros(F.max(exact_column(str(self.group.timestamp))))).collect()[0][0]
        return to_datetime_or_none(micros)

    def _advance(self, interval: Interval, newest: dt.datetime | None, *, first: bool) -> None:
        """Record that an interval was computed, and the newest event time that its source gave."""
        catalog, name = self.stores.catalog, self.group.full_name
        marks = catalog.feeds.watermarks(name)
        # Nobody knows yet what time to come brings.
        computed = min(advanced(marks.get(COMPUTED, marks.get(OFFLINE)), interval), _now())
        watermark = self._goes_on_from(marks)
        if newest is not None:
            watermark = max(watermark or EARLIEST, min(computed, newest))
        elif watermark is None:
            watermark = interval.start  # what is before the first start of all is left out on purpose
        if first:
            self._note_table(computed)
        # In this order: killed between the two, the next run goes on from further back.
        catalog.feeds.set_watermark(name, COMPUTED, computed)
        if watermark is not None:
            catalog.feeds.set_watermark(name, OFFLINE, watermark)

    def _newest(self, interval: Interval, written: Written) -> dt.datetime | None:
        """Return the newest event time that the source gave for an interval; of a static group the interval's end."""
        if self.group.timestamp is None:
            return interval.end
        if self._has_windows():
            return self._windowed().newest(interval.start)
        # The first write is compared with nothing, and is all that its version holds.
        return self._newest_written(written.version) if written.latest is None and written.rows else written.latest

    def _note_table(self, at: dt.datetime) -> None:
        """Keep which table this is, if that is not known."""
        catalog, name, table = self.stores.catalog, self.group.full_name, self._table()
        others = {mark for mark in catalog.feeds.watermarks(name) if mark.startswith(TABLE)} - {table}
        catalog.feeds.set_watermark(name, table, at)
        for other in others:
            catalog.feeds.forget_watermark(name, other)

    def _rows(self, source: BatchSource, interval: Interval) -> DataFrame:
        return rows_of(self.stores.spark, self.group, source, interval, self.stores.modules)

    def _windows(self, source: BatchSource, interval: Interval) -> tuple[Windowed, tuple[Interval, ...]]:
        """Take the events of an interval, and return where the windows end that change with them."""
        catalog, name, windowed = self.stores.catalog, self.group.full_name, self._windowed()
        marks = catalog.feeds.watermarks(name)
        # Partials that are there nevertheless are of a table that is gone, or of a run that was killed.
        until = marks.get(COMPUTED, marks.get(OFFLINE))
        is_first = until is None
        covered = Coverage(marks.get(EVENTS), until, self.taken)
        events = covered.events(interval, windowed.longest)
        if is_first and events.start is not None:
            # A run that is killed after this has kept nothing, and begins again.
            covered = replace(covered, since=events.start)
            catalog.feeds.set_watermark(name, EVENTS, events.start)
        left_out = windowed.take(self._rows(source, events), events, anew=is_first)
        self.told = replace(self.told, rows_left_out=self.told.rows_left_out + left_out)
        now_covered = covered.with_events(events)
        if now_covered.since != covered.since:
            # After the events are there: what is killed before this counts as covered less than it is.
            if now_covered.since is None:
                catalog.feeds.forget_watermark(name, EVENTS)
            else:
                catalog.feeds.set_watermark(name, EVENTS, now_covered.since)
        self.taken = now_covered.taken
        return windowed, windowed.ends(interval, now_covered, renewed=windowed.has_new_features())

    def disperse(self, *, full_refresh: bool) -> None:
        """Put online what is new."""
        stores, group = self.stores, self.group
        self.progress(Progress(group.full_name, "disperse", self.steps - 1, self.steps))
        began = time.perf_counter()
        plan = planned(stores.spark, stores.catalog, stores.tables, stores.online, group, full_refresh=full_refresh)
        done = disperse(stores.spark, stores.catalog, stores.tables, stores.online, self.entity, group, plan, self.to)
        self.told = replace(
            self.told,
            rows_dispersed=done.taken,
            rows_removed=done.removed,
            rows_waiting=done.waiting,
            version=plan.version,
            since=plan.since and plan.since.version,
            seconds={**self.told.seconds, "disperse": time.perf_counter() - began},
        )

    def stay(self) -> None:
        """Leave what is online as it is."""
        self.told = replace(self.told, version=self.stores.tables.version(self.stores.spark, self.group), online=False)

    def _nothing_is_kept(self) -> bool:
        """Tell whether there is no table (any more), or none of the partials of these aggregates."""
        if not self._is_written():
            return True
        return self._has_windows() and self._windowed().kept() is None

    def _has_windows(self) -> bool:
        source = self.group.source
        return isinstance(source, BatchSource) and bool(source.aggregates)

    def _is_written(self) -> bool:
        return self.stores.tables.version(self.stores.spark, self.group) is not None

    def _windowed(self) -> Windowed:
        return Windowed.of(self.stores.spark, self.stores.tables, self.entity, self.group)

    def _watermark(self) -> dt.datetime | None:
        return self.stores.catalog.feeds.watermarks(self.group.full_name).get(OFFLINE)


def _now() -> dt.datetime:
    return utc(dt.datetime.now(dt.UTC))


def _backfill_name(group: FeatureGroup, start: dt.datetime, to: dt.datetime | None) -> str:
    """Name a backfill by its range and source: only the same one goes on where it was broken off."""
    source = "" if group.source is None else group.source.model_dump_json()
    text = f"{start.isoformat()} {'' if to is None else utc(to).isoformat()} {source}"
    return f"{BACKFILL}{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
