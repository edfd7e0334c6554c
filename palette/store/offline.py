"""What a store says about its history: tables, training sets, versions, snapshots of a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.row_mappings import check_frame
from palette.catalog import named_columns
from palette.catalog.definitions.resolve import resolve
from palette.definitions import Entity, FeatureGroup, GroupSchema
from palette.errors import DataError, DefinitionError
from palette.lazy_imports import require_spark
from palette.online import GroupTable, Snapshot, from_arrow
from palette.session import active_session, require_delta
from palette.store.arguments import check_name, check_version, listed, versions
from palette.store.base import StoreBase
from palette.times import to_micros, utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline import Lookup, Written

__all__ = ["OfflineDoors", "look_up"]


class OfflineDoors(StoreBase):
    """History of a store."""

    def write(self, group: str | FeatureGroup, rows: DataFrame, *, mode: str = "merge") -> Written:
        """Write rows of a feature group to its Delta table.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        rows : DataFrame
            Key columns, event time, features; an absent created column is stamped with the time of writing.
        mode : {"merge", "append"}
            ``merge`` can be repeated. A row with the same key and times (the event time, and the created time where
            the rows have one) is replaced: the last write wins. Where the created column is absent and stamped, a row
            whose values equal those of the newest row of its key and event time is not written again, and a
            different one is added and wins. Among ``rows`` themselves, of several with the same key and times the
            one with the greatest values is written, nulls being the least. ``append`` adds all rows as they are: of
            several with the same key and times the latest created, then the greatest values, count. A static
            group without created column has one row per key in either mode.

        Returns
        -------
        Written
            ``rows``, how many were added or changed, and ``version``, the version of the table that this write made,
            also where others write at the same time. Where nothing had to be written, 0 and the newest version.

        Raises
        ------
        SchemaError
            If a column is missing, unknown, or of another type than declared.
        DataError
            If rows lack a key or the event time; their number and a sample are told, and nothing is written.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
        >>> spark = spark_session(master="local[1]")
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> menu = FeatureGroup("menu", entity="restaurant", timestamp="at", features=[Feature("dishes", "bigint")])
        >>> store.apply(Entity("restaurant", keys={"id": "string"}), menu)
        >>> store.write(menu, spark.sql("SELECT 'r1' AS id, TIMESTAMP '2026-03-01' AS at, 40 AS dishes"))
        1 row, version 0
        >>> store.write(menu, spark.sql("SELECT 'r1' AS id, TIMESTAMP '2026-03-01' AS at, 8 AS dishes"))
        1 row, version 1
        >>> store.latest(menu).first().dishes
        8
        """
        found = self.group(group)
        check_frame(rows, "rows", DataError)
        if rows.isStreaming:
            raise DataError("rows is a stream: write each micro-batch, rows.writeStream.foreachBatch(write)")
        return self.tables.write(self.entity(found.entity), found, rows, mode=mode)

    def create_tables(self) -> list[str]:
        """Make the empty tables of groups that have none yet; return the groups. Else the first write makes them."""
        spark = _spark()
        own = [group for group in self.catalog.definitions.groups().values() if group.table is None]
        groups = [group for group in own if self.tables.version(spark, group) is None]
        for group in groups:
            self.tables.create(spark, self.entity(group.entity), group)
        return [group.full_name for group in groups]

    def training_set(
        self,
        basis: DataFrame,
        features: Mapping[str, str] | Sequence[str],
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
        status: bool = False,
    ) -> DataFrame:
        """Return the basis plus one column a feature: the value that was known at each row's time.

        Parameters
        ----------
        basis : DataFrame
            The rows that ask, with the join key columns; every row comes out exactly once, unchanged. Of a stream
            each micro-batch (``foreachBatch``).
        features : mapping of str to str, or sequence of str
            Output column to expression ``entity:group:feature:join_key``; of a sequence the columns are called
            like the features, and ``entity:group:*:join_key`` stands for all features of a group.
        timestamp : str, optional
            Column of the basis with each row's time (TIMESTAMP; TIMESTAMP_NTZ and DATE are read as UTC). Without it
            the latest values are taken, as for inference; of groups that have event times, a
            :class:`palette.errors.LatestValuesWarning` says so, since training data would leak the future.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that were written by the time asked for, too.
        version : mapping of str to int, or int, optional
            Group to table version, as :meth:`pins` returns it; other groups are read as they are now. A number alone
            will do where features of one group are read.
        hint : {"travel", "shuffle"}, optional
            Forces a join plan.
        status : bool
            Adds ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.

        Returns
        -------
        DataFrame
            Lazy; the basis is not executed here.

        Raises
        ------
        FeatureNotFoundError, SchemaError, DataError
            If a name is unknown, a column is missing, clashes or has the wrong type, or a group was never written.
        """
        check_frame(basis, "basis", DataError)
        from palette.offline.join.latest_values import untimed_groups, warn_latest_values

        lookups = self.lookups(features)
        rows = look_up(
            self,
            basis,
            lookups,
            list(named_columns(features, self.group)),
            timestamp=timestamp,
            point_in_time=point_in_time,
            version=version,
            hint=hint,
            status=status,
        )
        warn_latest_values(untimed_groups(lookups, timestamp), "timestamp= (--timestamp)", stacklevel=2)
        return rows

    def explain(
        self,
        basis: DataFrame,
        features: Mapping[str, str] | Sequence[str],
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
    ) -> str:
        """Tell which join plan :meth:`training_set` takes for these arguments, and why.

        Parameters
        ----------
        basis, features, timestamp, point_in_time, version, hint
            As for :meth:`training_set`; nothing is executed.

        Returns
        -------
        str
            A line for each feature group and join key.

        Raises
        ------
        FeatureNotFoundError, SchemaError, DataError
            As there.
        """
        check_frame(basis, "basis", DataError)
        from palette.offline import explain

        lookups = self.lookups(features)
        return explain(
            self.tables,
            basis,
            lookups,
            timestamp=timestamp,
            point_in_time=point_in_time,
            versions=versions(
                version, (one.group.full_name for one in lookups), lambda name: self.group(name).full_name
            ),
            hint=hint,
        )

    def lookups(self, features: Mapping[str, str] | Sequence[str]) -> list[Lookup]:
        """Return one look-up for each feature group and join key, with the columns it fills.

        Parameters
        ----------
        features : mapping of str to str, or sequence of str
            As for :meth:`training_set`.

        Raises
        ------
        FeatureNotFoundError, SchemaError
            If a name is unknown, or has another number of join keys than its entity has keys.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("restaurant", keys={"uuid": "string"}),
        ...             FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")]))
        >>> (lookup,) = store.lookups({"n": "restaurant:menu:dishes:r_id"})
        >>> lookup.group.full_name, lookup.join_keys, lookup.columns
        ('restaurant:menu', ('r_id',), {'n': 'dishes'})
        """
        require_spark()
        from palette.offline import Lookup

        found: dict[tuple[str, tuple[str, ...]], tuple[Entity, FeatureGroup, dict[str, str]]] = {}
        for column, name in named_columns(features, self.group).items():
            ref, entity, group, feature = resolve(self.catalog, name)
            wanted = found.setdefault((group.full_name, ref.join_keys), (entity, group, {}))
            wanted[2][column] = feature.name
        return [Lookup(entity, group, keys, columns) for (_, keys), (entity, group, columns) in found.items()]

    def pins(self, training_set: DataFrame) -> dict[str, int]:
        """Return the table versions that a training set was read from, as ``version=`` takes them.

        Parameters
        ----------
        training_set : DataFrame
            What :meth:`training_set` returned, or a selection of its columns.

        Returns
        -------
        dict of str to int
            Feature group to version.

        Raises
        ------
        DataError
            If no column carries its origin (metadata is lost in unions and in files), or columns of one group come
            from two versions.
        """
        check_frame(training_set, "training_set", DataError)
        from palette.offline import pinned_versions

        return pinned_versions(training_set.schema)

    def keep(self, name: str, versions: Mapping[str, int]) -> None:
        """Keep table versions from :meth:`vacuum`, under a name; :meth:`release` drops them.

        Parameters
        ----------
        name : str
            What they are kept for; versions kept under the same name before are released.
        versions : mapping of str to int
            Feature group to version, as :meth:`pins` returns them.

        Raises
        ------
        FeatureNotFoundError
            If there is no such group.
        """
        if not isinstance(versions, Mapping):
            raise DefinitionError(f"expected group to version, as pins() returns it, found {versions!r:.80}")
        numbers = {self.group(group).full_name: check_version(number) for group, number in versions.items()}
        self.catalog.pins.keep(check_name(name, "a name for what is kept"), numbers)

    def release(self, name: str) -> None:
        """Let vacuum remove what :meth:`keep` kept under this name."""
        self.catalog.pins.release(check_name(name, "the name that it was kept under"))

    def optimize(self, group: str | FeatureGroup) -> None:
        """Compact the small files of a group's table, and of the partial aggregates beside it."""
        found = self.group(group)
        entity, spark = self.entity(found.entity), _spark()
        from palette.feeds.windows.update import Windowed

        self.tables.optimize(spark, entity, found)
        if partials := Windowed.beside(spark, self.tables, entity, found):
            partials.optimize()

    def vacuum(self, group: str | FeatureGroup, *, hours: float = 168) -> None:
        """Remove files that no version younger than ``hours`` needs, except those of kept versions.

        The partial aggregates beside the table are cleaned as well.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        hours : float
            Readers and writers that are slower than this may lose their files.
        """
        found, spark = self.group(group), _spark()
        from palette.feeds.windows.update import Windowed

        kept = [pins[found.full_name] for pins in self.catalog.pins.all().values() if found.full_name in pins]
        self.tables.vacuum(spark, found, retain_pins=kept, hours=hours)
        if partials := Windowed.beside(spark, self.tables, self.entity(found.entity), found):
            partials.vacuum(hours)

    def history(
        self,
        group: str | FeatureGroup,
        keys: Iterable[Any] | DataFrame | None = None,
        *,
        start: dt.datetime | str | None = None,
        end: dt.datetime | str | None = None,
        version: int | None = None,
    ) -> DataFrame:
        """Return all rows of a group, as they were written.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable or DataFrame, optional
            Only the rows of these: values, or tuples or mappings for composite keys; or a DataFrame with the entity's
            key columns.
        start, end : datetime or str, optional
            Only rows whose event time is not before ``start`` and not after ``end``; naive is UTC.
        version : int, optional
            The version of the table to read; by default the newest.

        Returns
        -------
        DataFrame
            Lazy, in no order; keys, event time, created time, features. Features that the version lacks are left out.

        Raises
        ------
        FeatureNotFoundError, DataError
            If there is no such group or version, it was never written, or a key is null or of another type.
        DefinitionError
            If a static group is asked for a range of times.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
        >>> spark = spark_session(master="local[1]")
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> visits = FeatureGroup("visits", entity="shop", timestamp="day", features=[Feature("n", "bigint")])
        >>> store.apply(Entity("shop", keys={"id": "string"}), visits)
        >>> rows = spark.sql("SELECT id, timestamp('2026-03-01') day, n FROM VALUES ('s1', 4L), ('s2', 7L) AS t(id, n)")
        >>> _ = store.write(visits, rows)
        >>> store.history(visits, ["s2"], start=dt.datetime(2026, 3, 1)).select("id", "n").collect()
        [Row(id='s2', n=7)]
        """
        require_spark()
        from palette.offline.point_in_time import in_range

        found = self.group(group)
        version = None if version is None else check_version(version)
        times = [None if time is None else to_micros(utc(time)) for time in (start, end)]
        if found.timestamp is None and times != [None, None]:
            raise DefinitionError(f"{found.full_name} is static, its rows have no event time: leave out start and end")
        rows = self.tables.read(_spark(), self.entity(found.entity), found, version)
        return in_range(self._of_keys(rows, found, keys), found, *times)

    def _of_keys(self, rows: DataFrame, group: FeatureGroup, keys: Iterable[Any] | DataFrame | None) -> DataFrame:
        from palette.feeds.keys import deduplicate_keys, keys_frame

        if keys is None:
            return rows
        entity = self.entity(group.entity)
        wanted = keys_frame(rows.sparkSession, entity, deduplicate_keys(GroupSchema(entity, group), keys))
        return rows.join(wanted, list(entity.keys), "left_semi")

    def latest(
        self,
        group: str | FeatureGroup,
        keys: Iterable[Any] | DataFrame | None = None,
        *,
        at: dt.datetime | str | None = None,
        point_in_time: str = "event",
        version: int | None = None,
    ) -> DataFrame:
        """Return one row per key: the newest that counts at a moment, however old it is (a ttl does not apply).

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable or DataFrame, optional
            Only these, as :meth:`history` takes them.
        at : datetime or str, optional
            The moment, a text in ISO 8601; naive is UTC; default now. Rows of a later event time do not count.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that were written by then, too.
        version : int, optional
            The version of the table to read; by default the newest.

        Returns
        -------
        DataFrame
            Lazy; keys, event time, features.

        Raises
        ------
        FeatureNotFoundError, DataError, SchemaError
            If there is no such group, it was never written, or it has no created column.
        """
        found, at = self.group(group), utc(at or dt.datetime.now(dt.UTC))
        version = None if version is None else check_version(version)
        entity = self.entity(found.entity)
        rows = self.tables.latest(_spark(), entity, found, at=at, point_in_time=point_in_time, version=version)
        return self._of_keys(rows, found, keys)

    def snapshot(
        self,
        at: dt.datetime | str | None = None,
        groups: Iterable[str | FeatureGroup] | str | FeatureGroup | None = None,
        point_in_time: str = "event",
    ) -> Snapshot:
        """Take the newest rows of one moment into memory, to score from without Spark.

        Parameters
        ----------
        at : datetime or str, optional
            The moment, a text in ISO 8601; naive is UTC; default now.
        groups : iterable of str or FeatureGroup, optional
            One, or several. Default: all that have a table.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that were written by then, too; a group without a created column is then
            an error.

        Returns
        -------
        Snapshot
            ``save(path)`` it for a service; it needs no Spark.
        """
        at = utc(at or dt.datetime.now(dt.UTC))
        tables = self.tables
        if groups is None:
            spark = _spark()
            known = [
                group
                for group in self.catalog.definitions.groups().values()
                if tables.version(spark, group) is not None
            ]
        else:
            known = [self.group(group) for group in listed(groups)]
        return Snapshot([self._newest(group, at, point_in_time) for group in known], at)

    def _newest(self, group: FeatureGroup, at: dt.datetime, point_in_time: str) -> GroupTable:
        from palette.offline.arrow_export import arrow_rows

        entity = self.entity(group.entity)
        rows = self.tables.latest(_spark(), entity, group, at=at, point_in_time=point_in_time)
        return from_arrow(GroupSchema(entity, group), arrow_rows(rows, entity, group))


def look_up(
    store: OfflineDoors,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    order: Sequence[str],
    *,
    timestamp: str | None,
    point_in_time: str,
    version: Mapping[str, int] | int | None,
    hint: str | None = None,
    status: bool = False,
) -> DataFrame:
    """Return what :meth:`OfflineDoors.training_set` returns, for any purpose: inference reads the latest values."""
    from palette.offline import point_in_time_join

    return point_in_time_join(
        store.tables,
        basis,
        lookups,
        timestamp=timestamp,
        point_in_time=point_in_time,
        versions=versions(
            version, (lookup.group.full_name for lookup in lookups), lambda name: store.group(name).full_name
        ),
        hint=hint,
        status=status,
        order=order,
    )


def _spark() -> SparkSession:
    """Return the session that reads and writes the tables."""
    spark = active_session()
    require_delta(spark)
    return spark
