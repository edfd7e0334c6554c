"""Rows with values that Python cannot represent: years beyond 1 to 9999, strings that are not UTF-8."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import RowsLeftOutWarning

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from palette.definitions import GroupSchema

__all__ = ["FAULT", "fault_column", "split_faults", "warn_left_out"]

FAULT = "__fault"
# From 0001-01-01 to 9999-12-31, since 1970.
DAYS = (-719_162, 2_932_896)
MICROS = (DAYS[0] * 86_400_000_000, (DAYS[1] + 1) * 86_400_000_000 - 1)
_Rows = TypeVar("_Rows", "pa.Table", "pa.RecordBatch")


def fault_column(rows: DataFrame, schema: GroupSchema) -> Column:
    """Return the first unsupported value of a row, with its key and column; null for other rows."""
    present = set(rows.columns)
    faults = (_fault(name, dtype) for name, dtype in schema.columns.items() if name in present)
    columns = [fault for fault in faults if fault is not None]
    if not columns:
        return F.lit(None).cast("string").alias(FAULT)
    keys = [F.coalesce(exact_column(name).cast("string"), F.lit("null")) for name in schema.keys]
    key = F.make_valid_utf8(reduce(lambda left, right: F.concat(left, F.lit(","), right), keys))
    return F.concat(F.lit("key "), key, F.lit(": "), F.coalesce(*columns)).alias(FAULT)


def _fault(name: str, dtype: str) -> Column | None:
    column = exact_column(name)
    if dtype in ("date", "timestamp"):
        number, (low, high) = (F.unix_date(column), DAYS) if dtype == "date" else (F.unix_micros(column), MICROS)
        message = F.concat(F.lit(f"{name!r} is "), column.cast("string"), F.lit(", beyond the years 1 to 9999 in UTC"))
        return F.when(~number.between(F.lit(low), F.lit(high)), message)
    if dtype == "string":
        bad = ~F.is_valid_utf8(column)
    elif dtype == "array<string>":
        bad = F.exists(column, lambda element: ~F.is_valid_utf8(element))
    else:
        return None
    return F.when(bad, F.lit(f"{name!r} is not UTF-8"))


def split_faults(rows: _Rows) -> tuple[_Rows, int, str | None]:
    """Return the rows that Python can represent, the number of others, and the fault of the first of them."""
    faults = rows.column(FAULT)
    rows = rows.drop_columns([FAULT])
    number = len(faults) - faults.null_count
    if not number:
        return rows, 0, None
    return rows.filter(faults.is_null()), number, faults.drop_null()[0].as_py()


def warn_left_out(group: str, left_out: Iterable[tuple[int, str | None]]) -> None:
    """Warn of rows that were left out, given their numbers and the fault of the first of each."""
    counts = list(left_out)
    number = sum(count for count, _ in counts)
    if number:
        first = next(fault for _, fault in counts if fault is not None)
        rows = "1 row was" if number == 1 else f"{number:,} rows were"
        message = f"{group}: {rows} left out, which Python cannot hold: {first}; correct what is written to the table"
        warnings.warn(message, RowsLeftOutWarning, stacklevel=3)
