"""Three-valued logic and conditionals: a null condition is neither true nor false, and selects the else branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl.dtypes import ANY, BOOL
from dsl.registry import REGISTRY, Arg, Nulls

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["And", "Case", "If", "Not", "Or"]


@REGISTRY.register(
    "and",
    Arg("x", BOOL),
    Arg("y", BOOL),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((True, True), True), ((None, False), False), ((None, True), None)],
    inline="({y} if {x} else {x} if {x} is False or {y} is not False else False)",
)
class And:
    """Whether both are true, ``x and y``. Null when neither is false and one is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x & y

    @staticmethod
    def row(x: bool | None, y: bool | None) -> bool | None:
        if x is False or y is False:
            return False
        return None if x is None or y is None else True


@REGISTRY.register(
    "or",
    Arg("x", BOOL),
    Arg("y", BOOL),
    returns=BOOL,
    nulls=Nulls.HANDLED,
    examples=[((False, False), False), ((None, True), True), ((None, False), None)],
    inline="({y} if {x} is False else {x} if {x} or {y} is not True else True)",
)
class Or:
    """Whether either is true, ``x or y``. Null when neither is true and one is null."""

    @staticmethod
    def column(F: Any, x: Column, y: Column) -> Column:
        return x | y

    @staticmethod
    def row(x: bool | None, y: bool | None) -> bool | None:
        if x or y:
            return True
        return None if x is None or y is None else False


@REGISTRY.register("not", Arg("x", BOOL), returns=BOOL, examples=[((True,), False)], inline="(not {x})")
class Not:
    """Whether `x` is false, ``not x``. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return ~x

    @staticmethod
    def row(x: bool) -> bool:
        return not x


@REGISTRY.register(
    "if",
    Arg("condition", BOOL),
    Arg("then", ANY),
    Arg("otherwise", ANY),
    returns=ANY,
    nulls=Nulls.HANDLED,
    examples=[((True, 1.0, 2.0), 1.0), ((None, "yes", "no"), "no"), ((True, None, 1), None)],
    inline="({then} if {condition} else {otherwise})",
)
class If:
    """`then` if the condition is true, `otherwise` if it is false or null. Null when the selected value is null."""

    @staticmethod
    def column(F: Any, condition: Column, then: Column, otherwise: Column) -> Column:
        return F.when(condition, then).otherwise(otherwise)

    @staticmethod
    def row(condition: bool | None, then: Any, otherwise: Any) -> Any:
        return then if condition else otherwise


@REGISTRY.register(
    "case",
    Arg("condition", BOOL, repeated=True),
    Arg("value", ANY, repeated=True),
    Arg("otherwise", ANY, default=None),
    returns=ANY,
    nulls=Nulls.HANDLED,
    examples=[((False, 1.0, True, 2.0, 3.0), 2.0), ((None, "a", "b"), "b"), ((False, 1), None)],
)
class Case:
    """The value of the first condition that is true, else `otherwise`. Null when that is null or omitted."""

    @staticmethod
    def column(F: Any, *args: Column) -> Column:
        *pairs, otherwise = args
        chosen = F
        for condition, value in zip(pairs[::2], pairs[1::2], strict=True):
            chosen = chosen.when(condition, value)
        return chosen.otherwise(otherwise)

    @staticmethod
    def row(*args: Any) -> Any:
        for index in range(0, len(args) - 1, 2):
            if args[index]:
                return args[index + 1]
        return args[-1]
