"""A run over a group: plan, compute into the Delta table, publish to the online store."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from palette.errors import CatalogError
from palette.feeds.batch.compute import Computed, compute
from palette.feeds.batch.intervals import parse_chunk
from palette.feeds.batch.plan import plan
from palette.feeds.batch.session_settings import session_settings
from palette.feeds.publish import plan_publish, publish
from palette.feeds.reports import Materialized, Progress

if TYPE_CHECKING:
    from palette.definitions import GroupSchema
    from palette.feeds.batch.plan import Work
    from palette.feeds.context import Stores

__all__ = ["materialize"]

KIND = "materialize"


def materialize(
    stores: Stores,
    schema: GroupSchema,
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
        If the group, or this range of it, cannot be computed.
    """
    feeds, name, progress = stores.catalog.feeds, schema.name, progress or (lambda _: None)
    if dry_run:
        work = plan(stores, schema, start=start, to=to, chunk=parse_chunk(chunk))
        return _preview(stores, work, full_refresh=full_refresh, online=online)
    with feeds.lock(name) as lease, session_settings(stores.spark, schema.group):
        # Raises before anything is recorded.
        work = plan(stores, schema, start=start, to=to, chunk=parse_chunk(chunk))
        feeds.end_lost_runs(name, KIND)  # their processes are gone, since the lock is ours
        number = feeds.start_run(name, KIND, details={"to": work.to.isoformat()})
        done, steps = Computed.nothing(work), len(work.intervals) + 1
        try:
            for computed in compute(stores, work, lease, progress):
                done = computed
            lease.check()
            report = replace(done.report, version=done.table and done.table.version, online=online)
            if online:
                progress(Progress(name, "disperse", steps - 1, steps))
                report = _publish(stores, work, done, full_refresh=full_refresh)
        except BaseException as error:
            # This error matters, even where it cannot be recorded.
            with contextlib.suppress(CatalogError):
                fault = f"{type(error).__name__}: {error}"[:1000]
                feeds.end_run(number, "failed", details=done.report.to_json() | {"error": fault})
            raise
        feeds.end_run(number, "done", details=report.to_json())
        progress(Progress(name, "done", steps, steps))
    return report


def _preview(stores: Stores, work: Work, *, full_refresh: bool, online: bool) -> Materialized:
    """Return the report of a dry run."""
    done = Computed.nothing(work)
    report = replace(done.report, intervals=work.intervals, dry_run=True)
    if not online or work.table is None:
        return replace(report, online=online, version=work.table and work.table.version)
    publishing = plan_publish(stores, work.schema, work.table, to=work.to, full_refresh=full_refresh)
    return replace(report, version=publishing.table.version, since=publishing.since and publishing.since.version)


def _publish(stores: Stores, work: Work, done: Computed, *, full_refresh: bool) -> Materialized:
    """Put the new rows online."""
    began = time.perf_counter()
    publishing = plan_publish(stores, work.schema, done.table, to=work.to, full_refresh=full_refresh)
    published = publish(stores, publishing)
    return replace(
        done.report,
        rows_dispersed=published.written,
        rows_removed=published.removed,
        rows_waiting=published.waiting,
        version=publishing.table.version,
        since=publishing.since and publishing.since.version,
        seconds={**done.report.seconds, "disperse": time.perf_counter() - began},
    )
