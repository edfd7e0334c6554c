"""Validation against a group's definition: columns and types of rows to be written, columns of a stored table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.definitions import widens
from palette.errors import DataError, SchemaError, nearest
from palette.offline.times import is_time, micros, spark_type

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql import types as T

    from palette.definitions import GroupSchema

__all__ = ["RECREATE", "cast_column", "conform", "readable_columns", "report_null_rows", "require_features"]

SAMPLE = 5
# The remedy where a table cannot follow its definition.
RECREATE = (
    "give the group another name, or create the table again: delete it (its directory, or DROP TABLE in a "
    "metastore), and write or materialize again"
)


def conform(df: DataFrame, schema: GroupSchema, now: int) -> DataFrame:
    """Return ``df`` with the table's columns and types; a null key or event time fails when it is executed.

    Raises
    ------
    SchemaError
        If a column is missing, unknown, or of a type that does not widen to the declared one.
    """
    declared = schema.columns
    fields: dict[str, T.StructField] = {}
    for field in df.schema:
        name = next((name for name in declared if name.lower() == field.name.lower()), None)
        if name is None:
            raise SchemaError(
                f"{schema.name}: column {field.name!r} is not declared{nearest(field.name, declared)} "
                f"(declare it as a feature, or select only {', '.join(declared)})"
            )
        if name in fields:
            raise SchemaError(f"{schema.name}: two columns are called {name!r}; drop or rename one")
        fields[name] = field
    if missing := [name for name in declared if name not in fields and name != schema.created]:
        near = nearest(missing[0], [field.name for field in df.schema])
        raise SchemaError(
            f"{schema.name}: column {missing[0]!r} ({declared[missing[0]]}) is missing{near} "
            f"(where it is not known, write it as null)"
        )
    columns = []
    for name, dtype in declared.items():
        if name not in fields:
            column = F.timestamp_micros(F.lit(now))
        else:
            kind = fields[name].dataType.simpleString()
            if kind != "void" and not widens(kind, dtype):
                raise SchemaError(
                    f"{schema.name}: {name!r} is declared {dtype}, found {kind}: "
                    f"cast the column, or change the declaration"
                )
            column = cast_column(fields[name], dtype)
        if name in schema.required:
            column = F.coalesce(column, F.raise_error(F.lit(f"{schema.name}: null in {name!r}")))
        columns.append(column.alias(name))
    return df.select(*columns)


def report_null_rows(df: DataFrame, schema: GroupSchema) -> None:
    """Raise the reason why a write failed, if it was that rows lack a key or event time.

    Raises
    ------
    DataError
        With their number and a sample.
    """
    bad = F.lit(False)
    for name in schema.required:
        bad |= exact_column(name).isNull()
    rows = df.filter(bad)
    count = rows.count()
    if count:
        sample = "; ".join(str(row.asDict()) for row in rows.limit(SAMPLE).collect())
        raise DataError(
            f"{schema.name}: {count} rows have a null in {', '.join(schema.required)}, nothing was written "
            f"(filter them out, or fill them): {sample}"
        ) from None


def readable_columns(stored: T.StructType, schema: GroupSchema, version: int) -> dict[str, str]:
    """Return the declared columns that a table has, with their declared types.

    Features that the table does not have yet are left out.

    Raises
    ------
    SchemaError
        If a key or time is missing, or a column is of a type that does not widen to the declared one.
    """
    types = {field.name: field.dataType.simpleString() for field in stored}
    if schema.table is not None:
        _check_external(types, schema)
    columns = {}
    for name, dtype in schema.columns.items():
        if name not in types and name in schema.features:
            continue
        if name not in types and name == schema.created:
            raise SchemaError(
                f"{schema.name}: version {version} of the table has no created column {name!r}: write rows "
                f"(store.write adds the column), or ask for a newer version"
            )
        if name not in types or not widens(types[name], dtype):
            raise SchemaError(
                f"{schema.name}: column {name!r} is declared {dtype}, version {version} of the table has "
                f"{types.get(name, 'none')}: change the declaration back, or {RECREATE}"
            )
        columns[name] = dtype
    return columns


def _check_external(types: Mapping[str, str], schema: GroupSchema) -> None:
    """Check the columns of an external table against the definition; features may be missing."""
    for name, dtype in schema.columns.items():
        same = next((column for column in types if column.lower() == name.lower()), None)
        if same is None and name in schema.features:
            continue
        if name not in types:
            raise SchemaError(
                f"{schema.name}: its table {schema.table} has no column {name!r}{nearest(same or name, types)} "
                f"(it has {', '.join(types)}): declare the columns as the table has them"
            )
        if not widens(types[name], dtype):
            raise SchemaError(
                f"{schema.name}: {name!r} is {types[name]} in its table {schema.table}, and declared {dtype}: "
                f"declare it {types[name]}"
            )


def require_features(features: Iterable[str], columns: Iterable[str], schema: GroupSchema, version: int) -> None:
    """Check that a version of a table has the requested features.

    Raises
    ------
    SchemaError
        If one is missing.
    """
    for feature in features:
        if feature not in columns and schema.table is not None:
            raise SchemaError(
                f"{schema.name}: version {version} of its table {schema.table} has no column {feature!r}: take the "
                "feature out of the definition, or read a version that has it"
            )
        if feature not in columns:
            raise SchemaError(
                f"{schema.name}: version {version} of the table has no column {feature!r}: write rows with it "
                f"(store.write adds the column), or ask for a newer version"
            )


def cast_column(field: T.StructField, dtype: str) -> Column:
    """Return a column in a type that it widens to, under its own name."""
    column = exact_column(field.name)
    if dtype == "timestamp" and is_time(field.dataType):
        column = F.timestamp_micros(micros(column, field.dataType))
    return column.cast(spark_type(dtype)).alias(field.name)
