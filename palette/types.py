"""Types of keys and features, by Spark's names."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from typing import TYPE_CHECKING, Any

from palette.errors import DataError, DefinitionError, nearest
from palette.times import utc

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "INTEGERS",
    "INTEGER_BITS",
    "KEY_TYPES",
    "arrow_type",
    "canonical_type",
    "check_value",
    "widens",
    "widens_in_place",
]

INTEGER_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
INTEGERS = tuple(INTEGER_BITS)
SCALARS = (*INTEGER_BITS, "float", "double", "string", "boolean", "timestamp", "date")
ELEMENTS = (*INTEGER_BITS, "float", "double", "string", "boolean")
KEY_TYPES = (*INTEGER_BITS, "string", "boolean", "timestamp", "date")
ALIASES = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "number": "double",
    "str": "string",
    "bool": "boolean",
    "vector": "array<double>",
}
DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
ARRAY = re.compile(r"array<\s*([a-z]+)\s*>")


def canonical_type(text: str) -> str:
    """Return the canonical name of a type: Spark's ``simpleString``.

    Parameters
    ----------
    text : str
        ``tinyint``, ``smallint``, ``int``, ``bigint``, ``float``, ``double``, ``decimal(p,s)``, ``string``,
        ``boolean``, ``timestamp``, ``date``, ``array<...>`` of these, or one of the usual aliases
        (``long``, ``integer``, ``vector``, ...).

    Raises
    ------
    DefinitionError
        If the type is unknown.

    Examples
    --------
    >>> canonical_type("long"), canonical_type("array< Double >"), canonical_type("decimal(10, 2)")
    ('bigint', 'array<double>', 'decimal(10,2)')
    """
    name = ALIASES.get(text.strip().lower(), text.strip().lower())
    if name in SCALARS:
        return name
    if match := DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        if 1 <= precision <= 38 and scale <= precision:
            return f"decimal({precision},{scale})"
    if match := ARRAY.fullmatch(name):
        element = ALIASES.get(match[1], match[1])
        if element in ELEMENTS:
            return f"array<{element}>"
    if name.startswith(("struct", "map")):
        raise DefinitionError(
            f"type {text!r:.80}: a feature is one value; declare its parts as features of their own, and select "
            "them as columns: df.selectExpr('*', 's.x AS s_x'), df.selectExpr('*', \"m['key'] AS m_key\")"
        )
    known = (*SCALARS, "decimal(10,2)", "array<double>", *ALIASES)
    raise DefinitionError(f"unknown type {text!r:.80}{nearest(name[:80], known)} (types: {', '.join(known)})")


def arrow_type(dtype: str) -> pa.DataType:
    """Return the Arrow type of a canonical type; timestamps are UTC, microseconds."""
    import pyarrow as pa

    if match := ARRAY.fullmatch(dtype):
        return pa.list_(arrow_type(match[1]))
    if match := DECIMAL.fullmatch(dtype):
        return pa.decimal128(int(match[1]), int(match[2]))
    return {
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }[dtype]


def widens(source: str, target: str) -> bool:
    """Return whether every value of type ``source`` is a value of type ``target``, unchanged.

    Examples
    --------
    >>> widens("int", "bigint"), widens("bigint", "int"), widens("float", "double"), widens("string", "double")
    (True, False, True, False)
    """
    if source == target:
        return True
    if (a := ARRAY.fullmatch(source)) and (b := ARRAY.fullmatch(target)):
        return widens(a[1], b[1])
    if source in INTEGER_BITS and target in INTEGER_BITS:
        return INTEGER_BITS[source] < INTEGER_BITS[target]
    exact = {("float", "double"), ("timestamp_ntz", "timestamp"), ("date", "timestamp")}
    exact |= {(small, "double") for small in ("tinyint", "smallint", "int")}
    exact |= {(small, "float") for small in ("tinyint", "smallint")}
    return (source, target) in exact


def widens_in_place(source: str, target: str) -> bool:
    """Return whether Delta can widen a column without rewriting files.

    Examples
    --------
    >>> widens_in_place("int", "bigint"), widens_in_place("date", "timestamp")
    (True, False)
    """
    if (a := ARRAY.fullmatch(source)) and (b := ARRAY.fullmatch(target)):
        return widens_in_place(a[1], b[1])
    return widens(source, target) and target not in ("timestamp", "float")


def check_value(value: Any, dtype: str, what: str) -> Any:
    """Return ``value`` as a plain Python value of a column of type ``dtype``.

    Parameters
    ----------
    value
        A Python value; ``None`` stays ``None``. Timestamps with a zone become naive UTC; a ``float`` column
        rounds to 32 bits; integers are accepted as floating-point numbers.
    dtype : str
        A canonical type.
    what : str
        Name of the value in the error, ``"feature 'prep_time'"``.

    Raises
    ------
    DataError
        If the value is of another type, or out of the type's range.

    Examples
    --------
    >>> check_value(3, "double", "feature 'x'")
    3.0
    """
    if value is None:
        return None
    item = getattr(value, "item", None)
    if item is not None and not isinstance(value, (list, tuple)) and getattr(value, "ndim", None) == 0:
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        value = _plain_time(value, what) if kind in ("m", "M") else item()
    if value is None or (isinstance(value, dt.date) and value != value):
        return None  # numpy's and pandas' NaT, a missing time
    checked = _checked(value, dtype, what)
    if checked is None:
        raise DataError(f"{what}: expected {dtype}, found {type(value).__name__} {value!r:.80}")
    return checked


def _checked(value: Any, dtype: str, what: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if dtype in ("double", "float"):
        if not number or (isinstance(value, int) and abs(value) >= 1 << 63):
            return None
        return float(value) if dtype == "double" else _float32(float(value))
    if dtype in INTEGER_BITS:
        limit = 1 << (INTEGER_BITS[dtype] - 1)
        return value if number and isinstance(value, int) and -limit <= value < limit else None
    if dtype == "string":
        return value if isinstance(value, str) else None
    if dtype == "boolean":
        return value if isinstance(value, bool) else None
    if dtype == "timestamp":
        try:
            return utc(value) if isinstance(value, dt.date) else None
        except OverflowError:
            raise DataError(f"{what}: {value} is beyond the years 1 to 9999 in UTC") from None
    if dtype == "date":
        return value if isinstance(value, dt.date) and not isinstance(value, dt.datetime) else None
    if match := ARRAY.fullmatch(dtype):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            return None
        return [check_value(element, match[1], f"{what}, an element") for element in value]
    if match := DECIMAL.fullmatch(dtype):
        return _decimal(value, int(match[1]), int(match[2]))
    raise DefinitionError(f"{what}: unknown type {dtype!r}")


def _plain_time(value: Any, what: str) -> Any:
    """Return a numpy datetime as a date or datetime, truncated to microseconds; a timedelta unchanged."""
    if value.dtype.kind == "m":
        return value
    plain = value.item()
    if isinstance(plain, int):
        # numpy returns an integer for nanoseconds, and for years that Python lacks.
        plain = value.astype("datetime64[us]").item()
    if isinstance(plain, int):
        raise DataError(f"{what}: {value} is beyond the years 1 to 9999")
    return plain


def _float32(value: float) -> float:
    import struct

    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _decimal(value: Any, precision: int, scale: int) -> decimal.Decimal | None:
    if not isinstance(value, (int, decimal.Decimal)) or isinstance(value, bool):
        return None
    if isinstance(value, decimal.Decimal) and not value.is_finite():
        return None
    with decimal.localcontext(prec=60) as context:
        context.traps[decimal.Inexact] = True
        try:
            exact = decimal.Decimal(value).quantize(decimal.Decimal(1).scaleb(-scale))
        except decimal.DecimalException:
            return None
    return exact if abs(exact) < decimal.Decimal(10) ** (precision - scale) else None
