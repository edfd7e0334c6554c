"""Events, and what their windowed aggregates are: a brute-force oracle in plain Python."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from palette.definitions import Aggregate, BatchSource

EPOCH = dt.datetime(1970, 1, 1)


def micros(time: dt.datetime) -> int:
    return (time - EPOCH) // dt.timedelta(microseconds=1)


def floor(time: dt.datetime, every: dt.timedelta) -> dt.datetime:
    return EPOCH + (time - EPOCH) // every * every


def rows(events: list[dict[str, Any]], source: BatchSource, by: list[str], first, last) -> dict[Any, dict[str, Any]]:
    """Return (key, end) to features, for all ends in (first, last]."""
    usable = [event for event in events if event[source.time] is not None and None not in [event[k] for k in by]]
    longest = max(span for aggregate in source.aggregates for span in aggregate.spans)
    found = {}
    for key in {tuple(event[k] for k in by) for event in usable}:
        own = [event for event in usable if tuple(event[k] for k in by) == key]
        end = floor(first, source.every) + source.every
        while end <= last:
            # The closing row is where the longest window held something one step earlier.
            if any(end - longest - source.every < event[source.time] <= end for event in own):
                found[(*key, end)] = {
                    feature.name: value(aggregate, [e for e in own if end - span < e[source.time] <= end], source.time)
                    for aggregate in source.aggregates
                    for feature, span in zip(aggregate.features, aggregate.spans, strict=True)
                }
            end += source.every
    return found


def order(number: Any) -> tuple[bool, Any]:
    """Sort NaN above all numbers."""
    return (True, 0) if isinstance(number, float) and math.isnan(number) else (False, number)


def value(aggregate: Aggregate, events: list[dict[str, Any]], time: str) -> Any:
    if aggregate.column == "*":
        return len(events)
    given = [{**event, aggregate.column: one_zero(event[aggregate.column])} for event in events]
    given = [event for event in given if event[aggregate.column] is not None]
    values = [event[aggregate.column] for event in given]
    function = aggregate.function
    if function == "count":
        return len(values)
    if function == "distinct":
        return len(set(map(told, values)))
    if function == "percentile":
        numbers = sorted(number for number in values if not math.isnan(number))
        return float(numbers[max(math.ceil(aggregate.at * len(numbers)) - 1, 0)]) if numbers else None
    if not values:
        return None
    if function == "sum":
        return math.fsum(values) if all(map(math.isfinite, values)) else float(sum(values))
    if function == "mean":
        return (math.fsum(values) if all(map(math.isfinite, values)) else sum(values)) / len(values)
    if function == "last":
        return max(given, key=lambda event: (event[time], order(event[aggregate.column])))[aggregate.column]
    return {"min": min, "max": max}[function](values, key=order)


def one_zero(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value


def told(value: Any) -> Any:
    """Return a value so that ``==`` tells NaN, the sign of zero and types apart."""
    return repr(value) if isinstance(value, float) else value
