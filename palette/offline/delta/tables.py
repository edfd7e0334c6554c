"""Feature groups as Delta tables: write, read, time travel, upkeep."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

from palette.errors import DataError, DefinitionError
from palette.offline.delta import external_tables, merge
from palette.offline.delta.commits import Written, find_commit, metadata, new_mark
from palette.offline.delta.log_reader import Files, Unreadable, newest_version, read_log
from palette.offline.delta.maintenance import compact, delete_unused, sql_name
from palette.offline.delta.retry import repeated
from palette.offline.delta.schema_evolution import evolution, widen
from palette.offline.delta.validate import conform, converted, readable, refuse_bad_rows, require, stored_types
from palette.offline.point_in_time import latest
from palette.offline.times import spark_type
from palette.paths import has_scheme
from palette.session import require_delta
from palette.times import now_micros, to_datetime_or_none, to_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import Entity, FeatureGroup

__all__ = ["DeltaTables"]

METASTORE = external_tables.METASTORE
# A training set can be rebuilt as long as the log and the removed files are there; only vacuum deletes them.
KEEP = "interval 3650 days"
PROPERTIES = {"delta.logRetentionDuration": KEEP, "delta.deletedFileRetentionDuration": KEEP}


class DeltaTables:
    """The tables of all feature groups, under one root.

    Parameters
    ----------
    root : str
        A directory or any Hadoop path; or ``"metastore:catalog.schema"`` for tables of the session's metastore.

    Examples
    --------
    >>> from palette.definitions import Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> DeltaTables("s3a://features").identifier(menu), DeltaTables("metastore:main.features").identifier(menu)
    ('delta.`s3a://features/restaurant/menu`', 'main.features.restaurant__menu')
    """

    def __init__(self, root: str) -> None:
        elsewhere = has_scheme(root) or root.startswith((METASTORE, "dbfs:"))
        self.root = root.rstrip("/") if elsewhere else os.path.abspath(root)

    def identifier(self, group: FeatureGroup) -> str:
        """Return the name by which SQL knows the table of a group."""
        if group.table is not None:
            return external_tables.identifier(group.table)
        if self.root.startswith(METASTORE):
            # Else a:b__c and a__b:c would be one table, and a:_b and a_:b.
            if "__" in group.entity or group.entity.endswith("_"):
                raise DefinitionError(
                    f"{group.full_name}: in a metastore the name of an entity must not have '__' in it or end in '_', "
                    f"since tables are called <entity>__<group>: rename {group.entity!r}, or use a store of files"
                )
            return f"{self.root.removeprefix(METASTORE)}.{group.entity}__{group.name}"
        return f"delta.{sql_name(self.path(group))}"

    def path(self, group: FeatureGroup) -> str:
        """Return where the table of a group is; in a metastore that does not tell."""
        if group.table is not None:
            return external_tables.path(group.table)
        return f"{self.root}/{group.entity}/{group.name}"

    def version(self, spark: SparkSession, group: FeatureGroup) -> int | None:
        """Return the newest version of a group's table; None if nothing was written yet."""
        # Looking at the log's file names first: asking Spark costs a tenth of a second a table.
        if (newest := newest_version(self.path(group))) is not None:
            return newest
        history = self._history(spark, group, limit=1)
        return history[0][0] if history else None

    def _history(self, spark: SparkSession, group: FeatureGroup, limit: int) -> list[tuple[int, int]]:
        """Return (version, commit time in microseconds) of the newest commits, newest first."""
        require_delta(spark)
        query = f"DESCRIBE HISTORY {self.identifier(group)} LIMIT {limit}"
        try:
            rows = spark.sql(query).select("version", F.unix_micros("timestamp")).collect()
        except AnalysisException as error:
            condition = error.getCondition() or ""
            if "DELTA" in condition or "NOT_FOUND" in condition:
                return []
            raise
        return [(row[0], row[1]) for row in rows]

    def write(self, entity: Entity, group: FeatureGroup, df: DataFrame, mode: str = "merge") -> Written:
        """Add rows to a group's table.

        Parameters
        ----------
        entity, group
            What the rows are checked against.
        df : DataFrame
            Keys, event time, features; the created column may be left out and is then stamped with the present.
        mode : "merge" or "append"
            ``merge`` can be repeated: rows that are there already, by keys and times, are not added again. A row
            with other values is updated; where the created column is left out it is added as what is known newly,
            beside the older one, see :mod:`palette.offline.delta.merge`. A static group without created column has one
            row per key, so there both modes replace the rows of the keys written.

        Returns
        -------
        Written
            How many rows were written, and the version that holds them.

        Raises
        ------
        SchemaError
            If columns or types do not suit the definition, or the table cannot follow it,
            see :mod:`palette.offline.delta.schema_evolution`.
        DataError
            If rows lack a key or event time; their number and a sample are told, and nothing is written.
        """
        external_tables.refuse(group, "writes to")
        if mode not in ("append", "merge"):
            raise DefinitionError(f"mode must be 'append' or 'merge', found {mode!r}")
        spark = df.sparkSession
        stamped = group.created is not None and group.created.lower() not in (name.lower() for name in df.columns)
        rows = conform(df, entity, group, now_micros())
        upsert = mode == "merge" or (group.timestamp is None and group.created is None)
        if upsert:
            rows = merge.distinct(rows, entity, group)
        before, mark = self.version(spark, group), new_mark()

        def write(extent: merge.Extent | None = None) -> int | None:
            # Another writer may make the table meanwhile: then its rows are there to be merged with.
            if self.version(spark, group) is None and self._append(rows, group, mark, new=upsert):
                return None
            changed = evolution(self.load(spark, group, None).schema, entity, group)
            widen(spark, self.identifier(group), changed.widened)
            if extent is not None and not extent.rows:
                return 0
            if upsert:
                how: Any = {"stamped": stamped, "changed": changed, "extent": extent, "mark": mark}
                return merge.merge(self.identifier(group), rows, entity, group, **how)
            self._append(rows, group, mark, more=bool(changed.added))
            return None

        try:
            if upsert and before is not None:
                evolution(self.load(spark, group, None).schema, entity, group)  # refused before rows are computed
                with merge.cached(rows, group) as extent:
                    affected = repeated(partial(write, extent))
            else:
                affected, extent = repeated(write), None
        except (PySparkException, Py4JError):
            refuse_bad_rows(df, entity, group)
            raise
        since = -1 if before is None else before
        commit = None if affected == 0 else find_commit(spark, self.identifier(group), self.path(group), mark, since)
        version = self.version(spark, group) if commit is None else commit.version
        assert version is not None
        added = affected if affected is not None else 0 if commit is None else commit.rows
        latest = None if extent is None else to_datetime_or_none(extent.last)
        return Written(added, version, added if extent is None else extent.rows, latest)

    def create(self, spark: SparkSession, entity: Entity, group: FeatureGroup) -> None:
        """Make a group's table, empty."""
        external_tables.refuse(group, "creates")
        columns = ", ".join(
            f"{sql_name(name)} {spark_type(dtype)}" for name, dtype in stored_types(entity, group).items()
        )
        self._append(spark.createDataFrame([], columns), group, new_mark())

    def _append(
        self, rows: DataFrame, group: FeatureGroup, mark: str, *, new: bool = False, more: bool = False
    ) -> bool:
        """Append rows; tell whether that was done: of a new table it is not, if there is one."""
        require_delta(rows.sparkSession)
        mode = "error" if new else "append"
        writer = (
            rows.write.format("delta")
            .mode(mode)
            .options(**PROPERTIES, mergeSchema=more, userMetadata=metadata(rows.sparkSession, mark))
        )
        try:
            if self.root.startswith(METASTORE):
                writer.saveAsTable(self.identifier(group))
            else:
                writer.save(self.path(group))
        except AnalysisException as error:
            if new and "EXISTS" in (error.getCondition() or ""):
                return False
            raise
        return True

    def read(self, spark: SparkSession, entity: Entity, group: FeatureGroup, version: int | None = None) -> DataFrame:
        """Return all rows of a group, of the newest or an older version, in the declared types.

        Features that the version does not have yet are left out.

        Raises
        ------
        DataError
            If nothing was written to the group, there is no such version, or it was vacuumed.
        SchemaError
            If a column is missing or of a type that does not widen to the declared one.
        """
        version = self.resolve(spark, group, version)
        with contextlib.suppress(Unreadable):
            self.files(group, version)
        table = self.load(spark, group, version)
        columns = readable(table.schema, entity, group, version)
        return table.select(*(converted(table.schema[name], dtype) for name, dtype in columns.items()))

    def files(self, group: FeatureGroup, version: int) -> Files:
        """Return the Parquet files of a version, for a reader that does without Spark.

        Raises
        ------
        Unreadable
            If they cannot be read directly, with the reason.
        DataError
            If they were vacuumed.
        """
        files = read_log(self.path(group), version)
        if gone := sum(not os.path.exists(path) for path in files.paths):
            raise DataError(
                f"{group.full_name}: version {version} cannot be read any more, {gone} of its {len(files.paths)} files "
                "were vacuumed or erased: ask for a newer version (vacuum spares what store.keep pins, erase does not)"
            )
        return files

    def identity(self, spark: SparkSession, group: FeatureGroup, version: int) -> str:
        """Return what tells a table from another one of the same name, made after it was deleted."""
        try:
            return self.files(group, version).identity
        except Unreadable:
            require_delta(spark)
            row = spark.sql(f"DESCRIBE DETAIL {self.identifier(group)}").select("id").first()
            return str(row[0])

    def resolve(self, spark: SparkSession, group: FeatureGroup, version: int | None = None) -> int:
        """Return the version to read: the one asked for, or the newest.

        Raises
        ------
        DataError
            If nothing was written to the group, or there is no such version.
        """
        newest = self.version(spark, group)
        if newest is None and group.table is not None:
            raise DataError(
                f"{group.full_name}: there is no Delta table {group.table}: name one that exists (table=), or leave "
                "table= out and write rows with store.write"
            )
        if newest is None:
            raise DataError(f"{group.full_name}: nothing is written yet; write rows with store.write first")
        if version is not None and not 0 <= version <= newest:
            raise DataError(f"{group.full_name}: there is no version {version} (the newest is {newest})")
        return newest if version is None else version

    def load(self, spark: SparkSession, group: FeatureGroup, version: int | None) -> DataFrame:
        """Return the table of a group as it is stored, of a version or the newest."""
        require_delta(spark)
        reader = spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        if external_tables.in_metastore(group, self.root):
            return reader.table(self.identifier(group))
        return reader.load(self.path(group))

    def latest(
        self,
        spark: SparkSession,
        entity: Entity,
        group: FeatureGroup,
        at: dt.datetime | None = None,
        point_in_time: str = "event",
        version: int | None = None,
    ) -> DataFrame:
        """Return one row per key: what is known at ``at`` (default: now), expired rows included."""
        instant = now_micros() if at is None else to_micros(at)
        return latest(self.read(spark, entity, group, version), entity, group, point_in_time, instant)

    def check_existing(self, spark: SparkSession, entity: Entity, group: FeatureGroup) -> None:
        """Refuse a definition that names a table which does not suit it.

        Raises
        ------
        DataError
            If there is no such Delta table.
        SchemaError
            If a column is missing, or of a type that does not widen to the declared one.
        """
        version = self.resolve(spark, group)
        columns = readable(self.load(spark, group, version).schema, entity, group, version)
        require((feature.name for feature in group.features), columns, group, version)

    def optimize(self, spark: SparkSession, entity: Entity, group: FeatureGroup) -> None:
        """Rewrite small files into large ones, with the rows of a key close together."""
        external_tables.refuse(group, "compacts")
        self.resolve(spark, group)
        near = [name for name, dtype in entity.keys.items() if dtype != "boolean"]
        compact(spark, self.identifier(group), [*near, *([group.timestamp] if group.timestamp else [])])

    def vacuum(
        self, spark: SparkSession, group: FeatureGroup, retain_pins: Sequence[int] = (), hours: float = 168
    ) -> None:
        """Delete files that no version of the last ``hours`` and no pinned version needs.

        Parameters
        ----------
        retain_pins : sequence of int
            Versions that must stay readable.
        hours : float
            Versions superseded more recently than this stay as well. Writers and readers that are at work rely on
            it: do not go below the length of the longest job.
        """
        external_tables.refuse(group, "vacuums")
        newest = self.resolve(spark, group)
        if retain_pins:
            # What a pinned version needs was removed, if at all, by a later commit: keep all that was removed since.
            oldest = min(retain_pins)
            times = dict(self._history(spark, group, limit=newest - oldest + 1))
            if successor := times.get(oldest + 1):
                hours = max(hours, (now_micros() - successor) / 3_600_000_000 + 1)
        delete_unused(spark, self.identifier(group), hours)
