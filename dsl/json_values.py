"""Values as JSON: what JSON lacks is tagged, that is floats without a number, times, dates and decimals."""

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
        If what is tagged cannot be read.

    Examples
    --------
    >>> decode({"float": "inf"}), decode({"float": 1.0})
    (inf, {'float': 1.0})
    """
    match value:  # a map holds no texts, so that a tag is never taken for one
        case {"float": str(text), **others} if not others:
            return float(text)
        case {"timestamp": str(text), **others} if not others:
            return datetime.fromisoformat(text)
        case {"date": str(text), **others} if not others:
            return date.fromisoformat(text)
        case {"decimal": str(text), **others} if not others:
            return _decimal(text)
        case list():
            return [decode(item) for item in value]
        case dict():
            return {key: decode(item) for key, item in value.items()}
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal") from None
