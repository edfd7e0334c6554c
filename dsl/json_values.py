"""JSON encoding of values, with tags for non-finite floats, timestamps, dates and decimals."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["decode", "encode"]


def encode(value: Any) -> Any:
    """Return a constant in a form that any JSON writer and reader preserves.

    Examples
    --------
    >>> encode([1.0, float("nan")]), encode({"a": -math.inf})
    ([1.0, {'float': 'nan'}], {'a': {'float': '-inf'}})
    >>> encode(Decimal("1.50")), encode(date(2026, 3, 1))
    ({'decimal': '1.50'}, {'date': '2026-03-01'})
    """
    match value:
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case datetime():
            return {"timestamp": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case list() | tuple():
            return [encode(item) for item in value]
        case dict():
            return {key: encode(item) for key, item in value.items()}
    return value


def decode(value: Any) -> Any:
    """Undo `encode`; a constant that was never encoded is returned as it is.

    Raises
    ------
    ValueError
        If a tagged value is invalid.

    Examples
    --------
    >>> decode({"float": "inf"}), decode({"float": 1.0})
    (inf, {'float': 1.0})
    """
    match value:  # the values of a map are never strings, so it is not confused with a tag
        case {"float": str(string), **others} if not others:
            return float(string)
        case {"timestamp": str(string), **others} if not others:
            return datetime.fromisoformat(string)
        case {"date": str(string), **others} if not others:
            return date.fromisoformat(string)
        case {"decimal": str(string), **others} if not others:
            return _parse_decimal(string)
        case list():
            return [decode(item) for item in value]
        case dict():
            return {key: decode(item) for key, item in value.items()}
    return value


def _parse_decimal(string: str) -> Decimal:
    try:
        return Decimal(string)
    except InvalidOperation:
        raise ValueError(f"{string!r} is not a decimal") from None
