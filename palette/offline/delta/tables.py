"""Feature groups as Delta tables: write, read, time travel, maintenance."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from palette.errors import DataError, DefinitionError
from palette.offline.delta import external_tables
from palette.offline.delta.commits import Written
from palette.offline.delta.log_reader import Unreadable, newest_version, read_log
from palette.offline.delta.maintenance import compact, delete_unused, sql_name
from palette.offline.delta.version import TableVersion, open_version, table_id
from palette.offline.delta.write import PROPERTIES, create_table, write_rows
from palette.offline.point_in_time import latest
from palette.paths import has_scheme
from palette.session import require_delta
from palette.times import now_micros, to_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import FeatureGroup, GroupSchema

__all__ = ["METASTORE", "PROPERTIES", "DeltaTables"]

METASTORE = external_tables.METASTORE


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
        """Return the name of a group's table in SQL."""
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
        """Return the path of a group's table; in a metastore only a name that no path has."""
        if group.table is not None:
            return external_tables.path(group.table)
        return f"{self.root}/{group.entity}/{group.name}"

    def prepared(self, group: FeatureGroup) -> str:
        """Return the folder of what is prepared of a group for joins, also where its table is elsewhere."""
        return f"{self.root}/{group.entity}/{group.name}.sorted"

    def version(self, spark: SparkSession, group: FeatureGroup) -> int | None:
        """Return the newest version of a group's table; None if nothing was written yet."""
        # The file names of the log first: asking Spark costs a tenth of a second a table.
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

    def write(self, schema: GroupSchema, df: DataFrame, mode: str = "merge", *, base: int | None = None) -> Written:
        """Add rows to a group's table.

        Parameters
        ----------
        schema : GroupSchema
            The definition that the rows are checked against.
        df : DataFrame
            Keys, event time, features; the created column may be left out and is then stamped with the present.
        mode : "merge" or "append"
            ``merge`` can be repeated: rows that exist already, by keys and times, are not added again. A row with
            other values is updated; where the created column is left out it is added as new knowledge, next to the
            older one, see :mod:`palette.offline.delta.merge`. A static group without created column has one row per
            key, so there both modes replace the rows of the keys written.
        base : int, optional
            A version that the caller knows to exist: the newest one is not looked up, and this one is returned where
            no row is written.

        Returns
        -------
        Written
            How many rows were written, and the version that holds them.

        Raises
        ------
        ArgumentError
            If the mode is unknown.
        SchemaError
            If columns or types do not suit the definition, or the table cannot follow it,
            see :mod:`palette.offline.delta.schema_evolution`.
        DataError
            If rows lack a key or event time; the message has their number and a sample, and nothing is written.
        """
        return write_rows(self, schema, df, mode, base=base)

    def create(self, spark: SparkSession, schema: GroupSchema) -> None:
        """Create a group's table, empty."""
        create_table(self, spark, schema)

    def open(self, spark: SparkSession, schema: GroupSchema, version: int | None = None) -> TableVersion:
        """Open a version of a group's table, by default the newest: its log is read once, its files must exist.

        Raises
        ------
        DataError
            If nothing was written to the group, there is no such version, or it was vacuumed.
        """
        return open_version(self, spark, schema, self.resolve(spark, schema.group, version))

    def read(self, spark: SparkSession, schema: GroupSchema, version: int | None = None) -> DataFrame:
        """Return all rows of a group, of the newest or an older version, in the declared types.

        Features that the version does not have yet are left out.

        Raises
        ------
        DataError
            If nothing was written to the group, there is no such version, or it was vacuumed.
        SchemaError
            If a column is missing or of a type that does not widen to the declared one.
        """
        return self.open(spark, schema, version).read()

    def identity(self, spark: SparkSession, group: FeatureGroup, version: int) -> str:
        """Return the id of a table: one of the same name that was created after it was deleted has another."""
        try:
            return read_log(self.path(group), version).identity
        except Unreadable:
            return table_id(spark, self.identifier(group))

    def resolve(self, spark: SparkSession, group: FeatureGroup, version: int | None = None) -> int:
        """Return the version to read: the requested one, or the newest.

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
        schema: GroupSchema,
        at: dt.datetime | None = None,
        point_in_time: str = "event",
        version: int | None = None,
    ) -> DataFrame:
        """Return one row per key: what is known at ``at`` (default: now), expired rows included."""
        instant = now_micros() if at is None else to_micros(at)
        return latest(self.read(spark, schema, version), schema, point_in_time, instant)

    def check_existing(self, spark: SparkSession, schema: GroupSchema) -> None:
        """Check that the external table of a group exists and has the declared columns.

        Raises
        ------
        DataError
            If there is no such Delta table.
        SchemaError
            If a column is missing, or of a type that does not widen to the declared one.
        """
        self.open(spark, schema).require(schema.features)

    def optimize(self, spark: SparkSession, schema: GroupSchema) -> None:
        """Rewrite small files into large ones, with the rows of a key close together."""
        external_tables.check_owned(schema.group, "compacts")
        self.resolve(spark, schema.group)
        near = [name for name in schema.required if schema.columns[name] != "boolean"]
        compact(spark, self.identifier(schema.group), near)

    def vacuum(
        self, spark: SparkSession, group: FeatureGroup, retain_pins: Sequence[int] = (), hours: float = 168
    ) -> None:
        """Delete files that no version of the last ``hours`` and no pinned version needs.

        Parameters
        ----------
        retain_pins : sequence of int
            Versions that must stay readable.
        hours : float
            Versions superseded more recently than this stay as well. Running writers and readers rely on it: do not
            go below the length of the longest job.
        """
        external_tables.check_owned(group, "vacuums")
        newest = self.resolve(spark, group)
        if retain_pins:
            # Files of a pinned version were removed, if at all, by a later commit: retain all removed since.
            oldest = min(retain_pins)
            times = dict(self._history(spark, group, limit=newest - oldest + 1))
            if successor := times.get(oldest + 1):
                hours = max(hours, (now_micros() - successor) / 3_600_000_000 + 1)
        delete_unused(spark, self.identifier(group), hours)
