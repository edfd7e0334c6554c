"""The point-in-time rule by brute force, in plain Python: what every join plan and every snapshot must answer."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from palette.definitions import Entity, FeatureGroup

Row = Mapping[str, Any]


def winner(
    history: Iterable[Row], entity: Entity, group: FeatureGroup, key: Sequence[Any], at: dt.datetime | None, mode: str
) -> Row | None:
    """Return the row that is known for a key at a time, before ttl; None if there is none."""
    if any(part is None for part in key):
        return None
    names = list(entity.keys)
    candidates = [
        row for row in history if [row[name] for name in names] == list(key) and visible(row, group, at, mode)
    ]
    return max(candidates, key=lambda row: place(row, group), default=None)


def visible(row: Row, group: FeatureGroup, at: dt.datetime | None, mode: str) -> bool:
    """Tell whether a row counts at a time."""
    limits = [row[group.timestamp]] if group.timestamp else []
    if mode == "created":
        created = row[group.created]
        if created is None:
            return False
        limits.append(created)
    return all(at is not None and limit <= at for limit in limits)


def place(row: Row, group: FeatureGroup) -> tuple[Any, ...]:
    """Return what rows of a key are compared by: event time, created, then the values in declared order."""
    event = row[group.timestamp] if group.timestamp else None
    created = row[group.created] if group.created else None
    values = [row[feature.name] for feature in group.features]
    return (*ordered([event, created, *values]), *zeros(values))


def zeros(values: Sequence[Any]) -> tuple[list[bool], list[list[bool]]]:
    """Return what decides where all is equal: 0.0 is greater than -0.0, in numbers first, then in lists."""
    numbers = [canonical(value) == "0.0" for value in values if isinstance(value, float)]
    return numbers, [[canonical(one) == "0.0" for one in value] for value in values if isinstance(value, list)]


def ordered(value: Any) -> tuple[Any, ...]:
    """Return a value as something that Python orders as Spark does: nulls first, NaN last, text by bytes."""
    if value is None:
        return (0,)
    if isinstance(value, list):
        return (1, tuple(map(ordered, value)))
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    return (1, value.encode() if isinstance(value, str) else value)


def answer(row: Row | None, group: FeatureGroup, feature: str, at: dt.datetime | None) -> tuple[Any, str]:
    """Return the value of a feature and its status, given the winning row."""
    if row is None:
        return None, "missing"
    if group.ttl is not None and row[group.timestamp] < at - group.ttl:
        return None, "expired"
    value = row[feature]
    return value, "null" if value is None else "present"


def canonical(value: Any) -> Any:
    """Return a value so that ``==`` tells NaN, the sign of zero and types apart."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return [canonical(element) for element in value]
    return value
