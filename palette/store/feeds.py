"""What fills the stores of a feature store, and what takes out of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.definitions.types import utc
from palette.store.definitions import DefinitionDoors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import FeatureGroup
    from palette.feeds.stores import Stores
    from palette.feeds.summary import Erased, Materialized, Progress

__all__ = ["FeedDoors"]


class FeedDoors(DefinitionDoors):
    """Feeds of a store."""

    @property
    def keeps_online(self) -> bool:
        """Whether what goes online is there when this process has ended: in Redis, say, but not in its memory."""
        return getattr(getattr(self.online, "behind", self.online), "place", None) is not None

    def materialize(
        self,
        group: str | FeatureGroup,
        to: dt.datetime | None = None,
        *,
        start: dt.datetime | None = None,
        chunk: str | dt.timedelta | None = None,
        everything: bool = False,
        online: bool = True,
        dry_run: bool = False,
        progress: Callable[[Progress], Any] | None = None,
    ) -> Materialized:
        """Bring a group up to date: compute what is missing from its batch source, and put the newest rows online.

        Without a batch source the offline rows, as they were written, go online. An older row never replaces a newer
        one there, and rows after ``to`` do not go yet.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        to : datetime, optional
            Up to which event time; naive is UTC; default now.
        start : datetime, optional
            After which event time to compute, even what was computed before: a backfill. By default from where the
            last run ended, less the source's lookback. A backfill that was broken off goes on when it is repeated.
        chunk : str or timedelta, optional
            Computes and writes in steps of this length, ``"1d"``.
        everything : bool
            Puts the newest row of every key online, not only what was written since the last time.
        online : bool
            Whether rows go online at all; without it only the table is written.
        dry_run : bool
            Only tells what would be done.
        progress : callable, optional
            Is told each step when it begins.

        Returns
        -------
        Materialized
            What was done.

        Raises
        ------
        LockedError
            If another run works on this group.
        PlanError, DefinitionError, SchemaError, DataError
            If the source cannot be computed like this, or gives rows that the group cannot hold.
        """
        from palette.feeds.intervals import check_range, span

        # Before Spark starts.
        check_range(self.group(group), start, utc(to or dt.datetime.now(dt.UTC)), span(chunk))
        from palette.feeds.materialize import materialize

        found = self.group(group)
        how: dict[str, Any] = {"everything": everything, "online": online, "dry_run": dry_run, "progress": progress}
        return materialize(self._stores(), self.entity(found.entity), found, start=start, to=to, chunk=chunk, **how)

    def delete(
        self,
        group: str | FeatureGroup,
        keys: Iterable[Any] | DataFrame,
        *,
        snapshots: Iterable[str | Path] = (),
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
            ``entity:group``.
        keys : iterable or DataFrame
            Values, or tuples or mappings for composite keys; or a DataFrame with the entity's key columns.
        snapshots : iterable of str or Path
            Directories that :meth:`palette.Snapshot.save` wrote; each is replaced by one without the keys.
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
        from palette.feeds.erasure import erase

        found = self.group(group)
        return erase(self._stores(), self.entity(found.entity), found, keys, snapshots=snapshots, dry_run=dry_run)

    def _stores(self) -> Stores:
        from palette.feeds.functions import Modules
        from palette.feeds.stores import Stores
        from palette.session import active_session

        return Stores(active_session(), self.catalog, self.tables, self.online, Modules(self.modules, self.home))
