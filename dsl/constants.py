"""Fitted constants as JSON: floats that JSON lacks and times are tagged."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

__all__ = ["decode", "encode"]


def encode(value: Any) -> Any:
    """Return a constant in a form that any JSON writer and reader preserves.

    Examples
    --------
    >>> encode([1.0, float("nan")]), encode({"a": -math.inf})
    ([1.0, {'float': 'nan'}], {'a': {'float': '-inf'}})
    """
    match value:
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case datetime():
            return {"timestamp": value.isoformat()}
        case list():
            return [encode(item) for item in value]
        case dict():
            return {key: encode(item) for key, item in value.items()}
    return value


def decode(value: Any) -> Any:
    """Undo `encode`; a constant that was never encoded is returned as it is.

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
        case list():
            return [decode(item) for item in value]
        case dict():
            return {key: decode(item) for key, item in value.items()}
    return value
