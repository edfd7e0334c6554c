"""Upkeep of a Delta table: small files made into large ones, and files that nothing needs deleted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from palette.offline.delta.retention import retention_lifted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["compact", "delete_unused", "sql_name"]


def compact(spark: SparkSession, table: str, near: Iterable[str]) -> None:
    """Rewrite small files into large ones.

    Parameters
    ----------
    table : str
        As SQL knows it.
    near : iterable of str
        Rows that are alike in these columns come close together.
    """
    columns = ", ".join(map(sql_name, near))
    spark.sql(f"OPTIMIZE {table}{f' ZORDER BY ({columns})' if columns else ''}").collect()


def delete_unused(spark: SparkSession, table: str, hours: float) -> None:
    """Delete files that no version of the last hours needs, whatever the table's property says."""
    with retention_lifted(spark):
        spark.sql(f"VACUUM {table} RETAIN {math.ceil(hours)} HOURS").collect()


def sql_name(name: str) -> str:
    """Quote a name for SQL.

    Examples
    --------
    >>> sql_name("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"
