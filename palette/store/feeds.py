"""What fills the stores of a feature store, and what takes out of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from palette.definitions import FeatureGroup
from palette.lazy_imports import require_spark
from palette.session import active_session, require_delta
from palette.store.arguments import listed
from palette.store.definitions import DefinitionDoors
from palette.times import utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.feeds.context import Stores
    from palette.feeds.reports import Erased, Materialized, Progress

__all__ = ["FeedDoors"]


class How(TypedDict, total=False):
    """What :meth:`FeedDoors.materialize` takes besides groups and time."""

    start: dt.datetime | str | None
    chunk: str | dt.timedelta | None
    everything: bool
    online: bool
    dry_run: bool
    progress: Callable[[Progress], Any] | None


class FeedDoors(DefinitionDoors):
    """Feeds of a store."""

    @property
    def keeps_online(self) -> bool:
        """Whether what goes online is there when this process has ended: in Redis, say, but not in its memory."""
        return getattr(getattr(self.online, "behind", self.online), "place", None) is not None

    @overload
    def materialize(  # type: ignore[overload-overlap]
        self, group: str | FeatureGroup, to: dt.datetime | str | None = None, **how: Unpack[How]
    ) -> Materialized: ...

    @overload
    def materialize(
        self, group: Iterable[str | FeatureGroup], to: dt.datetime | str | None = None, **how: Unpack[How]
    ) -> list[Materialized]: ...

    def materialize(
        self,
        group: str | FeatureGroup | Iterable[str | FeatureGroup],
        to: dt.datetime | str | None = None,
        *,
        start: dt.datetime | str | None = None,
        chunk: str | dt.timedelta | None = None,
        everything: bool = False,
        online: bool = True,
        dry_run: bool = False,
        progress: Callable[[Progress], Any] | None = None,
    ) -> Materialized | list[Materialized]:
        """Bring a group up to date: compute what is missing from its batch source, and put the newest rows online.

        Without a batch source the offline rows, as they were written, go online. An older row never replaces a newer
        one there; rows after ``to``, and those more than five minutes ahead of the clock, do not go yet.

        Parameters
        ----------
        group : str or FeatureGroup, or iterable of them
            ``entity:group``. Several are brought up to date one after the other; one that fails ends it, and what was
            done before stays.
        to : datetime or str, optional
            Up to which event time, a text in ISO 8601; naive is UTC; default now.
        start : datetime or str, optional
            After which event time to compute, even what was computed before: a backfill. By default from the newest
            event time that the source has given, less its lookback (a day unless it says otherwise). A backfill that
            was broken off goes on when it is repeated.
        chunk : str or timedelta, optional
            Computes and writes in steps of this length, ``"1d"``.
        everything : bool
            Makes what is online equal to the table, not only what was written since the last time: newer rows that are
            online, rows of keys that the table has no more, and deletions of keys that it has give way.
        online : bool
            Whether rows go online at all; without it only the table is written.
        dry_run : bool
            Only tells what would be done.
        progress : callable, optional
            Is told each step when it begins.

        Returns
        -------
        Materialized, or list of Materialized
            What was done; of several groups in their order.

        Raises
        ------
        LockedError
            If another run works on this group.
        StoreError
            If the online store fails, or cannot take rows back for ``everything``.
        PlanError, DefinitionError, SchemaError, DataError
            If the source cannot be computed like this, or gives rows that the group cannot hold.
        """
        from palette.feeds.intervals import check_range, span

        groups = [self.group(one) for one in listed(group)]
        end, since, step = None if to is None else utc(to), None if start is None else utc(start), span(chunk)
        # All of them, before Spark starts.
        for one in groups:
            check_range(one, since, end or utc(dt.datetime.now(dt.UTC)), step)
        require_spark()
        from palette.feeds.materialize import materialize

        stores = self._stores()
        how: dict[str, Any] = {"everything": everything, "online": online, "dry_run": dry_run, "progress": progress}
        done = [
            materialize(stores, self.entity(one.entity), one, start=since, to=end, chunk=step, **how) for one in groups
        ]
        return done[0] if isinstance(group, (str, FeatureGroup)) else done

    def delete(
        self,
        group: str | FeatureGroup,
        keys: Iterable[Any] | DataFrame,
        *,
        snapshots: Iterable[str | Path] | str | Path = (),
        dry_run: bool = False,
    ) -> Erased:
        """Erase keys: from the Delta table with all its versions, the online store, and saved snapshots.

        The files of older versions that hold the keys are deleted for good, at once. Training sets whose pinned
        version held them cannot be rebuilt any more; they are told. A late row of an erased key stays dead in the
        online store. What the key's rows were computed from is not touched: rows that its source still has come
        back to the table when that time is computed again.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``; also one that was removed from the catalog, whose table and online rows are left.
        keys : iterable or DataFrame
            Values, or tuples or mappings for composite keys; or a DataFrame with the entity's key columns.
        snapshots : iterable of str or Path
            Directories, or one, that :meth:`palette.Snapshot.save` wrote; each is replaced by one without the keys.
        dry_run : bool
            Only tells what is there.

        Returns
        -------
        Erased
            How many rows went from where, and which pins are lost. Repeating it after it was broken off completes it.

        Raises
        ------
        DataError
            If a key is null or of another type than the entity's; nothing is erased.
        LockedError
            If a run works on this group.
        SnapshotError
            If one of the snapshots is none; nothing is erased.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
        >>> spark = spark_session(master="local[1]")
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
        >>> store.apply(Entity("restaurant", keys={"id": "string"}), menu)
        >>> _ = store.write(menu, spark.createDataFrame([("r1", 40), ("r2", 8)], "id string, dishes bigint"))
        >>> print(store.delete(menu, ["r2"]))
        restaurant:menu: 1 key, 1 row erased from the table (version 3), 0 online
        >>> store.latest(menu).collect()
        [Row(id='r1', dishes=40)]
        """
        require_spark()
        from palette.catalog.definitions.removed import last_definitions
        from palette.feeds.erase import erase

        if isinstance(snapshots, (str, Path)):
            snapshots = [snapshots]
        entity, found = last_definitions(self.catalog, group if isinstance(group, str) else group.full_name)
        return erase(self._stores(), entity, found, keys, snapshots=snapshots, dry_run=dry_run)

    def _stores(self) -> Stores:
        from palette.feeds.context import Stores
        from palette.feeds.source_functions import Modules

        spark = active_session()
        require_delta(spark)
        return Stores(spark, self.catalog, self.tables, self.online, Modules(self.modules, self.home))
