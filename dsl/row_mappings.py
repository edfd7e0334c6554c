"""Conversion of rows to mappings: pyspark's Row, a pandas Series, the rows of a pandas, polars or Arrow table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_frame", "to_mapping", "to_mappings"]

INTEGERS = ("tinyint", "smallint", "int", "bigint")


def to_mapping(row: Any, types: Mapping[str, str], error: type[Exception]) -> Mapping[str, Any]:
    """Return a row as a mapping of column to value.

    A naive timestamp of a Row is Spark's: the wall clock of this process. In a pandas Series a missing value is null,
    and floats that are integers become integers where the column has an integer type.

    Parameters
    ----------
    row : mapping, pyspark.sql.Row or pandas.Series
        The row.
    types : dict of str to str
        Column to Spark type; empty if unknown.
    error : type
        Class of the error for any other value.
    """
    if isinstance(row, Mapping):
        return row
    kind = type(row).__name__
    if kind == "Row" and _package(row) == "pyspark" and hasattr(row, "__fields__"):
        return {column: _utc(value, types.get(column, "")) for column, value in row.asDict().items()}
    if kind == "Series" and _package(row) == "pandas":
        return {column: _plain(value, types.get(column, "")) for column, value in row.items()}
    hint = "; score_instances accepts its rows" if kind == "DataFrame" and _package(row) in ("pandas", "polars") else ""
    raise error(f"a row is a mapping of column to value, found {kind}{hint}")


def to_mappings(rows: Any, types: Mapping[str, str], error: type[Exception]) -> list[Mapping[str, Any]]:
    """Return the rows of an iterable, or of a DataFrame that is not Spark's, as mappings of column to value.

    Parameters
    ----------
    rows : iterable, or pandas, polars or Arrow table
        The rows.
    types, error
        As for :func:`to_mapping`.
    """
    kind, package = type(rows).__name__, _package(rows)
    if kind == "DataFrame" and package == "pyspark":
        raise error("rows is a Spark DataFrame: score it with transform, or pass rows.collect()")
    if kind == "DataFrame" and package == "pandas":
        columns = list(rows.columns)
        values = zip(*(rows.iloc[:, index].tolist() for index in range(len(columns))), strict=True)
        return [
            {column: _plain(value, types.get(column, "")) for column, value in zip(columns, row, strict=True)}
            for row in (values if columns else ())
        ]
    if kind == "DataFrame" and package == "polars":
        return list(rows.to_dicts())
    if package == "pyarrow" and hasattr(rows, "to_pylist"):
        return list(rows.to_pylist())
    if isinstance(rows, (Mapping, str, bytes)) or not isinstance(rows, Iterable):
        raise error(f"rows is a list of mappings of column to value, found {kind}; score_instance accepts a single row")
    rows = list(rows)
    return rows if set(map(type, rows)) <= {dict} else [to_mapping(row, types, error) for row in rows]


def _package(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _utc(value: Any, dtype: str) -> Any:
    if dtype == "timestamp" and isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def _plain(value: Any, dtype: str) -> Any:
    """Return a plain value of pandas': NaN is null, except in a column of floating-point numbers or of unknown type."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if dtype and dtype not in ("double", "float") and isinstance(value, float):
        if value != value:
            return None
        return int(value) if dtype in INTEGERS and value.is_integer() else value
    return value


def check_frame(frame: object, name: str, error: type[Exception]) -> None:
    """Reject a DataFrame that is not Spark's: its types would have to be guessed.

    Parameters
    ----------
    frame : object
        The argument.
    name : str
        Its name in the message.
    error : type
        Class of the error.
    """
    if not hasattr(frame, "sparkSession"):
        raise error(
            f"{name} is a {_package(frame)} {type(frame).__name__}, expected a Spark DataFrame: "
            f"spark.createDataFrame({name})"
        )
