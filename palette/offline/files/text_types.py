"""Types of columns of strings: declared ones, and those that can be inferred without loss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.cloudpickle.cloudpickle import register_pickle_by_value
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import DataError
from palette.offline.files import kinds
from palette.offline.times import spark_type

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["Resolved", "from_string", "readable_types", "resolve_types", "to_schema"]

SCALARS: dict[str, T.DataType] = {
    "tinyint": T.ByteType(),
    "smallint": T.ShortType(),
    "int": T.IntegerType(),
    "bigint": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "timestamp_ntz": T.TimestampNTZType(),
}
DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
ZONE = r"^.{11}.*(Z|[+-][0-9]{2}:?[0-9]{2})$"
DAY = r"^.{10}$"

register_pickle_by_value(kinds)


@dataclass(frozen=True)
class Resolved:
    """Resolved types of columns of strings.

    Parameters
    ----------
    types : dict of str to str
        The type of each column.
    rows : int
        The number of rows.
    with_empty : set of str
        The columns with empty strings.
    """

    types: Mapping[str, str]
    rows: int
    with_empty: set[str]


def readable_types(names: Sequence[str], types: Mapping[str, str] | None) -> dict[str, str]:
    """Return the given types that strings can be read as, by the names of the file's columns, ignoring case.

    Examples
    --------
    >>> readable_types(["R_ID", "x", "v"], {"r_id": "string", "v": "array<double>", "y": "int"})
    {'R_ID': 'string'}
    """
    given = {name.lower(): dtype for name, dtype in (types or {}).items()}
    requested = {name: given.get(name.lower(), "") for name in names}
    return {name: dtype for name, dtype in requested.items() if dtype in SCALARS or DECIMAL.fullmatch(dtype)}


def to_schema(types: Mapping[str, str | T.DataType]) -> T.StructType:
    """Return the schema of columns from the names of their types."""
    return T.StructType([T.StructField(name, _spark_type(dtype)) for name, dtype in types.items()])


def _spark_type(dtype: str | T.DataType) -> T.DataType:
    if isinstance(dtype, T.DataType):
        return dtype
    decimal = DECIMAL.fullmatch(dtype)
    return T.DecimalType(int(decimal[1]), int(decimal[2])) if decimal else SCALARS[dtype]


def from_string(string: Column, dtype: str) -> Column:
    """Return strings as another type; null where a string is empty or not of that type. Times without zone are UTC."""
    if dtype == "string":
        return string
    string = F.nullif(string, F.lit(""))
    if dtype != "timestamp":
        return string.try_cast(dtype)
    # A cast would read a time without zone in the zone of the session.
    minutes = F.when(string.rlike(DAY), F.concat(string, F.lit(" 00:00"))).otherwise(string)
    seconds = F.when(F.length(minutes) == len("2026-01-01 00:00"), F.concat(minutes, F.lit(":00"))).otherwise(minutes)
    return F.when(seconds.rlike(ZONE), seconds).otherwise(F.concat(seconds, F.lit("Z"))).try_cast(spark_type(dtype))


def resolve_types(rows: DataFrame, types: Mapping[str, str], likely: Mapping[str, str], where: str) -> Resolved:
    """Return the type of each column of strings.

    Parameters
    ----------
    rows : DataFrame
        Columns of strings; it is executed once.
    types : mapping of str to str
        Column to the type that its values must have.
    likely : mapping of str to str
        Column to the type that is used if all of its values have it; else it is inferred.
    where : str
        The file, for messages.

    Raises
    ------
    DataError
        If a value is not of the column's type; the message has column and value.
    """
    expected = [types.get(name) or likely.get(name) or "" for name in rows.columns]

    def examine(batches: Iterator[Any]) -> Iterator[Any]:
        return kinds.examine(batches, expected)

    sums = (F.sum(name).alias(name) for name in ("rows", "bad", "empty"))
    examined = rows.mapInArrow(examine, kinds.SCHEMA).groupBy("position")
    facts = {
        row.position: row for row in examined.agg(*sums, F.bit_and("kinds").alias("kinds"), F.min("least")).collect()
    }
    resolved = {}
    for position, (name, dtype) in enumerate(zip(rows.columns, expected, strict=True)):
        fact = facts.get(position)
        if fact is not None and fact.bad and name in types:
            values = f"{fact.bad:,} such {'value' if fact.bad == 1 else 'values'}"
            raise DataError(f"{where}: column {name!r}: {fact[-1]!r:.80} is not of type {dtype} ({values})")
        if dtype and not (fact and fact.bad):
            resolved[name] = dtype
        else:
            bits = (fact and fact.kinds) or 0
            resolved[name] = next((kind for bit, kind in enumerate(kinds.INFERRED) if bits >> bit & 1), "string")
    empty = {rows.columns[position] for position, fact in facts.items() if fact.empty}
    return Resolved(resolved, next((fact.rows for fact in facts.values()), 0), empty)
