"""Publication from the Delta table to the online store: the rows that commits have added since the last time.

What is online is recorded as a version of the table, not as an event time, so rows that come late go online as well.
Rows of a future event time are left out, and are looked for again the next time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from palette.catalog.feeds.feeds import Dispersal
from palette.columns import exact_column
from palette.feeds.context import Table
from palette.feeds.publish_workers import fill_online, retain_online
from palette.offline.delta.change_feed import rows_since
from palette.offline.delta.version import open_version
from palette.offline.point_in_time import latest
from palette.online.store import MAX_AHEAD, require_store
from palette.times import now_micros, to_datetime, to_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import GroupSchema
    from palette.feeds.context import Stores

__all__ = ["Publication", "Published", "plan_publish", "publish"]


@dataclass(frozen=True)
class Publication:
    """What is to go online.

    Parameters
    ----------
    schema : GroupSchema
        Of the group.
    table : Table
        The version to publish.
    to : datetime
        Up to which event time.
    since : Dispersal, optional
        What is online already; None: all rows go.
    full_refresh : bool
        Whether the rows replace what is online, newer rows and tombstones included.
    """

    schema: GroupSchema
    table: Table
    to: dt.datetime
    since: Dispersal | None
    full_refresh: bool = False


class Published(NamedTuple):
    """Rows that were written online, that were removed there, and that wait for their time."""

    written: int = 0
    removed: int = 0
    waiting: int = 0


def plan_publish(
    stores: Stores, schema: GroupSchema, table: Table | None, *, to: dt.datetime, full_refresh: bool = False
) -> Publication:
    """Return what is to go online.

    All rows go if the catalog does not know up to which version this store was filled, if it was filled from another
    table of the same name, or if the store has lost them.

    Raises
    ------
    DataError
        If there is no table.
    StoreError
        If a full refresh is requested of a store that cannot replace rows.
    """
    if table is None:
        version = stores.tables.resolve(stores.spark, schema.group)
        table = Table(version, stores.tables.identity(stores.spark, schema.group, version))
    store = require_store(stores.online, schema.name)
    if full_refresh and not store.can_replace:
        store.replace(schema.name, ())  # raises the error that names the remedy
    target = store.identity()
    since = None if target is None or full_refresh else stores.catalog.feeds.dispersal(schema.name, target)
    if since is not None and (
        since.identity != table.identity or since.version > table.version or not store.holds(schema.name)
    ):
        since = None
    return Publication(schema, table, to, since, full_refresh)


def publish(stores: Stores, plan: Publication) -> Published:
    """Put the newest rows online, and record the version that is online.

    Rows that are further ahead of the clock than online stores accept wait, whatever ``to`` is.
    """
    schema, since = plan.schema, plan.since
    if since is not None and since.version == plan.table.version and since.left_from is None:
        return Published()
    at = min(plan.to, to_datetime(now_micros()) + MAX_AHEAD)
    # Before the rows are written: a store that is emptied meanwhile gets another identity.
    target = stores.online.identity(make=True)
    rows = _rows(stores, plan)
    newest = latest(rows, schema, "event", to_micros(at))
    written = fill_online(stores.online, newest, schema, replace=plan.full_refresh)
    removed = retain_online(stores.online, newest, schema) if plan.full_refresh else 0
    waiting = 0 if schema.timestamp is None else rows.filter(_after(schema.timestamp, at)).count()
    if target is not None:
        left_from = at if waiting else None
        stores.catalog.feeds.set_dispersal(
            schema.name, target, Dispersal(plan.table.identity, plan.table.version, left_from)
        )
    return Published(written, removed, waiting)


def _rows(stores: Stores, plan: Publication) -> DataFrame:
    schema, since = plan.schema, plan.since
    version = open_version(stores.tables, stores.spark, schema, plan.table.version)
    table = version.read()
    if since is None:
        return table
    try:
        rows = rows_since(version, since.version)
    except AnalysisException:
        return table  # the log goes back no further
    if since.left_from is not None and schema.timestamp is not None:
        rows = rows.unionByName(table.filter(_after(schema.timestamp, since.left_from)))
    # With the older rows of the same keys and times, which may win by the tie rule.
    tied = list(schema.required)
    if schema.timestamp is not None:
        # Files that hold only earlier times are skipped.
        earliest = rows.agg(F.unix_micros(F.min(exact_column(schema.timestamp)))).first()[0]
        table = table.filter(exact_column(schema.timestamp) >= F.timestamp_micros(F.lit(earliest).cast("bigint")))
    return table.join(rows.select(*tied).distinct(), tied, "left_semi")


def _after(timestamp: str, time: dt.datetime) -> Column:
    return exact_column(timestamp) > F.timestamp_micros(F.lit(to_micros(time)))
