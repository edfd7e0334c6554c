"""Missing values: null, and NaN for a missing number."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dsl.dtypes import ANY, BOOL, INT, NUM, ORDERED, STR, TS
from dsl.functions.comparison import equal
from dsl.functions.instants import timestamp_literal
from dsl.registry import DECLARED, REGISTRY, Arg, Nulls

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["BFill", "Coalesce", "IFill", "IsMissing", "IsNull", "NFill", "NullIf", "SFill", "TFill"]

_PLAIN = "({default} if {x} is None else {x})"
_NOON = datetime(2024, 2, 29, 12)


@REGISTRY.register(
    "nFill",
    Arg("x", NUM),
    Arg("default", NUM, constant=True, default=DECLARED),
    returns=NUM,
    nulls=Nulls.HANDLED,
    examples=[((None, 0.0), 0.0), ((math.nan, 1.0), 1.0), ((2.5, 0.0), 2.5)],
    inline="({default} if {x} is None or {x} != {x} else {x})",
)
class NFill:
    """The number; null and NaN become a constant or the feature's declared default. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, default: float | None) -> Column:
        return F.coalesce(F.nanvl(x, F.lit(None)), F.lit(default))

    @staticmethod
    def row(x: float | None, default: float | None) -> float | None:
        return default if x is None or math.isnan(x) else x


@REGISTRY.register(
    "iFill",
    Arg("x", INT),
    Arg("default", INT, constant=True, default=DECLARED),
    returns=INT,
    nulls=Nulls.HANDLED,
    examples=[((None, 0), 0), ((2, 0), 2)],
    inline=_PLAIN,
)
class IFill:
    """The integer; null becomes a constant or the feature's declared default. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, default: int | None) -> Column:
        return F.coalesce(x, F.lit(default))

    @staticmethod
    def row(x: int | None, default: int | None) -> int | None:
        return default if x is None else x


@REGISTRY.register(
    "sFill",
    Arg("x", STR),
    Arg("default", STR, constant=True, default=DECLARED),
    returns=STR,
    nulls=Nulls.HANDLED,
    examples=[((None, "?"), "?"), (("", "?"), "")],
    inline=_PLAIN,
)
class SFill:
    """The string; null becomes a constant or the feature's declared default. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, default: str | None) -> Column:
        return F.coalesce(x, F.lit(default))

    @staticmethod
    def row(x: str | None, default: str | None) -> str | None:
        return default if x is None else x


@REGISTRY.register(
    "bFill",
    Arg("x", BOOL),
    Arg("default", BOOL, constant=True, default=DECLARED),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((None, True), True), ((False, True), False)],
    inline=_PLAIN,
)
class BFill:
    """The boolean; null becomes a constant or the feature's declared default. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, default: bool | None) -> Column:
        return F.coalesce(x, F.lit(default))

    @staticmethod
    def row(x: bool | None, default: bool | None) -> bool | None:
        return default if x is None else x


@REGISTRY.register(
    "tFill",
    Arg("x", TS),
    Arg("default", TS, constant=True, default=DECLARED),
    returns=TS,
    nulls=Nulls.HANDLED,
    examples=[((None, _NOON), _NOON), ((datetime(1970, 1, 1), _NOON), datetime(1970, 1, 1))],
    inline=_PLAIN,
)
class TFill:
    """The timestamp; null becomes a constant or the feature's declared default. Null when that is null."""

    @staticmethod
    def column(F: Any, x: Column, default: datetime | None) -> Column:
        return F.coalesce(x, timestamp_literal(F, default))

    @staticmethod
    def row(x: datetime | None, default: datetime | None) -> datetime | None:
        return default if x is None else x


@REGISTRY.register(
    "isNull",
    Arg("x", ANY),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((None,), True), ((math.nan,), False), (("",), False)],
    inline="({x} is None)",
)
class IsNull:
    """Whether the value is null; NaN is not. Never null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return x.isNull()

    @staticmethod
    def row(x: Any) -> bool:
        return x is None


@REGISTRY.register(
    "isMissing",
    Arg("x", NUM),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((None,), True), ((math.nan,), True), ((0.0,), False)],
    inline="({x} is None or {x} != {x})",
)
class IsMissing:
    """Whether the number is null or NaN. Never null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return x.isNull() | F.isnan(x)

    @staticmethod
    def row(x: float | None) -> bool:
        return x is None or math.isnan(x)


@REGISTRY.register(
    "coalesce",
    Arg("x", ANY, repeated=True),
    returns=ANY,
    nulls=Nulls.HANDLED,
    examples=[((None, 1.0, 2.0), 1.0), ((None, "a"), "a"), ((None, math.nan, 1.0), math.nan), ((None,), None)],
)
class Coalesce:
    """The first value that is not null; NaN counts as a value. Null when all are null."""

    @staticmethod
    def column(F: Any, *xs: Column) -> Column:
        return F.coalesce(*xs)

    @staticmethod
    def row(*xs: Any) -> Any:
        for x in xs:
            if x is not None:
                return x
        return None


@REGISTRY.register(
    "nullIf",
    Arg("x", ORDERED),
    Arg("y", ORDERED),
    returns=ORDERED,
    nulls=Nulls.HANDLED,
    examples=[((-1.0, -1.0), None), ((2.0, -1.0), 2.0), (("n/a", "n/a"), None), ((1, None), 1)],
)
class NullIf:
    """`x`, unless it equals `y`, a value that means missing. Null when `x` equals `y` or is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return F.nullif(x, y)

    @staticmethod
    def row(x: Any, y: Any) -> Any:
        return None if x is not None and y is not None and equal(x, y) else x
