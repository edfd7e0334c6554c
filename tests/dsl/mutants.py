"""Plausible wrong bodies, one mistake each: a parity suite that lets one of them pass proves nothing."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dsl.registry import REGISTRY, Function

__all__ = ["MUTANTS", "Mutant", "planted"]


@dataclass(frozen=True)
class Mutant:
    """A wrong body for one side of a function."""

    name: str
    side: str
    body: Callable[..., Any]
    mistake: str

    def __str__(self) -> str:
        return f"{self.name}: {self.mistake}"


MUTANTS = [
    Mutant("trim", "row", lambda text: text.strip(), "strips all white space"),
    Mutant("mod", "row", lambda x, y: x % y if y else None, "sign of the divisor"),
    Mutant("greatest", "row", lambda *xs: max((x for x in xs if x is not None), default=None), "order of NaN"),
    Mutant("nFill", "row", lambda x, default: default if x is None else x, "NaN is kept"),
    Mutant("parseInteger", "row", lambda text: int(text) if text.strip().isdigit() else None, "no sign, other digits"),
    Mutant("round", "row", lambda x, digits: round(x, digits), "halves to even"),
    Mutant("eq", "row", lambda x, y: x == y, "NaN differs from itself"),
    Mutant("and", "row", lambda x, y: x and y, "null and false"),
    Mutant("add", "row", lambda x, y: x + y, "integers grow without end"),
    Mutant("div", "row", lambda x, y: x / y if y else math.inf, "infinite by zero"),
    Mutant("toInteger", "row", lambda x: int(x) if math.isfinite(x) else None, "beyond 64 bits"),
    Mutant("replace", "row", lambda text, part, by: text.replace(part, by), "empty part matches everywhere"),
    Mutant("dayOfWeek", "row", lambda moment, zone: moment.isoweekday(), "Monday first, zone forgotten"),
    Mutant("hashBucket", "row", lambda key, buckets: zlib.crc32(repr(key).encode()) % buckets, "hashes the quotes"),
    Mutant("regionId", "row", lambda lat, long, *_: None if lat is None or long is None else "8", "constant cell"),
    Mutant("nFill", "column", lambda F, x, default: F.coalesce(x, F.lit(default)), "NaN is kept"),
    Mutant("hour", "column", lambda F, moment, zone: F.hour(moment).cast("bigint"), "zone of the session"),
    Mutant("floor", "column", lambda F, x: F.floor(x), "saturates"),
    Mutant("bucket", "column", lambda F, x, splits: F.lit(len(splits)).cast("bigint"), "null is counted"),
    Mutant("sqrt", "column", lambda F, x: F.sqrt(x), "NaN for negative numbers"),
    Mutant("abs", "column", lambda F, x: F.when(x < 0, -x).otherwise(x), "negative zero, and overflow raises"),
]


@contextmanager
def planted(mutant: Mutant) -> Iterator[Function]:
    """Register the wrong body temporarily, without the inline code that would replace it."""
    right = REGISTRY.get(mutant.name)
    assert isinstance(right, Function)
    wrong = replace(right, inline={}, **{mutant.side: mutant.body})
    REGISTRY._entries[mutant.name] = wrong
    try:
        yield wrong
    finally:
        REGISTRY._entries[mutant.name] = right
