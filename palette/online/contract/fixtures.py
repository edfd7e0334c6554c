"""Groups, keys and values on which stores are checked."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from palette.definitions import Entity, Feature, FeatureGroup
from palette.online.defined_groups import Definitions
from palette.online.store import OnlineStore

__all__ = ["GROUPS", "HOUR", "T0", "VALUES", "MakeStore", "expect", "read_one", "row"]

MakeStore = Callable[[Definitions], OnlineStore]

T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
PLACE = Entity("place", keys={"id": "string"})
NUMBERED = Entity("numbered", keys={"id": "bigint"})
ROUTE = Entity("route", keys={"origin": "string", "number": "bigint", "day": "date"})
FLAG = Entity("flag", keys={"on": "boolean", "at": "timestamp"})
FEATURES = [Feature("x", "double"), Feature("n", "bigint"), Feature("s", "string"), Feature("v", "array<double>")]
TIMED = FeatureGroup("timed", entity=PLACE, timestamp="ts", created="made", ttl="2h", features=FEATURES)
OTHER = FeatureGroup("other", entity=PLACE, timestamp="ts", features=[Feature("x", "double"), Feature("m", "int")])
STATIC = FeatureGroup("static", entity=PLACE, features=[Feature("seats", "int")])
DATED = FeatureGroup("dated", entity=PLACE, created="made", features=[Feature("seats", "int")])
KEYED = [FeatureGroup("keyed", entity=entity, features=[Feature("x", "double")]) for entity in (ROUTE, FLAG, NUMBERED)]
NAMED = FeatureGroup("keyed", entity=PLACE, features=[Feature("x", "double")])
VALUES: Mapping[str, Sequence[Any]] = {
    "tinyint": [0, -128, 127],
    "smallint": [0, -(1 << 15), (1 << 15) - 1],
    "int": [0, -(1 << 31), (1 << 31) - 1],
    "bigint": [0, -(1 << 63), (1 << 63) - 1],
    "float": [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan],
    "double": [0.0, -0.0, 0.1, 5e-324, 1e308, math.inf, -math.inf, math.nan],
    "boolean": [True, False],
    "string": ["", " ", "a\x00b", "ü😀\uffff", "x" * 5000, "\ud800"],
    "timestamp": [dt.datetime(1, 1, 1), T0, dt.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "date": [dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(9999, 12, 31)],
    "decimal(38,10)": [0, 7, 10**27],
    "array<double>": [[], [1.5], [math.nan, None, -0.0, math.inf], [None], [0.5] * 1000],
    "array<float>": [[], [1.5, None]],
    "array<bigint>": [[], [None, -(1 << 63), (1 << 63) - 1]],
    "array<tinyint>": [[-128, None, 127]],
    "array<boolean>": [[], [True, None, False]],
    "array<string>": [[], [""], ["", None, "ü", "a,b"], [None, None]],
}
TYPED = FeatureGroup("typed", entity=PLACE, features=[Feature(f"f{n}", dtype) for n, dtype in enumerate(VALUES)])
WIDE = FeatureGroup("wide", entity=PLACE, features=[Feature(f"f{n}", "double") for n in range(70)])
GROUPS = {
    group.full_name: (entity, group)
    for entity, group in [
        *((PLACE, group) for group in (TIMED, OTHER, STATIC, DATED, NAMED, TYPED, WIDE)),
        *zip((ROUTE, FLAG, NUMBERED), KEYED, strict=True),
    ]
}


def expect(actual: Any, expected: Any, what: str) -> None:
    """Raise unless two values are the same, types, NaN and the sign of zero included."""
    if repr(actual) != repr(expected):
        raise AssertionError(f"{what}: expected {expected!r:.300}, found {actual!r:.300}")


def row(event: float = 0.0, made: float | None = 0.0, key: str = "k", **values: Any) -> dict[str, Any]:
    """Return a row of TIMED; times are hours."""
    return {"id": key, "ts": T0 + event * HOUR, "made": None if made is None else T0 + made * HOUR, **values}


def read_one(store: OnlineStore, group: FeatureGroup, key: Any = "k", now: dt.datetime = T0) -> dict[str, Any]:
    """Return the values of a key in a store, statuses included."""
    return store.read({group.full_name: [key]}, now, status=True)[group.full_name][0]
