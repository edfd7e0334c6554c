"""Types that strings are of, as the workers examine them.

The functions here are pickled by value, so that a worker needs pyarrow, but not this package; they refer to nothing
else of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["INFERRED", "SCHEMA", "examine", "suits"]

BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
# An integer of so many characters is a bigint, whatever they are.
SURE = 18
ZONE = r"(Z|[+-]\d{2}:?\d{2})"
# More digits than a timestamp holds are only zeros.
TIME = rf"^\d{{4}}-\d{{2}}-\d{{2}}([ T]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,6}}0*)?{ZONE}?)?)?$"
NOT_FINITE = r"^(NaN|[+-]?Infinity)$"
PATTERNS = {
    "boolean": r"(?i)^(true|false)$",
    "integer": r"^[+-]?\d+$",
    "number": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": TIME,
    "timestamp_ntz": TIME,
    # What a bigint or double gives back as it was: 007, +1, -0 and 12e4 may be codes, not numbers, and a double holds
    # integers of 15 digits.
    "plain integer": r"^(0|-?[1-9]\d*)$",
    "plain number": r"^(-?(0|[1-9]\d*)?(\.\d+([eE][+-]?\d+)?|[eE][+-]\d+)|0|-?[1-9]\d{0,14}|NaN|-?Infinity)$",
}
# What is inferred: the first that every value is.
INFERRED = ("boolean", "bigint", "double", "date", "timestamp")
PLAIN = {"bigint": "plain integer", "double": "plain number"}
SCHEMA = "place int, rows bigint, kinds int, bad bigint, least string, empty bigint"


def examine(batches: Iterator[Any], wanted: Sequence[str]) -> Iterator[Any]:
    """Yield for each batch and column of strings what types its values are of.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        Columns of strings.
    wanted : sequence of str
        The type that each column should have; empty where there is none.

    Yields
    ------
    pyarrow.RecordBatch
        As ``SCHEMA``: the number of rows; a bit for each of the ``INFERRED`` types that all values are of, null if
        there are no values; how many values are not of the type wanted, and the least of them; how many strings are
        empty. These are no values.
    """
    alive = [(1 << len(INFERRED)) - 1] * len(wanted)
    for batch in batches:
        found: list[tuple[Any, ...]] = []
        for place, dtype in enumerate(wanted):
            texts = batch.column(place).drop_null()
            values = texts.filter(pc.not_equal(texts, ""))
            alive[place] = sum(
                1 << bit
                for bit, kind in enumerate(INFERRED)
                if alive[place] >> bit & 1 and pc.all(suits(values, kind, plain=True)).as_py() is not False
            )
            bad = values.filter(pc.invert(suits(values, dtype))) if dtype else values[:0]
            kinds = alive[place] if len(values) else None
            found.append((place, batch.num_rows, kinds, len(bad), pc.min(bad).as_py(), len(texts) - len(values)))
        arrays = [pa.array(list(column)) for column in zip(*found, strict=True)]
        types = [pa.int32(), pa.int64(), pa.int32(), pa.int64(), pa.string(), pa.int64()]
        columns = [array.cast(dtype) for array, dtype in zip(arrays, types, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, ["place", "rows", "kinds", "bad", "least", "empty"])


def suits(values: Any, dtype: str, *, plain: bool = False) -> Any:
    """Return for each string whether it is of a type; ``plain`` if it must be nothing else without loss."""
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
    """Return which integers have at most so many bits."""
    limit = 1 << (bits - 1)
    if bits == max(BITS.values()) and not pc.any(pc.greater(pc.binary_length(values), SURE)).as_py():
        return pa.array([True] * len(values), pa.bool_())
    return pa.array([_is_integer(text, limit) for text in values.to_pylist()], pa.bool_())


def _is_integer(text: str, limit: int) -> bool:
    # Python refuses to convert thousands of digits.
    return len(text) <= SURE + 2 and text.lstrip("+-").isdecimal() and -limit <= int(text) < limit


def _times(values: Any, matches: Any, dtype: str) -> Any:
    """Return which strings that look like times are some."""
    texts = values.filter(matches)
    zoned = pc.match_substring_regex(texts, ZONE + "$")
    # A date ends like a zone.
    zoned = pc.and_(zoned, pc.greater(pc.binary_length(texts), len("2026-01-01")))
    forms = {"date": ((texts, pa.date32()),), "timestamp_ntz": ((texts, pa.timestamp("us")),)}
    zones = ((texts.filter(pc.invert(zoned)), pa.timestamp("us")), (texts.filter(zoned), pa.timestamp("us", tz="UTC")))
    try:
        for some, form in forms.get(dtype, zones):
            some.cast(form)
    except pa.ArrowInvalid:
        return pa.array([_is_time(text, dtype) for text in values.to_pylist()], pa.bool_())
    return matches


def _is_time(text: str, dtype: str) -> bool:
    try:
        if dtype == "date":
            return bool(dt.date.fromisoformat(text))
        head, dot, tail = text.partition(".")
        end = max(tail.find(mark) for mark in "Z+-") if dot else -1
        fraction, zone = (tail[:end], tail[end:]) if end >= 0 else (tail, "")
        value = dt.datetime.fromisoformat(f"{head}{dot}{fraction[:6]}{zone}")
    except ValueError:
        return False
    return dtype == "timestamp" or value.tzinfo is None
