"""The Delta table that a training set is written to: its commits, and the jobs in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from palette.errors import ArgumentError
from palette.offline.delta.commits import USER_METADATA, Commit, commit_metadata, find_commit, new_mark
from palette.offline.delta.external_tables import METASTORE
from palette.offline.delta.log_reader import newest_version
from palette.offline.delta.maintenance import sql_name
from palette.offline.files.dataframes import create_named, parse_location, write_errors
from palette.offline.session_setting import session_setting
from palette.offline.training.record import JobRecord
from palette.paths import has_scheme, local_or_none

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["DeltaTarget", "RecordedJob", "delta_name"]


class RecordedJob(NamedTuple):
    """The last commit of a job."""

    record: JobRecord
    version: int
    # Whether it replaced all rows.
    replaced: bool


def delta_name(form: str, location: str) -> str:
    """Return the name of a Delta table in SQL, from the result of ``parse_location``.

    Examples
    --------
    >>> delta_name("table", "main.orders"), delta_name("delta", "s3a://lake/orders")
    ('`main`.`orders`', 'delta.`s3a://lake/orders`')
    """
    if form == "table":
        return ".".join(map(sql_name, location.split(".")))
    return f"delta.{sql_name(_absolute(location))}"


def _absolute(location: str) -> str:
    return location if has_scheme(location) else os.path.abspath(location)


@dataclass(frozen=True)
class DeltaTarget:
    """A Delta table, which may not exist yet.

    Parameters
    ----------
    spark : SparkSession
        Reads and writes it.
    target : str
        A path, or ``table:NAME``, as for :func:`palette.offline.files.dataframes.write_frame`.
    """

    spark: SparkSession
    target: str

    @property
    def location(self) -> tuple[str, str]:
        """``delta`` and an absolute path, or ``table`` and a name."""
        form, location = parse_location(self.target, new=True)
        return form, location if form == "table" else _absolute(location)

    @property
    def name(self) -> str:
        """Its name in SQL."""
        return delta_name(*self.location)

    @property
    def path(self) -> str:
        """Its path; of a table of the session's catalog a name that no path has."""
        form, location = self.location
        return f"{METASTORE}{location}" if form == "table" else str(local_or_none(location) or location)

    def version(self) -> int | None:
        """Return the newest version; None if there is no table."""
        from pyspark.errors import AnalysisException

        form, location = self.location
        if (newest := newest_version(self.path)) is not None:
            return newest
        if form == "table" and not self.spark.catalog.tableExists(location):
            return None
        try:
            return int(self.spark.sql(f"DESCRIBE HISTORY {self.name} LIMIT 1").collect()[0].version)
        except AnalysisException as error:
            if form == "table":
                raise ArgumentError(f"{self.target!r} is not a Delta table: choose another name") from error
            return None

    def read(self, version: int) -> DataFrame:
        """Return the rows of a version."""
        form, location = self.location
        reader = self.spark.read.format("delta").option("versionAsOf", version)
        return reader.table(location) if form == "table" else reader.load(location)

    def unfinished(self) -> list[RecordedJob]:
        """Return the jobs whose chunks are in the table, but not all of them; those of the newest commits last."""
        history = self.spark.sql(f"DESCRIBE HISTORY {self.name}").select(
            "version", "operation", "operationParameters", "userMetadata"
        )
        jobs: dict[str, RecordedJob] = {}
        for version, operation, parameters, metadata in sorted(history.collect(), key=lambda row: row.version):
            replaced = (parameters or {}).get("mode") == "Overwrite" or "REPLACE" in operation or operation == "RESTORE"
            if replaced:
                jobs.clear()
            if (record := JobRecord.parse(metadata)) is not None:
                jobs.pop(record.job, None)
                jobs[record.job] = RecordedJob(record, version, replaced)
        return [job for job in jobs.values() if not job.record.is_finished]

    def create(self, schema: StructType, record: JobRecord, options: Mapping[str, str]) -> None:
        """Create the table, empty, with the record of a job that begins, and properties as options."""
        form, location = self.location
        metadata = commit_metadata(self.spark, record.to_metadata())
        with write_errors(self.target, "error"):
            if form == "table":
                # Creating a table in a metastore accepts no metadata as an option.
                with session_setting(self.spark, USER_METADATA, metadata):
                    create_named(self.spark, location, schema, options)
            else:
                empty = self.spark.createDataFrame([], schema)
                empty.write.format("delta").options(userMetadata=metadata, **options).save(location)

    def write(self, rows: DataFrame, mode: str, record: JobRecord) -> str:
        """Write a chunk in one commit; return the commit's mark. Delta skips it if another run committed this chunk."""
        from pyspark.sql import functions as F

        form, location = self.location
        mark = new_mark()
        options = {
            "txnAppId": f"palette-training-set-{record.job}",
            "txnVersion": str(record.chunk),
            "userMetadata": commit_metadata(self.spark, f"{record.to_metadata()} {mark}"),
        }
        with write_errors(self.target, mode):
            if form != "table":
                rows.write.format("delta").mode(mode).options(**options).save(location)
            elif mode == "overwrite":
                writer = rows.writeTo(location)
                for name, value in options.items():
                    writer = writer.option(name, value)
                writer.overwrite(F.lit(True))
            else:
                rows.write.format("delta").mode("append").options(**options).saveAsTable(location)
        return mark

    def commit(self, mark: str, since: int | None) -> Commit | None:
        """Return the commit after a version that has a mark; None if there is none."""
        return find_commit(self.spark, self.name, self.path, mark, -1 if since is None else since)
