"""Maintenance of Delta tables: compaction of small files, removal of unused ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["compact", "delete_unused", "sql_name", "without_retention_checks"]

# Delta would reject a retention below the table's property, or apply that property alone.
SETTINGS = {
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}


def compact(spark: SparkSession, table: str, near: Iterable[str]) -> None:
    """Rewrite small files into large ones.

    Parameters
    ----------
    table : str
        Its name in SQL.
    near : iterable of str
        Rows with similar values in these columns are stored close together.
    """
    columns = ", ".join(map(sql_name, near))
    spark.sql(f"OPTIMIZE {table}{f' ZORDER BY ({columns})' if columns else ''}").collect()


def delete_unused(spark: SparkSession, table: str, hours: float) -> None:
    """Delete files that no version of the last hours needs, whatever the table's property is."""
    with without_retention_checks(spark):
        spark.sql(f"VACUUM {table} RETAIN {math.ceil(hours)} HOURS").collect()


@contextmanager
def without_retention_checks(spark: SparkSession) -> Iterator[None]:
    """Let VACUUM obey the hours that it is given, within a block: the caller has checked them."""
    before = {name: spark.conf.get(name, None) for name in SETTINGS}
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


def sql_name(name: str) -> str:
    """Quote a name for SQL.

    Examples
    --------
    >>> sql_name("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"
