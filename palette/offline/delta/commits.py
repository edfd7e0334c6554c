"""A writer's own commit, also where others commit at the same time: its version."""

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

__all__ = ["Commit", "Written", "find_commit", "metadata", "new_mark"]

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
# As many commits as others may make at most between ours and the look at the history.
RECENT = 100
FIELDS = ("userMetadata", "operationParameters")


@dataclass(frozen=True)
class Written:
    """What a write has done.

    Parameters
    ----------
    rows : int
        Rows that were added or updated; 0 where all were in the table already, with the same values.
    version : int
        The version of the table that this write made, whoever else writes; where nothing was written, the newest one.
    received : int
        Rows that were given, in mode ``merge`` without the duplicates among them.
    latest : datetime, optional
        The latest event time of these, naive UTC, where they were compared with what the table had.

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
    """Return a string by which a commit will be recognized."""
    return f"palette:{uuid.uuid4().hex}"


def metadata(spark: SparkSession, mark: str) -> str:
    """Return the metadata of a commit that bears a mark, beside what the session writes there."""
    users = spark.conf.get(USER_METADATA, None)
    return f"{users} {mark}" if users else mark


def find_commit(spark: SparkSession, table: str, path: str, mark: str, since: int) -> Commit | None:
    """Return the commit after version ``since`` that bears a mark; None where there is none.

    Parameters
    ----------
    table, path : str
        As SQL knows the table, and where it is; a log on a local disk is read without Spark.
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
        # What makes a table in a metastore takes no metadata; where there was none before us it is the first version.
        if any(mark in str(field) for field in fields) or version == 0:
            return Commit(version, _rows(metrics))
    return None


def _rows(metrics: Mapping[str, str] | None) -> int:
    return int((metrics or {}).get("numOutputRows", 0))
