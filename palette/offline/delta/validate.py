"""What may be written into a feature group: columns and types first, then rows."""

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

    from palette.definitions import Entity, FeatureGroup

__all__ = ["ANEW", "conform", "converted", "readable", "refuse_bad_rows", "require", "stored_types"]

SAMPLE = 5
# What is left to do where a table cannot follow its definition.
ANEW = (
    "give the group another name, or have the table made anew: delete it (its directory, or DROP TABLE in a "
    "metastore), and write or materialize again"
)


def stored_types(entity: Entity, group: FeatureGroup) -> dict[str, str]:
    """Return the columns of a group's table with their types, keys and times first.

    Delta keeps statistics of the first columns only, and those are what a merge or a look-up skips files by.
    """
    times = {column: "timestamp" for column in (group.timestamp, group.created) if column is not None}
    return {**entity.keys, **times, **{feature.name: feature.dtype for feature in group.features}}


def conform(df: DataFrame, entity: Entity, group: FeatureGroup, now: int) -> DataFrame:
    """Return ``df`` with the table's columns and types; a null key or event time fails when it is executed.

    Raises
    ------
    SchemaError
        If a column is missing, unknown, or of a type that does not widen to the declared one.
    """
    wanted = stored_types(entity, group)
    found: dict[str, T.StructField] = {}
    for field in df.schema:
        name = next((name for name in wanted if name.lower() == field.name.lower()), None)
        if name is None:
            raise SchemaError(
                f"{group.full_name}: column {field.name!r} is not declared{nearest(field.name, wanted)} "
                f"(declare it as a feature, or select only {', '.join(wanted)})"
            )
        if name in found:
            raise SchemaError(f"{group.full_name}: two columns are called {name!r}; drop or rename one")
        found[name] = field
    if missing := [name for name in wanted if name not in found and name != group.created]:
        near = nearest(missing[0], [field.name for field in df.schema])
        raise SchemaError(
            f"{group.full_name}: column {missing[0]!r} ({wanted[missing[0]]}) is missing{near} "
            f"(where it is not known, write it as null)"
        )
    required = [*entity.keys, *([group.timestamp] if group.timestamp else [])]
    columns = []
    for name, dtype in wanted.items():
        if name not in found:
            column = F.timestamp_micros(F.lit(now))
        else:
            kind = found[name].dataType.simpleString()
            if kind != "void" and not widens(kind, dtype):
                raise SchemaError(
                    f"{group.full_name}: {name!r} is declared {dtype}, found {kind}: "
                    f"cast the column, or change the declaration"
                )
            column = converted(found[name], dtype)
        if name in required:
            column = F.coalesce(column, F.raise_error(F.lit(f"{group.full_name}: null in {name!r}")))
        columns.append(column.alias(name))
    return df.select(*columns)


def refuse_bad_rows(df: DataFrame, entity: Entity, group: FeatureGroup) -> None:
    """Tell why writing failed, if it was because rows lack a key or event time.

    Raises
    ------
    DataError
        With their number and a sample.
    """
    required = [*entity.keys, *([group.timestamp] if group.timestamp else [])]
    bad = F.lit(False)
    for name in required:
        bad |= exact_column(name).isNull()
    rows = df.filter(bad)
    count = rows.count()
    if count:
        sample = "; ".join(str(row.asDict()) for row in rows.limit(SAMPLE).collect())
        raise DataError(
            f"{group.full_name}: {count} rows have a null in {', '.join(required)}, nothing was written "
            f"(filter them out, or fill them): {sample}"
        ) from None


def readable(schema: T.StructType, entity: Entity, group: FeatureGroup, version: int) -> dict[str, str]:
    """Return the declared columns that a table has, with their declared types.

    Features that the table does not have yet are left out.

    Raises
    ------
    SchemaError
        If a key or time is missing, or a column is of a type that does not widen to the declared one.
    """
    found = {field.name: field.dataType.simpleString() for field in schema}
    features = {feature.name for feature in group.features}
    if group.table is not None:
        _check_existing(found, entity, group)
    columns = {}
    for name, dtype in stored_types(entity, group).items():
        if name not in found and name in features:
            continue
        if name not in found and name == group.created:
            raise SchemaError(
                f"{group.full_name}: version {version} of the table has no created column {name!r}: write rows "
                f"(store.write adds the column), or ask for a newer version"
            )
        if name not in found or not widens(found[name], dtype):
            raise SchemaError(
                f"{group.full_name}: column {name!r} is declared {dtype}, version {version} of the table has "
                f"{found.get(name, 'none')}: change the declaration back, or {ANEW}"
            )
        columns[name] = dtype
    return columns


def _check_existing(found: Mapping[str, str], entity: Entity, group: FeatureGroup) -> None:
    """Refuse columns of a table of others that cannot be those of the definition; features may be missing."""
    for name, dtype in stored_types(entity, group).items():
        optional = any(feature.name == name for feature in group.features)
        twin = next((one for one in found if one.lower() == name.lower()), None)
        if twin is None and optional:
            continue
        if name not in found:
            raise SchemaError(
                f"{group.full_name}: its table {group.table} has no column {name!r}{nearest(twin or name, found)} "
                f"(it has {', '.join(found)}): declare the columns as the table has them"
            )
        if not widens(found[name], dtype):
            raise SchemaError(
                f"{group.full_name}: {name!r} is {found[name]} in its table {group.table}, and declared {dtype}: "
                f"declare it {found[name]}"
            )


def require(features: Iterable[str], found: Iterable[str], group: FeatureGroup, version: int) -> None:
    """Refuse to read features that a version of the table does not have yet.

    Raises
    ------
    SchemaError
        If one is missing.
    """
    for feature in features:
        if feature not in found and group.table is not None:
            raise SchemaError(
                f"{group.full_name}: version {version} of its table {group.table} has no column {feature!r}: take the "
                "feature out of the definition, or read a version that has it"
            )
        if feature not in found:
            raise SchemaError(
                f"{group.full_name}: version {version} of the table has no column {feature!r}: write rows with it "
                f"(store.write adds the column), or ask for a newer version"
            )


def converted(field: T.StructField, wanted: str) -> Column:
    """Return a column in a type that it widens to, under its own name."""
    column = exact_column(field.name)
    if wanted == "timestamp" and is_time(field.dataType):
        column = F.timestamp_micros(micros(column, field.dataType))
    return column.cast(spark_type(wanted)).alias(field.name)
