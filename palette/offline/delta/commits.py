"""The version of a writer's own commit, also while others commit at the same time."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from palette.offline.delta.log_reader import Unreadable, commit_info, newest_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Commit", "Written", "commit_metadata", "find_commit", "new_mark"]

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
# Upper bound of the commits of others between ours and the query of the history.
RECENT = 100
FIELDS = ("userMetadata", "operationParameters")


@dataclass(frozen=True)
class Written:
    """Result of a write.

    Parameters
    ----------
    rows : int
        Rows that were added or updated; 0 where the table had all of them already, with the same values.
    version : int
        The version of the table that this write made, also with concurrent writers; the newest where nothing was
        written.
    received : int
        Rows that were passed, in mode ``merge`` without the duplicates among them.
    latest : datetime, optional
        Their latest event time, naive UTC, where they were compared with the stored rows.

    Examples
    --------
    >>> Written(3, 7, received=5)
    3 rows, version 7
    """

    rows: int
    version: int
    received: int
    latest: dt.datetime | None = None

    def __repr__(self) -> str:
        return f"{self.rows:,} row{'' if self.rows == 1 else 's'}, version {self.version}"


class Commit(NamedTuple):
    """A commit, and the rows that it put into new files."""

    version: int
    rows: int


def new_mark() -> str:
    """Return a string that identifies a commit."""
    return f"palette:{uuid.uuid4().hex}"


def commit_metadata(spark: SparkSession, mark: str) -> str:
    """Return the metadata of a commit with a mark, next to what the session writes there."""
    users = spark.conf.get(USER_METADATA, None)
    return f"{users} {mark}" if users else mark


def find_commit(spark: SparkSession, table: str, path: str, mark: str, since: int) -> Commit | None:
    """Return the commit after version ``since`` that has a mark; None if there is none.

    Parameters
    ----------
    table, path : str
        Name of the table in SQL, and its path; a log on a local disk is read without Spark.
    mark : str
        In the commit's metadata, or in a condition of its merge.
    """
    newest = newest_version(path)
    if newest is not None:
        with contextlib.suppress(Unreadable):  # the log was cleaned meanwhile
            for version in range(newest, since, -1):
                info = commit_info(path, version)
                if any(mark in str(info.get(name)) for name in FIELDS):
                    return Commit(version, _rows(info.get("operationMetrics")))
            return None
    history = spark.sql(f"DESCRIBE HISTORY {table} LIMIT {RECENT}").filter(F.col("version") > since)
    for version, metrics, *fields in history.select("version", "operationMetrics", *FIELDS).collect():
        # Creating a table in a metastore accepts no metadata; where it did not exist before, ours is the first version.
        if any(mark in str(field) for field in fields) or version == 0:
            return Commit(version, _rows(metrics))
    return None


def _rows(metrics: Mapping[str, str] | None) -> int:
    return int((metrics or {}).get("numOutputRows", 0))
