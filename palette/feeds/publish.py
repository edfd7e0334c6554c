"""From the Delta table into the online store: what commits have added since the last time.

What went online is known by the table's version, not by an event time, so rows that come late go online as well.
Rows of an event time that has not come yet are left out, and are looked for again the next time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from palette.catalog.feeds.feeds import Dispersal
from palette.columns import exact_column
from palette.definitions import GroupSchema
from palette.feeds.publish_workers import fill_online, retain_online
from palette.offline.delta.change_feed import rows_since
from palette.offline.point_in_time import latest
from palette.online.store import AHEAD, require_store
from palette.times import now_micros, to_datetime, to_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.catalog import SqlCatalog
    from palette.definitions import Entity, FeatureGroup
    from palette.offline import DeltaTables

__all__ = ["Planned", "disperse", "planned"]


@dataclass(frozen=True)
class Planned:
    """What is to go online.

    Parameters
    ----------
    version : int
        Of the table.
    identity : str
        Of the table.
    since : Dispersal, optional
        What is online already; None: everything is to go.
    replaces : bool
        Whether the table takes the place of what is online, newer rows and deletions as well.
    """

    version: int
    identity: str
    since: Dispersal | None
    replaces: bool = False


class Dispersed(NamedTuple):
    """Rows that took their place online, that are gone from there, and that wait for their time."""

    taken: int = 0
    removed: int = 0
    waiting: int = 0


def planned(
    spark: SparkSession,
    catalog: SqlCatalog,
    tables: DeltaTables,
    online: Any,
    group: FeatureGroup,
    *,
    full_refresh: bool = False,
) -> Planned:
    """Tell what is to go online.

    Everything, if the catalog does not know up to which version this store was filled, if it was filled from another
    table of the same name, or if the store has lost it.

    Raises
    ------
    StoreError
        If ``full_refresh`` is to be made equal to the table, and the store cannot take rows back.
    """
    version = tables.resolve(spark, group)
    identity = tables.identity(spark, group, version)
    store = require_store(online, group.full_name)
    if full_refresh and not store.can_replace:
        store.replace(group.full_name, ())  # raises the error that names the remedy
    target = store.identity()
    since = None if target is None else catalog.feeds.dispersal(group.full_name, target)
    if since is not None and (
        full_refresh or since.identity != identity or since.version > version or not store.holds(group.full_name)
    ):
        since = None
    return Planned(version, identity, since, full_refresh)


def disperse(
    spark: SparkSession,
    catalog: SqlCatalog,
    tables: DeltaTables,
    online: Any,
    entity: Entity,
    group: FeatureGroup,
    plan: Planned,
    at: dt.datetime,
) -> Dispersed:
    """Put the newest rows up to a moment online, and record it.

    Rows that are ahead of the clock by more than online stores take wait, whatever the moment.
    """
    since = plan.since
    if since is not None and since.version == plan.version and since.left_from is None:
        return Dispersed()
    at = min(at, to_datetime(now_micros()) + AHEAD)
    # Before the rows: one that is emptied meanwhile is another store.
    target = online.identity(make=True)
    rows = _rows(spark, tables, entity, group, plan)
    newest = latest(rows, GroupSchema(entity, group), "event", to_micros(at))
    taken = fill_online(online, newest, entity, group, replace=plan.replaces)
    removed = retain_online(online, newest, entity, group) if plan.replaces else 0
    waiting = 0 if group.timestamp is None else rows.filter(_after(group.timestamp, at)).count()
    if target is not None:
        left = at if waiting else None
        catalog.feeds.set_dispersal(group.full_name, target, Dispersal(plan.identity, plan.version, left))
    return Dispersed(taken, removed, waiting)


def _rows(spark: SparkSession, tables: DeltaTables, entity: Entity, group: FeatureGroup, plan: Planned) -> DataFrame:
    whole = tables.read(spark, GroupSchema(entity, group), plan.version)
    if plan.since is None:
        return whole
    try:
        rows = rows_since(tables, spark, GroupSchema(entity, group), plan.since.version, plan.version)
    except AnalysisException:
        return whole  # the log goes back no further
    if plan.since.left_from is not None and group.timestamp is not None:
        rows = rows.unionByName(whole.filter(_after(group.timestamp, plan.since.left_from)))
    # With the older rows of the same keys and times, that one of them wins by the tie rule, too.
    tied = list(entity.keys)
    if group.timestamp is not None:
        tied.append(group.timestamp)
        # Files that hold only earlier times are skipped.
        earliest = rows.agg(F.unix_micros(F.min(exact_column(group.timestamp)))).first()[0]
        whole = whole.filter(exact_column(group.timestamp) >= F.timestamp_micros(F.lit(earliest).cast("bigint")))
    return whole.join(rows.select(*tied).distinct(), tied, "left_semi")


def _after(timestamp: str, time: dt.datetime) -> Column:
    return exact_column(timestamp) > F.timestamp_micros(F.lit(to_micros(time)))
