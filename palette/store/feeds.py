"""Methods of FeatureStore that fill its stores, and erase keys from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from palette.definitions import Entity, FeatureGroup, GroupSchema
from palette.errors import NotFoundError
from palette.lazy_imports import require_spark
from palette.online import OnlineStore
from palette.session import active_session, require_delta
from palette.store.arguments import entity_name, listed
from palette.store.base import StoreBase
from palette.times import utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.catalog import SqlCatalog
    from palette.feeds.context import Stores
    from palette.feeds.reports import Erased, Materialized, Progress

__all__ = ["FeedMethods", "groups_to_erase"]


class Options(TypedDict, total=False):
    """Options of :meth:`FeedMethods.materialize`."""

    start: dt.datetime | str | None
    chunk: str | dt.timedelta | None
    full_refresh: bool
    online: bool
    dry_run: bool
    progress: Callable[[Progress], Any] | None


class FeedMethods(StoreBase):
    """Feeds of a store (mixin)."""

    @property
    def keeps_online(self) -> bool:
        """Whether online rows outlive this process: those in Redis do, those in its memory do not."""
        return isinstance(self.online, OnlineStore) and self.online.durable

    @overload
    def materialize(  # type: ignore[overload-overlap]
        self, group: str | FeatureGroup, to: dt.datetime | str | None = None, **options: Unpack[Options]
    ) -> Materialized: ...

    @overload
    def materialize(
        self, group: Iterable[str | FeatureGroup], to: dt.datetime | str | None = None, **options: Unpack[Options]
    ) -> list[Materialized]: ...

    def materialize(
        self,
        group: str | FeatureGroup | Iterable[str | FeatureGroup],
        to: dt.datetime | str | None = None,
        *,
        start: dt.datetime | str | None = None,
        chunk: str | dt.timedelta | None = None,
        full_refresh: bool = False,
        online: bool = True,
        dry_run: bool = False,
        progress: Callable[[Progress], Any] | None = None,
    ) -> Materialized | list[Materialized]:
        """Bring a group up to date: compute the missing rows of its batch source, and publish the newest ones online.

        Of a group without source the rows that were written offline are published. An older row never replaces a newer
        one online; rows after ``to``, or more than five minutes ahead of the clock, are published by a later run.

        Parameters
        ----------
        group : str or FeatureGroup, or iterable of them
            ``entity:group``. Several are brought up to date sequentially; the first failure is raised, and groups
            before it stay up to date.
        to : datetime or str, optional
            Up to which event time; a string is ISO 8601; naive is UTC; default now.
        start : datetime or str, optional
            After which event time to compute, whatever was computed before: a backfill. By default the newest event
            time that the source has given, less its lookback (one day by default). An interrupted backfill is resumed
            when it is repeated.
        chunk : str or timedelta, optional
            Compute and write in steps of this length, ``"1d"``.
        full_refresh : bool
            Make the online store equal to the table, instead of publishing only what was written since the last run:
            newer online rows, rows of keys that are no longer in the table, and tombstones of its keys are replaced.
        online : bool
            Whether rows are published; otherwise only the table is written.
        dry_run : bool
            Report what would be done, and do nothing.
        progress : callable, optional
            Called with each step when it begins.

        Returns
        -------
        Materialized, or list of Materialized
            What was done; of several groups in their order.

        Raises
        ------
        LockedError
            If another run works on this group.
        StoreError
            If the online store fails, or cannot replace rows for ``full_refresh``.
        PlanError, DefinitionError, SchemaError, DataError
            If the source cannot be computed like this, or gives rows that the group cannot hold.
        """
        from palette.feeds.batch.intervals import check_range, parse_chunk

        schemas = [self._schema_of(name) for name in listed(group)]
        end, since, step = None if to is None else utc(to), None if start is None else utc(start), parse_chunk(chunk)
        # Of all groups, before Spark starts.
        for schema in schemas:
            check_range(schema.group, since, end or utc(dt.datetime.now(dt.UTC)), step)
        require_spark()
        from palette.feeds.batch.materialize import materialize
        from palette.feeds.batch.session_settings import startup_settings

        stores = self._stores(startup_settings(schema.group for schema in schemas))
        options: dict[str, Any] = {
            "full_refresh": full_refresh,
            "online": online,
            "dry_run": dry_run,
            "progress": progress,
        }
        done = [materialize(stores, schema, start=since, to=end, chunk=step, **options) for schema in schemas]
        return done[0] if isinstance(group, (str, FeatureGroup)) else done

    def _schema_of(self, group: str | FeatureGroup) -> GroupSchema:
        definition = self.group(group)
        return GroupSchema(self.entity(definition.entity), definition)

    def erase(
        self,
        target: str | Entity | FeatureGroup,
        keys: Iterable[Any] | DataFrame,
        *,
        snapshots: Iterable[str | Path] | str | Path = (),
        dry_run: bool = False,
    ) -> list[Erased]:
        """Erase keys for good: from Delta tables with all their versions, the online store, and saved snapshots.

        The files of older versions that hold the keys are deleted at once. The report lists the pins (training sets,
        models) whose version held them: they cannot be rebuilt. A late row of an erased key is rejected by the online
        store. The data that the rows were computed from is not touched: rows that a source still has return to the
        table when their time is computed again.

        Parameters
        ----------
        target : str, Entity or FeatureGroup
            An entity, ``"restaurant"``, for all its groups; or one group, ``"restaurant:menu"``. Groups that were
            removed from the catalog, but left a table or online rows, are included.
        keys : iterable or DataFrame
            Values, or tuples or mappings for composite keys; or a DataFrame with the entity's key columns.
        snapshots : iterable of str or Path
            Directories, or one, that :meth:`palette.Snapshot.save` wrote; each is replaced by one without the keys.
        dry_run : bool
            Count the rows, and erase nothing.

        Returns
        -------
        list of Erased
            A report for each group. Repeating an erasure that was interrupted completes it.

        Raises
        ------
        NotFoundError
            If there never was such an entity or group, or the entity has no groups.
        DataError
            If a key is null or of another type than the entity's; nothing is erased.
        LockedError
            If a run works on one of the groups; groups before it are erased.
        SnapshotError
            If one of the snapshots is not a snapshot; nothing is erased.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
        >>> spark = spark_session(master="local[1]")
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
        >>> store.apply(Entity("restaurant", keys={"id": "string"}), menu)
        >>> _ = store.write(menu, spark.createDataFrame([("r1", 40), ("r2", 8)], "id string, dishes bigint"))
        >>> print(*store.erase(menu, ["r2"]))
        restaurant:menu: 1 key, 1 row erased from the table (version 3), 0 online
        >>> store.latest(menu).collect()
        [Row(id='r1', dishes=40)]
        """
        require_spark()
        from palette.catalog.definitions.removed import last_definitions
        from palette.feeds.erase import erase

        paths = [snapshots] if isinstance(snapshots, (str, Path)) else list(snapshots)
        names = groups_to_erase(self.catalog, target)
        definitions = [last_definitions(self.catalog, name) for name in names]
        # An iterator can be consumed once only, and several groups read the keys.
        keys = list(keys) if isinstance(keys, Iterator) else keys
        return erase(self._stores(), definitions, keys, snapshots=paths, dry_run=dry_run)

    def _stores(self, settings: Mapping[str, str] | None = None) -> Stores:
        from palette.feeds.batch.source_functions import Modules
        from palette.feeds.context import Stores

        spark = active_session(settings)
        require_delta(spark)
        return Stores(spark, self.catalog, self.tables, self.online, Modules(self.modules, self.home))


def groups_to_erase(catalog: SqlCatalog, target: str | Entity | FeatureGroup) -> list[str]:
    """Return the full names of a group, or of all groups of an entity, removed ones included.

    Raises
    ------
    NotFoundError
        If there never was such an entity or group, or the entity has no groups.
    """
    from palette.catalog.definitions.removed import last_definitions, last_entity, removed_groups

    if isinstance(target, FeatureGroup):
        target = target.full_name
    name = entity_name(target)
    if ":" in name:
        return [last_definitions(catalog, name)[1].full_name]
    last_entity(catalog, name)
    groups = [group.full_name for group in catalog.definitions.groups().values() if group.entity == name]
    groups += removed_groups(catalog, name)
    if not groups:
        raise NotFoundError(f"{name} has no feature groups: there is nothing to erase")
    return groups
