"""Declarations of windowed aggregates: function, windows and feature names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from pydantic import field_validator, model_validator

from palette.definitions.base import Definition, Names, check_unique, duration, duration_text, validate_name
from palette.definitions.features import Feature
from palette.errors import nearest
from palette.types import canonical_type

__all__ = ["FUNCTIONS", "Aggregate", "aggregate_features", "check_aggregates", "parse_aggregate", "split_keys"]

FUNCTIONS = ("count", "distinct", "last", "max", "mean", "min", "percentile", "sum")
# Functions that return a value of the column, with its type.
VALUE_FUNCTIONS = ("last", "max", "min")
EVERY_EVENT = "*"
MIN_LENGTH = timedelta(seconds=1)


class Aggregate(Definition):
    """One function of a column of events, over one or more windows.

    Parameters
    ----------
    column : str
        Column of the events; ``"*"`` with ``count`` for the events themselves.
    function : str
        ``sum``, ``count``, ``mean``, ``min``, ``max``, ``last`` (the value of the newest event), ``distinct`` (how
        many different values, approximately) or ``percentile`` (approximately).
    windows : sequence of str or timedelta
        Lengths, ``"1h"``, ``"7d"``. Each is part of the feature's name as it is written here.
    name : str, optional
        Used in the features' names instead of the column; required for ``"*"``.
    at : float
        Which percentile, 0 to 1: 0.5 is the median.
    dtype : str
        Type of the column, for ``min``, ``max`` and ``last``.
    by : str or sequence of str, optional
        Columns of the events with the entity's keys, in the entity's order; by default those of the source; a
        source without any uses these.

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
        names = tuple(_window(window) for window in windows)
        if not names:
            raise ValueError("an aggregate needs at least one window")
        return names

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
            validate_name(self.column, "column")
        if self.name is not None:
            validate_name(self.name)
        for column in self.by:
            validate_name(column, "column")
        if not 0 <= self.at <= 1:
            raise ValueError(f"at must be from 0 to 1, found {self.at}")
        if self.at != 0.5 and self.function != "percentile":
            raise ValueError(f"at is for percentile, not for {self.function}")
        if self.dtype != "double" and self.function not in VALUE_FUNCTIONS:
            raise ValueError(f"dtype is for {', '.join(VALUE_FUNCTIONS)}; {self.function} has its own type")
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
        return self.dtype if self.function in VALUE_FUNCTIONS else "double"

    @property
    def features(self) -> tuple[Feature, ...]:
        """One feature for each window."""
        function: str = self.function
        if function == "percentile":
            function = f"p{100 * self.at:g}".replace(".", "_")
        prefix = f"{self.name or self.column}_{function}"
        return tuple(Feature(f"{prefix}_{window}", self.result_type) for window in self.windows)


def _window(window: Any) -> str:
    if isinstance(window, timedelta):
        window = duration_text(window, weeks=False)
    name = "".join(str(window).split())
    if duration(name) < MIN_LENGTH:
        raise ValueError(f"a window must be at least one second, found {name!r}")
    if "." in name:
        raise ValueError(f"window {name!r} is part of a feature name: write it without a decimal point, 90m for 1.5h")
    return name


def check_aggregates(aggregates: tuple[Aggregate, ...], every: timedelta | None, time: str | None) -> None:
    """Validate that aggregates have a grid, fit into it, and do not contradict one another.

    Raises
    ------
    ValueError
        If they do not; the message names the aggregate and the remedy.
    """
    if every is None or time is None:
        raise ValueError(
            "aggregates need every=, the interval of window ends ('1h'), and time=, the timestamp column of the events"
        )
    if every < MIN_LENGTH:
        raise ValueError(f"every must be at least one second, found {every}")
    for aggregate in aggregates:
        for window, span in zip(aggregate.windows, aggregate.spans, strict=True):
            if span % every:
                grid = duration_text(every, weeks=False)
                raise ValueError(
                    f"window {window!r} of {aggregate.column!r} is not a multiple of every={grid!r}: "
                    f"change one of them (windows end on a grid of {grid})"
                )
    check_unique([feature.name for feature in aggregate_features(aggregates)], "feature")
    check_unique(list(dict.fromkeys(aggregate.column for aggregate in aggregates)), "column")
    types: dict[str, str] = {}
    for aggregate in aggregates:
        if aggregate.function in VALUE_FUNCTIONS:
            other = types.setdefault(aggregate.column, aggregate.dtype)
            if other != aggregate.dtype:
                raise ValueError(f"column {aggregate.column!r} cannot be both {other} and {aggregate.dtype}")


def split_keys(aggregates: Iterable[Any], by: str | Iterable[str]) -> tuple[list[Any], tuple[str, ...]]:
    """Return aggregates without their keys, and the keys, which all aggregates of a source share.

    Raises
    ------
    ValueError
        If they differ.
    """
    given = (by,) if isinstance(by, str) else tuple(by)
    declared, plain = {given: "the source"} if given else {}, []
    for aggregate in aggregates:
        if isinstance(aggregate, Aggregate) and aggregate.by:
            declared.setdefault(aggregate.by, repr(aggregate.column))
            aggregate = aggregate.model_copy(update={"by": ()})
        plain.append(aggregate)
    if len(declared) > 1:
        different = ", ".join(f"{list(keys)} of {owner}" for keys, owner in declared.items())
        raise ValueError(
            f"all aggregates of a source must have the same keys, found by={different}: declare one source for each"
        )
    return plain, next(iter(declared), ())


def aggregate_features(aggregates: Iterable[Aggregate]) -> tuple[Feature, ...]:
    """Return the features of all aggregates, in order.

    Examples
    --------
    >>> aggregate_features([Aggregate("tip", "max", ["1d"]), Aggregate("tip", "mean", ["1d"])])
    (Feature('tip_max_1d', 'double'), Feature('tip_mean_1d', 'double'))
    """
    return tuple(feature for aggregate in aggregates for feature in aggregate.features)


def parse_aggregate(declared: Any) -> Any:
    """Return an aggregate declared in YAML as an :class:`Aggregate`; anything else unchanged."""
    return Aggregate.of(declared) if isinstance(declared, dict) else declared
