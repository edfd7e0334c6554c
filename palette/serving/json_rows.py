"""JSON of requests made into rows, and answers made into JSON.

What JSON has no form for: times are ISO 8601 (answers in UTC, with ``Z``; a time without zone is UTC), NaN and the
infinities are ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` both ways, decimals are text in answers, vectors are lists,
and sparse ones may be ``{"size": ..., "indices": [...], "values": [...]}``.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import orjson

from dsl.compilers.coercion import fit_decimal
from palette.errors import DataError
from palette.serving.stages.vectors import Sparse

__all__ = ["Decoder", "decoders_of", "dumps", "parse_time", "plain"]

Decoder: TypeAlias = "Callable[[Any], Any]"
NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# As JSON writes numbers; Python reads more.
DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
SPARSE = {"size", "indices", "values"}
# A sparse vector of a request may be written out.
WIDEST = 1 << 20
OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def decoders_of(types: Mapping[str, str], numeric: Collection[str] = ()) -> tuple[tuple[str, Decoder], ...]:
    """Return what makes Python values of JSON's, for the columns whose values JSON has no form for.

    Parameters
    ----------
    types : mapping of str to str
        Column to Spark type; empty where unknown.
    numeric : collection of str
        The columns of unknown type that must be numbers or vectors: NaN and the infinities come as strings there.

    Examples
    --------
    >>> ((column, decode),) = decoders_of({"at": "timestamp", "city": "string"})
    >>> column, decode("2026-01-31T12:00:00+01:00")
    ('at', datetime.datetime(2026, 1, 31, 11, 0))
    """
    decoders = (
        (column, _decoder(dtype or ("number" if column in numeric else ""), f"column {column!r}"))
        for column, dtype in types.items()
    )
    return tuple((column, decode) for column, decode in decoders if decode is not None)


def _decoder(dtype: str, name: str) -> Decoder | None:
    if dtype == "number":
        return lambda value: (
            NUMBERS.get(value, value)
            if value.__class__ is str
            else _vector(value, name, dtype)
            if value.__class__ in (dict, list)
            else value
        )
    if dtype in ("double", "float"):
        return lambda value: NUMBERS.get(value, value) if value.__class__ is str else value
    if dtype in ("timestamp", "timestamp_ntz"):
        return lambda value: parse_time(value, name) if value.__class__ is str else value
    if dtype == "date":
        return lambda value: _date(value, name) if value.__class__ is str else value
    if dtype.startswith("decimal"):
        return lambda value: _decimal(value, name, dtype) if value.__class__ in (str, float, int) else value
    if dtype in ("", "vector"):
        return lambda value: _vector(value, name, dtype) if value.__class__ in (dict, list) else value
    if dtype.startswith("array<") and dtype != "array<string>":
        return lambda value: _numbers(value) if value.__class__ is list else value
    return None


def parse_time(text: str, name: str) -> dt.datetime:
    """Return an ISO 8601 time as naive UTC.

    Raises
    ------
    DataError
        If it is not a timestamp, or not of the years 1 to 9999 in UTC.
    """
    try:
        time = dt.datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise DataError(f"{name}: {text!r:.80} is not an ISO 8601 time, such as 2026-01-31T12:00:00Z") from None


def _date(text: str, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{name}: {text!r:.80} is not an ISO 8601 date, such as 2026-01-31") from None


def _decimal(value: str | float, name: str, dtype: str) -> decimal.Decimal:
    text = value if isinstance(value, str) else repr(value)
    if not DECIMAL.fullmatch(text):
        raise DataError(f"{name}: {value!r:.80} is not a decimal number, such as 12.50")
    precision, scale = map(int, dtype.removeprefix("decimal(").removesuffix(")").split(","))
    fitted = fit_decimal(decimal.Decimal(text), precision, scale)
    if fitted is None:
        raise DataError(f"{name}: {value!r:.80} has more digits than {dtype} holds")
    return fitted


def _numbers(value: list[Any]) -> list[Any]:
    return [NUMBERS.get(element, element) if element.__class__ is str else element for element in value]


def _vector(value: Any, name: str, dtype: str) -> Any:
    if isinstance(value, list):
        # Where the type is not known, a list of text stays one.
        text = not dtype and all(element is None or element.__class__ is str for element in value)
        return value if text else _numbers(value)
    if value.keys() != SPARSE:
        return value
    size, indices, values = value["size"], value["indices"], value["values"]
    lists = isinstance(indices, list) and isinstance(values, list) and len(indices) == len(values)
    if not lists or size.__class__ is not int or not 0 <= size <= WIDEST:
        raise DataError(
            f"{name}: a sparse vector has size (at most {WIDEST}), and as many indices as values; send a list instead"
        )
    if any(index.__class__ is not int for index in indices) or not _ascending([-1, *indices, size]):
        raise DataError(f"{name}: the indices of a sparse vector must be integers below its size, ascending")
    numbers = _numbers(values)
    if any(number.__class__ not in (int, float) for number in numbers):
        raise DataError(f"{name}: the values of a sparse vector are numbers")
    return Sparse(size, indices, [float(number) for number in numbers])


def _ascending(numbers: list[int]) -> bool:
    return all(number < other for number, other in itertools.pairwise(numbers))


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer whose NaN and infinities are strings: itself if it has none.

    Examples
    --------
    >>> plain({"x": math.nan, "v": [1.0, -math.inf], "n": None})
    {'x': 'NaN', 'v': [1.0, '-Infinity'], 'n': None}
    """
    changed: dict[str, Any] = {}
    for column, value in answer.items():
        kind = value.__class__
        if kind is float:
            if value - value != 0.0:
                changed[column] = _text(value)
        elif kind is list and not _finite(value):
            changed[column] = _texts(value)
    return {**answer, **changed} if changed else answer


def _finite(values: list[Any]) -> bool:
    """Return whether all are finite numbers; False for a sum that overflows, too."""
    try:
        return math.isfinite(sum(values))
    except TypeError:
        return False


def _text(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _texts(values: list[Any]) -> list[Any]:
    return [_text(value) if value.__class__ is float and value - value != 0.0 else value for value in values]


def _default(value: Any) -> Any:
    if isinstance(value, Sparse):
        return {"size": value.size, "indices": value.indices, "values": _texts(value.values)}
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (list, tuple)):
        return _texts(list(value))
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def dumps(value: Any) -> bytes:
    """Return JSON; NaN and infinities inside must be text already (:func:`plain`)."""
    return orjson.dumps(value, _default, OPTIONS)
