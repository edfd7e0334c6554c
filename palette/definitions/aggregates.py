"""Windowed aggregates of events, declared: what is computed, over which windows, under which names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from pydantic import field_validator, model_validator

from palette.definitions.base import Definition, Names, checked_name, duration, duration_text, unique
from palette.definitions.features import Feature
from palette.errors import nearest
from palette.types import canonical_type

__all__ = ["FUNCTIONS", "Aggregate", "aggregate_features", "check_aggregates", "parse_aggregate", "same_keys"]

FUNCTIONS = ("count", "distinct", "last", "max", "mean", "min", "percentile", "sum")
# These give back a value of the column, in its type.
KEPT = ("last", "max", "min")
EVERY_EVENT = "*"
SHORTEST = timedelta(seconds=1)


class Aggregate(Definition):
    """One function of a column of events, over one or more windows.

    Parameters
    ----------
    column : str
        Column of the events; ``"*"`` with ``count`` for the events themselves.
    function : str
        ``sum``, ``count``, ``mean``, ``min``, ``max``, ``last`` (the value of the newest event), ``distinct`` (how
        many different values, about) or ``percentile`` (about).
    windows : sequence of str or timedelta
        How far back, ``"1h"``, ``"7d"``. The text stands in the feature's name as it is written here.
    name : str, optional
        Stands in the features' names instead of the column; needed for ``"*"``.
    at : float
        Which percentile, 0 to 1: 0.5 is the median.
    dtype : str
        Type of the column, for ``min``, ``max`` and ``last``.
    by : str or sequence of str, optional
        Columns of the events with the entity's keys, in the entity's order; by default the source's, which takes them
        over where it has none.

    Raises
    ------
    DefinitionError
        If a name, the function, a window or the type is wrong.

    Examples
    --------
    >>> Aggregate("order_value", "percentile", windows=["1h", "7d"], at=0.9).features
    (Feature('order_value_p90_1h', 'double'), Feature('order_value_p90_7d', 'double'))
    >>> Aggregate("*", "count", windows=["1h"], name="orders").features
    (Feature('orders_count_1h', 'bigint'),)
    """

    column: str
    function: Literal["count", "distinct", "last", "max", "mean", "min", "percentile", "sum"]
    windows: tuple[str, ...]
    name: str | None = None
    at: float = 0.5
    dtype: str = "double"
    by: Names = ()

    def __init__(self, /, column: str, function: str, windows: Any = (), **data: Any) -> None:
        windows = [windows] if isinstance(windows, (str, timedelta)) else windows
        super().__init__(column=column, function=function, windows=windows, **data)

    @field_validator("function", mode="before")
    @classmethod
    def _function(cls, function: Any) -> Any:
        if function not in FUNCTIONS:
            known = f"{nearest(str(function), FUNCTIONS)} (functions: {', '.join(FUNCTIONS)})"
            raise ValueError(f"unknown function {function!r}{known}")
        return function

    @field_validator("windows", mode="before")
    @classmethod
    def _windows(cls, windows: Any) -> tuple[str, ...]:
        if not isinstance(windows, (list, tuple)):
            raise ValueError(f"expected a list such as ['1h', '7d'], found {windows!r:.80}")  # noqa: TRY004  pydantic's
        texts = tuple(_window(window) for window in windows)
        if not texts:
            raise ValueError("an aggregate has at least one window")
        return texts

    @field_validator("dtype")
    @classmethod
    def _dtype(cls, dtype: str) -> str:
        return canonical_type(dtype)

    @model_validator(mode="after")
    def _consistent(self) -> Aggregate:
        if self.column == EVERY_EVENT:
            if self.function != "count" or self.name is None:
                raise ValueError("'*' counts events: write Aggregate('*', 'count', windows=..., name='orders')")
        else:
            checked_name(self.column, "column")
        if self.name is not None:
            checked_name(self.name)
        for column in self.by:
            checked_name(column, "column")
        if not 0 <= self.at <= 1:
            raise ValueError(f"at must be from 0 to 1, found {self.at}")
        if self.at != 0.5 and self.function != "percentile":
            raise ValueError(f"at is for percentile, not for {self.function}")
        if self.dtype != "double" and self.function not in KEPT:
            raise ValueError(f"dtype is for {', '.join(KEPT)}; {self.function} has its own type")
        spans: dict[timedelta, str] = {}
        for window in self.windows:
            if (other := spans.setdefault(duration(window), window)) is not window:
                raise ValueError(f"windows {other!r} and {window!r} are the same")
        return self

    @property
    def spans(self) -> tuple[timedelta, ...]:
        """The windows as time spans."""
        return tuple(duration(window) for window in self.windows)

    @property
    def result_type(self) -> str:
        """The type of the features."""
        if self.function in ("count", "distinct"):
            return "bigint"
        return self.dtype if self.function in KEPT else "double"

    @property
    def features(self) -> tuple[Feature, ...]:
        """One feature for each window."""
        word: str = self.function
        if word == "percentile":
            word = f"p{100 * self.at:g}".replace(".", "_")
        prefix = f"{self.name or self.column}_{word}"
        return tuple(Feature(f"{prefix}_{window}", self.result_type) for window in self.windows)


def _window(window: Any) -> str:
    if isinstance(window, timedelta):
        window = duration_text(window, weeks=False)
    text = "".join(str(window).split())
    if duration(text) < SHORTEST:
        raise ValueError(f"a window is at least a second long, found {text!r}")
    if "." in text:
        raise ValueError(f"window {text!r} stands in a name: write it without a point, 90m for 1.5h")
    return text


def check_aggregates(aggregates: tuple[Aggregate, ...], every: timedelta | None, time: str | None) -> None:
    """Refuse aggregates that have no grid, do not fit into it, or contradict one another.

    Raises
    ------
    ValueError
        With the aggregate's name and what to write.
    """
    if every is None or time is None:
        raise ValueError(
            "aggregates need every=, how often windows end ('1h'), and time=, the column with the events' time"
        )
    if every < SHORTEST:
        raise ValueError(f"every is at least a second, found {every}")
    for aggregate in aggregates:
        for text, span in zip(aggregate.windows, aggregate.spans, strict=True):
            if span % every:
                grid = duration_text(every, weeks=False)
                raise ValueError(
                    f"window {text!r} of {aggregate.column!r} is no multiple of every={grid!r}: "
                    f"change one of them (windows end on a grid of {grid})"
                )
    unique([feature.name for feature in aggregate_features(aggregates)], "feature")
    unique(list(dict.fromkeys(aggregate.column for aggregate in aggregates)), "column")
    types: dict[str, str] = {}
    for aggregate in aggregates:
        if aggregate.function in KEPT:
            other = types.setdefault(aggregate.column, aggregate.dtype)
            if other != aggregate.dtype:
                raise ValueError(f"column {aggregate.column!r} cannot be both {other} and {aggregate.dtype}")


def same_keys(aggregates: Iterable[Any], by: str | Iterable[str]) -> tuple[list[Any], tuple[str, ...]]:
    """Return aggregates without their keys, and these: the same for all of one source.

    Raises
    ------
    ValueError
        If they differ.
    """
    given = (by,) if isinstance(by, str) else tuple(by)
    found, plain = {given: "the source"} if given else {}, []
    for one in aggregates:
        if isinstance(one, Aggregate) and one.by:
            found.setdefault(one.by, repr(one.column))
            one = one.model_copy(update={"by": ()})
        plain.append(one)
    if len(found) > 1:
        told = ", ".join(f"{list(keys)} of {whose}" for keys, whose in found.items())
        raise ValueError(f"all aggregates of a source have the same keys, found by={told}: make a source of each")
    return plain, next(iter(found), ())


def aggregate_features(aggregates: Iterable[Aggregate]) -> tuple[Feature, ...]:
    """Return the features of all aggregates, in order.

    Examples
    --------
    >>> aggregate_features([Aggregate("tip", "max", ["1d"]), Aggregate("tip", "mean", ["1d"])])
    (Feature('tip_max_1d', 'double'), Feature('tip_mean_1d', 'double'))
    """
    return tuple(feature for aggregate in aggregates for feature in aggregate.features)


def parse_aggregate(written: Any) -> Any:
    """Return what a YAML file says of an aggregate as an :class:`Aggregate`."""
    return Aggregate.of(written) if isinstance(written, dict) else written
