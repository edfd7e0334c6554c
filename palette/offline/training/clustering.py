"""Liquid clustering of a Delta table: rows with similar values in some columns are stored close together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from palette.errors import ArgumentError, SchemaError, nearest
from palette.offline.delta.maintenance import sql_name

if TYPE_CHECKING:
    from palette.offline.training.target import DeltaTarget

__all__ = ["check_clustering", "check_columns", "cluster", "clustering_columns", "optimize", "statistics"]

# Types of which Delta keeps statistics that skip files.
CLUSTERED = re.compile(r"(tiny|small|big)?int|float|double|decimal\(.*|string|date|timestamp(_ntz)?")
# Columns of which Delta keeps statistics by default.
INDEXED = 32


def check_columns(columns: Sequence[str], types: Mapping[str, str]) -> tuple[str, ...]:
    """Return clustering columns as the training set spells them.

    Parameters
    ----------
    types : mapping of str to str
        Columns of the training set to their types.

    Raises
    ------
    SchemaError
        If one is missing, or of a type that Delta cannot cluster by.
    """
    names = {name.lower(): name for name in types}
    for column in columns:
        if column.lower() not in names:
            raise SchemaError(
                f"cluster_by: the training set has no column {column!r}{nearest(column, types)} "
                f"(its columns: {', '.join(types)})"
            )
        dtype = types[names[column.lower()]]
        if not CLUSTERED.fullmatch(dtype):
            raise SchemaError(
                f"cluster_by: Delta cannot cluster by {column!r} of type {dtype:.80}: choose a number, "
                "a string, a date or a timestamp"
            )
    return tuple(names[column.lower()] for column in columns)


def check_clustering(target: DeltaTarget, columns: Sequence[str]) -> None:
    """Raise :class:`ArgumentError` if rows are appended to a table that is clustered by other columns."""
    if columns and _spelled(columns) != _spelled(stored := clustering_columns(target)):
        raise ArgumentError(
            f"{target.target!r} is {_describe(stored)}, and cluster_by is {', '.join(columns)}: leave it out, or set "
            "mode to overwrite (mode=, --mode)"
        )


def clustering_columns(target: DeltaTarget) -> list[str]:
    """Return the columns that a table is clustered by."""
    detail = target.spark.sql(f"DESCRIBE DETAIL {target.name}").select("clusteringColumns")
    return [name.strip("`") for name in detail.collect()[0][0] or ()]


def statistics(columns: Sequence[str], schema: T.StructType) -> dict[str, str]:
    """Return the properties with which a table has statistics of its clustering columns."""
    last = max((schema.names.index(column) for column in columns), default=0)
    count = sum(_leaves(field.dataType) for field in schema.fields[: last + 1])
    return {"delta.dataSkippingNumIndexedCols": str(count)} if count > INDEXED else {}


def cluster(target: DeltaTarget, columns: Sequence[str]) -> None:
    """Set the clustering columns of a table, unless it has them.

    Raises
    ------
    ArgumentError
        If Delta rejects them, for example since the table is partitioned.
    """
    from pyspark.errors import AnalysisException

    if not columns or _spelled(clustering_columns(target)) == _spelled(columns):
        return
    try:
        target.spark.sql(f"ALTER TABLE {target.name} CLUSTER BY ({', '.join(map(sql_name, columns))})").collect()
    except AnalysisException as error:
        raise ArgumentError(
            f"{target.target!r} cannot be clustered by {', '.join(columns)}: {str(error).splitlines()[0]:.500}"
        ) from error


def optimize(target: DeltaTarget) -> None:
    """Move rows with similar values into the same files: Delta clusters here, not in writes."""
    target.spark.sql(f"OPTIMIZE {target.name}").collect()


def _spelled(columns: Sequence[str]) -> list[str]:
    return sorted(column.lower() for column in columns)


def _describe(columns: Sequence[str]) -> str:
    return f"clustered by {', '.join(columns)}" if columns else "not clustered"


def _leaves(dtype: T.DataType) -> int:
    return sum(_leaves(field.dataType) for field in dtype) if isinstance(dtype, T.StructType) else 1
