"""Coercion of incoming Python values, from requests and stores, to the values that row functions compute with.

The result is the value that a Spark column of the source type has in the column compiler.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Hashable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from dsl.dtypes import BOOL, INT, LISTS, NUM, STR, STRS, TS, DType
from dsl.errors import DslTypeError

__all__ = ["fit_decimal", "naive_utc", "reader", "reading_lines"]

_FLOAT32 = struct.Struct("f")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# Wide enough for a number of 38 digits before and 38 after the point.
_ROUNDING = Context(prec=80, rounding=ROUND_HALF_UP)
_INTEGRAL = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
"""Integer types, and their bits."""
_SAME_IN_PYTHON = {(NUM, "float"), *((INT, source) for source in _INTEGRAL)}
"""Reads of another Spark type whose values are the same in Python."""


def reader(dtype: DType, source_type: str, name: str = "value") -> Callable[[Any], Any]:
    """Return the conversion of one incoming value.

    Parameters
    ----------
    dtype : DType
        The type that the expression reads.
    source_type : str
        The Spark type of the feature or column.
    name : str, default "value"
        Its name in messages.

    Returns
    -------
    callable
        It returns None for None, treats numpy values as Python ones, and raises DslTypeError for a wrong type.

    Examples
    --------
    >>> from dsl.dtypes import NUM
    >>> reader(NUM, "double")(3), reader(NUM, "float")(0.1)
    (3.0, 0.10000000149011612)
    >>> reader(NUM, "double", "basis:order_size")("three")
    Traceback (most recent call last):
    dsl.errors.DslTypeError: basis:order_size: expected number (double), found 'three' of type str
    """
    convert = _conversion(dtype, source_type)

    def read(value: Any) -> Any:
        plain = _plain(value) if type(value).__module__ == "numpy" else value
        if plain is None:
            return None
        converted = convert(plain)
        if converted is NotImplemented:
            raise DslTypeError(
                f"{name}: expected {dtype} ({source_type}), found {value!r} of type {type(value).__name__}"
            )
        return converted

    return read


def naive_utc(time: datetime) -> datetime:
    """Return a plain datetime in UTC without zone; a datetime without zone is in UTC already.

    Examples
    --------
    >>> from datetime import timezone, timedelta
    >>> naive_utc(datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    datetime.datetime(2024, 1, 1, 0, 0)
    """
    utc = time.astimezone(UTC) if time.tzinfo is not None else time
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond)


def reading_lines(
    local: str,
    dtype: DType,
    source_type: str,
    name: str,
    bind: Callable[[object, Hashable], str],
    *,
    trusted: bool = False,
) -> list[str]:
    """Return Python lines that convert the value of a local variable in place.

    Values of the most common class skip the call of `reader`'s conversion.

    Parameters
    ----------
    local : str
        The variable.
    dtype, source_type, name
        As for `reader`.
    bind : callable
        Returns the name of a constant, given its value and a unique key.
    trusted : bool, default False
        Whether the value is of the source type, because a store has checked it. A list may still have missing
        elements.

    Examples
    --------
    >>> reading_lines("x", DType.STRING, "string", "basis:city", lambda value, key: "c")
    ['if x.__class__ is not c and x is not None: x = c(x)']
    """
    if trusted and dtype not in LISTS and (source_type == dtype.spark or (dtype, source_type) in _SAME_IN_PYTHON):
        return []
    widen = f"{local} = {local} + {bind(0.0, ('number', 0.0))}"
    if dtype is NUM and source_type in _INTEGRAL and trusted:
        return [f"if {local} is not None: {widen}"]
    # A store rounds decimals when it writes them.
    value_type = "double" if trusted and _DECIMAL.fullmatch(source_type) else source_type
    convert = f"{local} = {bind(reader(dtype, value_type, name), (dtype, value_type, name))}({local})"
    exact = {STR: str, BOOL: bool}.get(dtype) or (float if dtype is NUM and source_type == "double" else None)
    if dtype is INT or (dtype is NUM and source_type in _INTEGRAL):
        low, high = _bounds(source_type)
        fits = f"{bind(low, low)} <= {local} < {bind(high, high)}"
        expected = f"{local}.__class__ is {bind(int, int)} and {fits}"
        if dtype is NUM:
            return [f"if {expected}: {widen}", f"elif {local} is not None: {convert}"]
        return [f"if not ({expected}) and {local} is not None: {convert}"]
    if dtype is TS and source_type != "date":
        expected = f"{local}.__class__ is {bind(datetime, datetime)} and {local}.tzinfo is None"
        return [f"if not ({expected}) and {local} is not None: {convert}"]
    if exact is None:
        return [f"if {local} is not None: {convert}"]
    return [f"if {local}.__class__ is not {bind(exact, exact)} and {local} is not None: {convert}"]


def _conversion(dtype: DType, source_type: str) -> Callable[[Any], Any]:
    """Return the conversion of values that are neither None nor numpy's; it returns NotImplemented for a wrong type."""
    if dtype is NUM:
        if source_type in _INTEGRAL:
            integer = _integer(source_type)
            return lambda value: value if (value := integer(value)) is NotImplemented else float(value)
        if decimal := _DECIMAL.fullmatch(source_type):
            return _decimal(int(decimal[1]), int(decimal[2]))
        return _float32 if source_type == "float" else _float
    if dtype is INT:
        return _integer(source_type)
    if dtype is TS:
        return _midnight if source_type == "date" else _utc
    if dtype is STR:
        return lambda value: str.__str__(value) if isinstance(value, str) else NotImplemented
    if dtype is BOOL:
        return lambda value: value if isinstance(value, bool) else NotImplemented
    if dtype is STRS:
        return _strings
    element = re.fullmatch(r"array<(.+)>", source_type)
    return _vector_of(_conversion(NUM, element[1] if element else "double"))


def _plain(value: Any) -> Any:
    """Return numpy's value as a Python one; times never become integers."""
    if value.dtype.kind not in "mM":
        return value.tolist()
    plain = value.astype("datetime64[us]").tolist() if value.dtype.kind == "M" else value
    return value if isinstance(plain, int) else plain


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return NotImplemented
    try:
        return float(value)
    except OverflowError:
        return NotImplemented


def fit_decimal(value: Decimal, precision: int, scale: int) -> Decimal | None:
    """Return a number as a decimal column stores it: rounded half up to its scale; None beyond its precision.

    Examples
    --------
    >>> fit_decimal(Decimal("1.235"), 3, 2), fit_decimal(Decimal("9.995"), 3, 2)
    (Decimal('1.24'), None)
    """
    limit = Decimal(10) ** (precision - scale)
    if not value.is_finite() or abs(value) > limit:
        return None
    rounded = value.quantize(Decimal(1).scaleb(-scale), context=_ROUNDING)
    return rounded if abs(rounded) < limit else None


def _decimal(precision: int, scale: int) -> Callable[[Any], Any]:
    """Return the conversion for a decimal column; a float counts as its shortest decimal, as in JSON."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            return NotImplemented
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if exact.is_nan() and isinstance(value, Decimal):
            return None  # as in Spark
        rounded = fit_decimal(exact, precision, scale)
        return NotImplemented if rounded is None else float(rounded)

    return convert


def _float32(value: Any) -> Any:
    wide = _float(value)
    if wide is NotImplemented:
        return wide
    try:
        return _FLOAT32.unpack(_FLOAT32.pack(wide))[0]
    except OverflowError:
        return math.copysign(math.inf, wide)


def _bounds(source_type: str) -> tuple[int, int]:
    """Return the least integer of a type and the one after the largest."""
    half = 1 << (_INTEGRAL[source_type] - 1)
    return -half, half


def _integer(source_type: str) -> Callable[[Any], Any]:
    low, high = _bounds(source_type)

    def integer(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
            return NotImplemented
        return int(value)

    return integer


def _midnight(value: Any) -> Any:
    """Return the midnight of a date; a time of day is truncated, as in a date column."""
    time = _utc(value)
    return time.replace(hour=0, minute=0, second=0, microsecond=0) if isinstance(time, datetime) else time


def _utc(value: Any) -> Any:
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            return None
        try:
            return naive_utc(value)
        except (OverflowError, ValueError):  # outside the years 1 to 9999 in UTC
            return NotImplemented
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else NotImplemented


def _scalar(value: Any) -> Any:
    """Return numpy's number as a Python one, and other values, times among them, unchanged."""
    return value.tolist() if type(value).__module__ == "numpy" and value.dtype.kind in "biuf" else value


def _vector_of(element: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def vector(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return NotImplemented
        if None in value:  # a vector has no missing elements: with one it is missing itself
            return None
        converted = [
            item if item.__class__ is float and element is _float else element(_scalar(item)) for item in value
        ]
        return NotImplemented if NotImplemented in converted else converted

    return vector


def _strings(value: Any) -> Any:
    """Return a list of strings without its missing elements."""
    if not isinstance(value, (list, tuple)) or not all(item is None or isinstance(item, str) for item in value):
        return NotImplemented
    return [str.__str__(item) for item in value if item is not None]
