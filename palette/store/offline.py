"""Table methods of FeatureStore: writes, history, latest values, snapshots, versions, maintenance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dsl.row_mappings import check_frame
from palette.definitions import FeatureGroup, GroupSchema
from palette.errors import ArgumentError, DataError
from palette.lazy_imports import require_spark
from palette.online import GroupTable, Snapshot, from_arrow
from palette.session import active_session, require_delta
from palette.store.arguments import check_name, check_version, listed
from palette.store.base import StoreBase
from palette.times import to_micros, utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline import Written

__all__ = ["OfflineMethods"]


class OfflineMethods(StoreBase):
    """Table methods of FeatureStore (mixin)."""

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
            If rows lack a key or the event time; the message has their number and a sample, and nothing is written.

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
        schema = self._schema(group)
        check_frame(rows, "rows", DataError)
        if rows.isStreaming:
            raise DataError("rows is a stream: write each micro-batch, rows.writeStream.foreachBatch(write)")
        return self.tables.write(schema, rows, mode=mode)

    def create_tables(self) -> list[str]:
        """Create empty tables for groups without one, and return the groups; otherwise the first write creates them."""
        spark = _spark()
        own = [group for group in self.catalog.definitions.groups().values() if group.table is None]
        groups = [group for group in own if self.tables.version(spark, group) is None]
        for group in groups:
            self.tables.create(spark, self._schema(group))
        return [group.full_name for group in groups]

    def keep(self, name: str, versions: Mapping[str, int]) -> None:
        """Pin table versions under a name, so that :meth:`vacuum` spares them; :meth:`release` drops the pin.

        Parameters
        ----------
        name : str
            Name of the pin; versions that were pinned under the same name before are released.
        versions : mapping of str to int
            Feature group to version, as :meth:`pins` returns them.

        Raises
        ------
        FeatureNotFoundError
            If there is no such group.
        """
        if not isinstance(versions, Mapping):
            raise ArgumentError(f"expected group to version, as pins() returns it, found {versions!r:.80}")
        numbers = {self.group(group).full_name: check_version(number) for group, number in versions.items()}
        self.catalog.pins.keep(check_name(name, "a name for the pin"), numbers)

    def release(self, name: str) -> None:
        """Drop the pin that :meth:`keep` made under this name."""
        self.catalog.pins.release(check_name(name, "the name of a pin"))

    def optimize(self, group: str | FeatureGroup) -> None:
        """Compact the small files of a group's table, and of the partial aggregates next to it.

        A history that is too large to be broadcast is prepared for joins, so that the next one need not do it.
        """
        schema, spark = self._schema(group), _spark()
        from palette.feeds.windows.update import Windowed
        from palette.offline.join.planner import prepare_large

        self.tables.optimize(spark, schema)
        if partials := Windowed.find(spark, self.tables, schema):
            partials.optimize()
        prepare_large(self.tables.open(spark, schema))

    def vacuum(self, group: str | FeatureGroup, *, hours: float = 168) -> None:
        """Remove files that no version younger than ``hours`` needs, except those of pinned versions.

        The partial aggregates next to the table are cleaned as well, and what was prepared for joins of versions that
        are removed.

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        hours : float
            Readers and writers that take longer may lose their files.
        """
        schema, spark = self._schema(group), _spark()
        from palette.feeds.windows.update import Windowed
        from palette.offline.prepared.store import vacuum_prepared

        pinned = [pins[schema.name] for pins in self.catalog.pins.all().values() if schema.name in pins]
        self.tables.vacuum(spark, schema.group, retain_pins=pinned, hours=hours)
        if partials := Windowed.find(spark, self.tables, schema):
            partials.vacuum(hours)
        vacuum_prepared(self.tables, schema.group, pinned, hours)

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
        ArgumentError
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

        schema = self._schema(group)
        version = None if version is None else check_version(version)
        times = [None if time is None else to_micros(utc(time)) for time in (start, end)]
        if schema.timestamp is None and times != [None, None]:
            raise ArgumentError(f"{schema.name} is static, its rows have no event time: leave out start and end")
        rows = self.tables.read(_spark(), schema, version)
        return in_range(_filter_keys(rows, schema, keys), schema, *times)

    def _schema(self, group: str | FeatureGroup) -> GroupSchema:
        return GroupSchema(*self.resolve_group(group))

    def latest(
        self,
        group: str | FeatureGroup,
        keys: Iterable[Any] | DataFrame | None = None,
        *,
        at: dt.datetime | str | None = None,
        point_in_time: str = "event",
        version: int | None = None,
    ) -> DataFrame:
        """Return one row per key: the newest one known at a time, however old it is (a ttl does not apply).

        Parameters
        ----------
        group : str or FeatureGroup
            ``entity:group``.
        keys : iterable or DataFrame, optional
            Only these, as :meth:`history` accepts them.
        at : datetime or str, optional
            The time, a datetime or a string in ISO 8601; naive is UTC; default now. Rows with a later event time do not
            count.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that had also been written by then.
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
        schema, at = self._schema(group), utc(at or dt.datetime.now(dt.UTC))
        version = None if version is None else check_version(version)
        rows = self.tables.latest(_spark(), schema, at=at, point_in_time=point_in_time, version=version)
        return _filter_keys(rows, schema, keys)

    def snapshot(
        self,
        at: dt.datetime | str | None = None,
        groups: Iterable[str | FeatureGroup] | str | FeatureGroup | None = None,
        point_in_time: str = "event",
    ) -> Snapshot:
        """Read the newest rows at a time into memory, for scoring without Spark.

        Parameters
        ----------
        at : datetime or str, optional
            The time, a datetime or a string in ISO 8601; naive is UTC; default now.
        groups : iterable of str or FeatureGroup, optional
            One, or several. Default: all that have a table.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that had also been written by then; a group without a created column is then
            an error.

        Returns
        -------
        Snapshot
            ``save(path)`` it for a service; it needs no Spark.
        """
        at = utc(at or dt.datetime.now(dt.UTC))
        if groups is None:
            tables, spark = self.tables, _spark()
            declared = self.catalog.definitions.groups().values()
            selected = [group for group in declared if tables.version(spark, group) is not None]
        else:
            selected = [self.group(group) for group in listed(groups)]
        return Snapshot([self._newest(group, at, point_in_time) for group in selected], at)

    def _newest(self, group: FeatureGroup, at: dt.datetime, point_in_time: str) -> GroupTable:
        from palette.offline.arrow_export import arrow_rows

        schema = self._schema(group)
        rows = self.tables.latest(_spark(), schema, at=at, point_in_time=point_in_time)
        return from_arrow(schema, arrow_rows(rows, schema))


def _filter_keys(rows: DataFrame, schema: GroupSchema, keys: Iterable[Any] | DataFrame | None) -> DataFrame:
    """Return the rows of some keys; of all keys without any."""
    from palette.feeds.keys import deduplicate_keys, keys_frame

    if keys is None:
        return rows
    selected = keys_frame(rows.sparkSession, schema.entity, deduplicate_keys(schema, keys))
    return rows.join(selected, list(schema.keys), "left_semi")


def _spark() -> SparkSession:
    """Return the session that reads and writes the tables."""
    spark = active_session()
    require_delta(spark)
    return spark
