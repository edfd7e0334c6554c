"""Values of one type as values of another: columns that were widened after rows were written, or a model fitted."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsIndex

from palette.errors import DataError, SchemaError
from palette.times import utc
from palette.types import check_value, widens

__all__ = ["UnfitRow", "conversion", "feature_conversion"]

Convert = Callable[[Any], Any]


def conversion(source: str, target: str) -> Convert | None:
    """Return a function from values of a type to values of another; None where they are the same values.

    A value of the wider type is rounded to a 32-bit float as everywhere; what the narrower type cannot hold otherwise
    is a :class:`ValueError` of that function. Null is not passed to it.

    Raises
    ------
    SchemaError
        If neither type widens to the other.

    Examples
    --------
    >>> conversion("int", "bigint") is None, conversion("int", "double")(3)
    (True, 3.0)
    >>> conversion("bigint", "tinyint")(127)
    127
    >>> conversion("bigint", "tinyint")(128)
    Traceback (most recent call last):
    ValueError: 128
    """
    if source == target:
        return None
    inner_source, inner_target = _element(source), _element(target)
    if inner_source and inner_target:
        inner = conversion(inner_source, inner_target)
        if inner is None:
            return None
        return lambda values: [None if value is None else inner(value) for value in values]
    if widens(source, target):
        if target in ("double", "float") and source not in ("double", "float"):
            return float
        return utc if target == "timestamp" else None
    if widens(target, source):
        return _midnight if target == "date" else _float32 if target == "float" else _integer(target)
    raise SchemaError(f"neither of {source} and {target} widens to the other")


def _element(dtype: str) -> str:
    return dtype[6:-1] if dtype.startswith("array<") else ""


def _integer(dtype: str) -> Convert:
    def convert(value: float) -> int:
        if value != value or math.isinf(value) or int(value) != value:
            raise ValueError(value)
        try:
            integer: int = check_value(int(value), dtype, "")
        except DataError:
            raise ValueError(value) from None
        return integer

    return convert


def _float32(value: float) -> float:
    rounded: float = check_value(value, "float", "")
    if math.isinf(rounded) and not math.isinf(value):
        raise ValueError(value)
    return rounded


def _midnight(value: dt.datetime) -> dt.date:
    if value != dt.datetime(value.year, value.month, value.day):
        raise ValueError(value)
    return value.date()


def feature_conversion(group: str, feature: str, source: str, target: str) -> Convert | None:
    """Return what :func:`conversion` returns, for values of a feature, null too.

    What does not fit is a :class:`DataError` that names the feature.
    """
    convert = conversion(source, target)
    if convert is None:
        return None

    def converted(value: Any) -> Any:
        try:
            return None if value is None else convert(value)
        except ValueError:
            raise DataError(
                f"{group}: {feature!r} is {value!r:.80}, a {source} that does not fit into {target}, the type that is "
                f"read: fit the model again, with {source}"
            ) from None

    return converted


class UnfitRow(tuple[Any, ...]):
    """A packed row with values that the types of its reader cannot hold: to read one of these is an error.

    Reading only other values of the row raises nothing.

    Attributes
    ----------
    faults : dict of int to str
        Position of such a value to what is wrong with it.
    """

    faults: Mapping[int, str]

    @classmethod
    def of(cls, values: Iterable[Any], faults: Mapping[int, str]) -> UnfitRow:
        """Return a row with faults."""
        row = cls(values)
        row.faults = faults
        return row

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if index.__class__ is int and (fault := self.faults.get(index)):
            raise DataError(fault)
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        raise DataError(next(iter(self.faults.values())))

    def only(self, positions: Iterable[int]) -> tuple[Any, ...]:
        """Return the row for a reader of these positions, or raise :class:`DataError`."""
        for position in positions:
            _ = self[position]
        return self[:]
