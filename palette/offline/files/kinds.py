"""Type inference of strings, as the workers run it.

The functions here are pickled by value, so that a worker needs pyarrow, but not this package; they refer to nothing
else in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["INFERRED", "SCHEMA", "examine", "suits"]

BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
# An integer of at most this many characters is a bigint.
SURE = 18
ZONE = r"(Z|[+-]\d{2}:?\d{2})"
# Digits beyond microseconds must be zeros.
TIME = rf"^\d{{4}}-\d{{2}}-\d{{2}}([ T]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,6}}0*)?{ZONE}?)?)?$"
NOT_FINITE = r"^(NaN|[+-]?Infinity)$"
PATTERNS = {
    "boolean": r"(?i)^(true|false)$",
    "integer": r"^[+-]?\d+$",
    "number": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": TIME,
    "timestamp_ntz": TIME,
    # Strings that a bigint or double reproduces: 007, +1, -0 and 12e4 may be codes, not numbers, and a double has 15
    # digits.
    "plain integer": r"^(0|-?[1-9]\d*)$",
    "plain number": r"^(-?(0|[1-9]\d*)?(\.\d+([eE][+-]?\d+)?|[eE][+-]\d+)|0|-?[1-9]\d{0,14}|NaN|-?Infinity)$",
}
# The inferred type is the first that suits every value.
INFERRED = ("boolean", "bigint", "double", "date", "timestamp")
PLAIN = {"bigint": "plain integer", "double": "plain number"}
SCHEMA = "position int, rows bigint, kinds int, bad bigint, least string, empty bigint"


def examine(batches: Iterator[Any], expected: Sequence[str]) -> Iterator[Any]:
    """Yield the types that the values of each batch and column of strings have.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        Columns of strings.
    expected : sequence of str
        The expected type of each column; empty where there is none.

    Yields
    ------
    pyarrow.RecordBatch
        As ``SCHEMA``: the number of rows; a bit for each of the ``INFERRED`` types that all values have, null if there
        are no values; the number of values that do not have the expected type, and the least of them; the number of
        empty strings, which are not values.
    """
    possible = [(1 << len(INFERRED)) - 1] * len(expected)
    for batch in batches:
        facts: list[tuple[Any, ...]] = []
        for position, dtype in enumerate(expected):
            strings = batch.column(position).drop_null()
            values = strings.filter(pc.not_equal(strings, ""))
            possible[position] = sum(
                1 << bit
                for bit, kind in enumerate(INFERRED)
                if possible[position] >> bit & 1 and pc.all(suits(values, kind, plain=True)).as_py() is not False
            )
            bad = values.filter(pc.invert(suits(values, dtype))) if dtype else values[:0]
            kinds = possible[position] if len(values) else None
            facts.append((position, batch.num_rows, kinds, len(bad), pc.min(bad).as_py(), len(strings) - len(values)))
        arrays = [pa.array(list(column)) for column in zip(*facts, strict=True)]
        types = [pa.int32(), pa.int64(), pa.int32(), pa.int64(), pa.string(), pa.int64()]
        columns = [array.cast(dtype) for array, dtype in zip(arrays, types, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, ["position", "rows", "kinds", "bad", "least", "empty"])


def suits(values: Any, dtype: str, *, plain: bool = False) -> Any:
    """Return whether each string has a type; with ``plain`` also whether the type reproduces the string."""
    if dtype == "string":
        return pa.array([True] * len(values), pa.bool_())
    kind = "integer" if dtype in BITS else dtype
    if dtype in ("float", "double") or dtype.startswith("decimal"):
        kind = "number"
    matches = pc.match_substring_regex(values, PATTERNS[PLAIN.get(dtype, kind) if plain else kind])
    if kind == "number":
        finite = plain or dtype.startswith("decimal")
        return matches if finite else pc.or_(matches, pc.match_substring_regex(values, NOT_FINITE))
    if kind == "boolean" or not pc.any(matches).as_py():
        return matches
    return pc.and_(matches, _integers(values, BITS[dtype]) if kind == "integer" else _times(values, matches, dtype))


def _integers(values: Any, bits: int) -> Any:
    """Return which integers fit into this many bits."""
    limit = 1 << (bits - 1)
    if bits == max(BITS.values()) and not pc.any(pc.greater(pc.binary_length(values), SURE)).as_py():
        return pa.array([True] * len(values), pa.bool_())
    return pa.array([_is_integer(value, limit) for value in values.to_pylist()], pa.bool_())


def _is_integer(value: str, limit: int) -> bool:
    # Python does not convert thousands of digits.
    return len(value) <= SURE + 2 and value.lstrip("+-").isdecimal() and -limit <= int(value) < limit


def _times(values: Any, matches: Any, dtype: str) -> Any:
    """Return which strings that look like times are valid."""
    strings = values.filter(matches)
    zoned = pc.match_substring_regex(strings, ZONE + "$")
    # The end of a date looks like a zone.
    zoned = pc.and_(zoned, pc.greater(pc.binary_length(strings), len("2026-01-01")))
    forms = {"date": ((strings, pa.date32()),), "timestamp_ntz": ((strings, pa.timestamp("us")),)}
    zones = (
        (strings.filter(pc.invert(zoned)), pa.timestamp("us")),
        (strings.filter(zoned), pa.timestamp("us", tz="UTC")),
    )
    try:
        for times, form in forms.get(dtype, zones):
            times.cast(form)
    except pa.ArrowInvalid:
        return pa.array([_is_time(value, dtype) for value in values.to_pylist()], pa.bool_())
    return matches


def _is_time(string: str, dtype: str) -> bool:
    try:
        if dtype == "date":
            return bool(dt.date.fromisoformat(string))
        head, dot, tail = string.partition(".")
        end = max(tail.find(mark) for mark in "Z+-") if dot else -1
        fraction, zone = (tail[:end], tail[end:]) if end >= 0 else (tail, "")
        value = dt.datetime.fromisoformat(f"{head}{dot}{fraction[:6]}{zone}")
    except ValueError:
        return False
    return dtype == "timestamp" or value.tzinfo is None
