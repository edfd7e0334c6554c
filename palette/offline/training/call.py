"""Arguments and definitions by which a repeated call is recognized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline.delta.tables import DeltaTables
    from palette.offline.join.lookup import ResolvedLookups

__all__ = ["describe_call", "training_types"]


def describe_call(
    spark: SparkSession, tables: DeltaTables, lookups: ResolvedLookups, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call, and the tables and definitions that decide its result, as JSON values.

    Raises
    ------
    DataError
        If nothing was written to a group, or a version does not exist.
    """
    schemas = {lookup.schema.name: lookup.schema for lookup in lookups}
    versions = arguments["version"]
    # A table that was deleted and created again has other rows under the same number of a version.
    identities = {
        name: tables.identity(spark, schema.group, tables.resolve(spark, schema.group, versions.get(name)))
        for name, schema in schemas.items()
    }
    definitions = {
        name: {
            "keys": dict(schema.keys),
            "timestamp": schema.timestamp,
            "created": schema.created,
            "ttl": schema.ttl_micros,
            "columns": schema.columns,
        }
        for name, schema in schemas.items()
    }
    return {**arguments, "table": identities, "definition": definitions}


def training_types(rows: DataFrame, lookups: ResolvedLookups, *, status: bool) -> dict[str, str]:
    """Return the columns of a training set in order, with their types in Spark, from the definitions."""
    types = dict(rows.dtypes)
    for column, feature in lookups.features.items():
        types[column] = feature.dtype
        if status:
            types[f"{column}__status"] = "string"
    return types
