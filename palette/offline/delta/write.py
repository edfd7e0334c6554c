"""Writes to a group's table: rows merged or appended, an empty table created."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException

from palette.errors import ArgumentError
from palette.offline.delta import external_tables, merge
from palette.offline.delta.commits import Written, commit_metadata, find_commit, new_mark
from palette.offline.delta.maintenance import sql_name
from palette.offline.delta.retry import retry_on_conflict
from palette.offline.delta.schema_evolution import evolution, widen
from palette.offline.delta.validate import conform, report_null_rows
from palette.offline.times import spark_type
from palette.session import require_delta
from palette.times import now_micros, to_datetime_or_none

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import FeatureGroup, GroupSchema
    from palette.offline.delta.tables import DeltaTables

__all__ = ["PROPERTIES", "create_table", "write_rows"]

# A training set can be rebuilt as long as the log and the removed files exist; only vacuum deletes them.
RETENTION = "interval 3650 days"
PROPERTIES = {"delta.logRetentionDuration": RETENTION, "delta.deletedFileRetentionDuration": RETENTION}


def write_rows(
    tables: DeltaTables, schema: GroupSchema, df: DataFrame, mode: str, *, base: int | None = None
) -> Written:
    """Add rows to a group's table; see :meth:`palette.offline.DeltaTables.write`."""
    group, spark = schema.group, df.sparkSession
    external_tables.check_owned(group, "writes to")
    if mode not in ("append", "merge"):
        raise ArgumentError(f"mode must be 'append' or 'merge', found {mode!r}")
    stamped = schema.created is not None and schema.created.lower() not in (name.lower() for name in df.columns)
    rows = conform(df, schema, now_micros())
    upsert = mode == "merge" or (schema.timestamp is None and schema.created is None)
    if upsert:
        rows = merge.drop_duplicates(rows, schema)
    before = tables.version(spark, group) if base is None else base
    mark, table = new_mark(), tables.identifier(group)

    def write(extent: merge.Extent | None = None) -> int | None:
        # Another writer may create the table meanwhile: then ours is not created, and its rows must be merged with.
        absent = before is None and (upsert or tables.version(spark, group) is None)
        if absent and _append(tables, rows, group, mark, new=upsert):
            return None
        changes = evolution(tables.load(spark, group, None).schema, schema)
        widen(spark, table, changes.widened)
        if extent is not None and not extent.rows:
            return 0
        if upsert:
            options: Any = {"stamped": stamped, "changes": changes, "extent": extent, "mark": mark}
            return merge.merge(table, rows, schema, **options)
        _append(tables, rows, group, mark, evolve=bool(changes.added))
        return None

    try:
        if upsert and before is not None:
            evolution(tables.load(spark, group, None).schema, schema)  # raises before rows are computed
            with merge.cached(rows, schema) as extent:
                affected = retry_on_conflict(partial(write, extent), schema.name)
        else:
            affected, extent = retry_on_conflict(write, schema.name), None
    except (PySparkException, Py4JError):
        report_null_rows(df, schema)
        raise
    since = -1 if before is None else before
    commit = None if affected == 0 else find_commit(spark, table, tables.path(group), mark, since)
    if commit is not None:
        version: int | None = commit.version
    else:
        version = base if affected == 0 and base is not None else tables.version(spark, group)
    assert version is not None
    added = affected if affected is not None else 0 if commit is None else commit.rows
    latest = None if extent is None else to_datetime_or_none(extent.last)
    return Written(added, version, added if extent is None else extent.rows, latest)


def create_table(tables: DeltaTables, spark: SparkSession, schema: GroupSchema) -> None:
    """Create a group's table, empty."""
    external_tables.check_owned(schema.group, "creates")
    columns = ", ".join(f"{sql_name(name)} {spark_type(dtype)}" for name, dtype in schema.columns.items())
    _append(tables, spark.createDataFrame([], columns), schema.group, new_mark())


def _append(
    tables: DeltaTables, rows: DataFrame, group: FeatureGroup, mark: str, *, new: bool = False, evolve: bool = False
) -> bool:
    """Append rows; return whether that was done: with ``new`` it is not, if the table exists."""
    require_delta(rows.sparkSession)
    options = {**PROPERTIES, "mergeSchema": evolve, "userMetadata": commit_metadata(rows.sparkSession, mark)}
    writer = rows.write.format("delta").mode("error" if new else "append").options(**options)
    try:
        if tables.root.startswith(external_tables.METASTORE):
            writer.saveAsTable(tables.identifier(group))
        else:
            writer.save(tables.path(group))
    except AnalysisException as error:
        if new and "EXISTS" in (error.getCondition() or ""):
            return False
        raise
    return True
