"""The order of packed rows of one key: which of two rows wins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from palette.online.layout import STATIC, Row

__all__ = ["newer", "newest", "not_older", "outlives"]


def newer(row: Row, old: Row) -> bool:
    """Return whether ``row`` wins over ``old``: later event, later created, the greater values, 0.0 before -0.0."""
    if row[0] != old[0]:
        return bool(row[0] > old[0])
    if row[0] == STATIC and row[1] is None and old[1] is None:
        return True
    mine, its = _order(row[1:]), _order(old[1:])
    return mine > its or (mine == its and _zero_signs(row) > _zero_signs(old))


def not_older(row: Row, old: Row) -> bool:
    """Return whether a resolved ``row`` wins over ``old``: it is not older by event, then by created."""
    return _order(row[:2]) >= _order(old[:2])


def newest(packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> dict[Any, Row]:
    """Return the row of each key that wins over the others.

    Examples
    --------
    >>> newest([("a", (2, None, 1.0)), ("a", (1, None, 9.0))])
    {'a': (2, None, 1.0)}
    """
    winners: dict[Any, Row] = {}
    wins = not_older if resolved else newer
    for key, row in packed:
        old = winners.get(key)
        if old is None or wins(row, old):
            winners[key] = row
    return winners


def outlives(row: Row, deleted: tuple[int, int | None]) -> bool:
    """Return whether a row is later than a deletion: by event, in a static group by created."""
    event, created = deleted
    if created is None:
        return bool(row[0] > event)
    return row[1] is not None and bool(row[1] > created)


def _zero_signs(row: Row) -> tuple[list[Any], list[Any]]:
    """Return what decides between rows that are equal otherwise, numbers before lists."""
    numbers = [_is_positive_zero(value) for value in row if isinstance(value, float)]
    lists = [[_is_positive_zero(item) for item in value] for value in row if isinstance(value, (list, tuple))]
    return numbers, lists


def _is_positive_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) > 0


def _order(value: Any) -> tuple[Any, ...]:
    """Return a key that sorts as Spark does: null first, NaN last and equal to itself, lists element by element."""
    if value is None:
        return (0,)
    if isinstance(value, float):
        return (1, 1, 0.0) if math.isnan(value) else (1, 0, value)
    if isinstance(value, (list, tuple)):
        return (1, 0, tuple(_order(element) for element in value))
    return (1, 0, value)
