"""Rows that are no mappings: pyspark's Row, a Series of pandas, the rows of a DataFrame of pandas, polars or Arrow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_frame", "to_mapping", "to_mappings"]

INTEGERS = ("tinyint", "smallint", "int", "bigint")


def to_mapping(row: Any, types: Mapping[str, str], error: type[Exception]) -> Mapping[str, Any]:
    """Return a row as a mapping of column to value.

    A naive timestamp of a Row is Spark's: the wall clock of this process. In a Series of pandas a missing value is
    null, and a whole number that stands among floats is one again where the column is of integers.

    Parameters
    ----------
    row : mapping, pyspark.sql.Row or pandas.Series
        The row.
    types : dict of str to str
        Column to Spark type; empty where unknown.
    error : type
        What is raised for anything else.
    """
    if isinstance(row, Mapping):
        return row
    kind = type(row).__name__
    if kind == "Row" and _package(row) == "pyspark" and hasattr(row, "__fields__"):
        return {column: _utc(value, types.get(column, "")) for column, value in row.asDict().items()}
    if kind == "Series" and _package(row) == "pandas":
        return {column: _plain(value, types.get(column, "")) for column, value in row.items()}
    hint = "; score_instances takes its rows" if kind == "DataFrame" and _package(row) in ("pandas", "polars") else ""
    raise error(f"a row is a mapping of column to value, found {kind}{hint}")


def to_mappings(rows: Any, types: Mapping[str, str], error: type[Exception]) -> list[Mapping[str, Any]]:
    """Return rows as mappings of column to value: those of an iterable, or of a DataFrame that is not Spark's.

    Parameters
    ----------
    rows : iterable, or DataFrame of pandas, polars or Arrow
        The rows.
    types, error
        As for :func:`to_mapping`.
    """
    kind, package = type(rows).__name__, _package(rows)
    if kind == "DataFrame" and package == "pyspark":
        raise error("rows is a DataFrame of Spark: score it with transform, or pass rows.collect()")
    if kind == "DataFrame" and package == "pandas":
        columns = list(rows.columns)
        values = zip(*(rows.iloc[:, place].tolist() for place in range(len(columns))), strict=True)
        return [
            {column: _plain(value, types.get(column, "")) for column, value in zip(columns, row, strict=True)}
            for row in (values if columns else ())
        ]
    if kind == "DataFrame" and package == "polars":
        return list(rows.to_dicts())
    if package == "pyarrow" and hasattr(rows, "to_pylist"):
        return list(rows.to_pylist())
    if isinstance(rows, (Mapping, str, bytes)) or not isinstance(rows, Iterable):
        raise error(f"rows is a list of mappings of column to value, found {kind}; score_instance takes one row")
    found = list(rows)
    return found if set(map(type, found)) <= {dict} else [to_mapping(row, types, error) for row in found]


def _package(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _utc(value: Any, dtype: str) -> Any:
    if dtype == "timestamp" and isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def _plain(value: Any, dtype: str) -> Any:
    """Return a value of pandas: NaN is null but in a column of floating-point numbers, or of unknown type."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if dtype and dtype not in ("double", "float") and isinstance(value, float):
        if value != value:
            return None
        return int(value) if dtype in INTEGERS and value.is_integer() else value
    return value


def check_frame(frame: object, what: str, error: type[Exception]) -> None:
    """Reject a frame that is not Spark's, whose types would have to be guessed.

    Parameters
    ----------
    frame
        What came as a DataFrame of Spark.
    what : str
        What it is called.
    error : type
        What is raised.
    """
    if not hasattr(frame, "sparkSession"):
        raise error(
            f"{what} is a {_package(frame)} {type(frame).__name__}, expected a DataFrame of Spark: "
            f"spark.createDataFrame({what})"
        )
