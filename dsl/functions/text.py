"""Strings. Positions count code points from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, STR, Var
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Concat", "Contains", "EndsWith", "Length", "Lower", "Position", "Replace", "Reverse", "SplitPart",
    "StartsWith", "Substring", "ToText", "Trim", "Upper"]  # fmt: skip

_PRINTABLE = Var("S", frozenset({STR, INT, BOOL}))

# Letters whose case Unicode defined after version 14, as pairs of uppercase and lowercase letter. Spark maps them;
# Python 3.11 does not.
_LATER_LOWERCASE = {
    0x1C89: 0x1C8A, 0xA7CB: 0x0264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5, 0xA7DA: 0xA7DB,
    0xA7DC: 0x019B,
    **dict(zip(range(0x10D50, 0x10D66), range(0x10D70, 0x10D86), strict=True)),
    **dict(zip(range(0x16EA0, 0x16EB9), range(0x16EBB, 0x16ED4), strict=True)),
}  # fmt: skip
_LATER_UPPERCASE = {lower: upper for upper, lower in _LATER_LOWERCASE.items()}

_SIZES = [-(2**31), -5, -1, 0, 1, 2, 3, 2**31 - 1]


def _check_size(number: int) -> None:
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"must fit 32 bits, found {number}")


def _check_part(number: int) -> None:
    _check_size(number)
    if number == 0:
        raise ValueError("must not be 0: parts are counted from 1, or from -1 backwards")


def _binary_collation(F: Any, text: Column) -> Column:
    """Return the string in a form that keeps the optimizer from simplifying lower(upper(x)), which is wrong for 'ß'."""
    return F.collate(text, "UTF8_BINARY")


@REGISTRY.register("lower", Arg("text", STR), returns=STR, examples=[(("Été",), "été"), (("ΟΔΟΣ",), "οδος")])
class Lower:
    """The string in lowercase, independent of language. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.lower(_binary_collation(F, text))

    @staticmethod
    def row(text: str) -> str:
        return text.lower() if text.isascii() else text.lower().translate(_LATER_LOWERCASE)


@REGISTRY.register("upper", Arg("text", STR), returns=STR, examples=[(("été",), "ÉTÉ"), (("ß",), "SS")])
class Upper:
    """The string in uppercase, independent of language. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.upper(_binary_collation(F, text))

    @staticmethod
    def row(text: str) -> str:
        return text.upper() if text.isascii() else text.upper().translate(_LATER_UPPERCASE)


@REGISTRY.register("trim", Arg("text", STR), returns=STR, examples=[(("  a b ",), "a b"), (("\ta ",), "\ta")])
class Trim:
    """The string without leading and trailing spaces (U+0020 only). Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.trim(text)

    @staticmethod
    def row(text: str) -> str:
        return text.strip(" ")


@REGISTRY.register("length", Arg("text", STR), returns=INT, examples=[(("",), 0), (("a😀",), 2)])
class Length:
    """Number of code points of the string. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.char_length(text).cast("bigint")

    @staticmethod
    def row(text: str) -> int:
        return len(text)


@REGISTRY.register("reverse", Arg("text", STR), returns=STR, examples=[(("a😀b",), "b😀a")])
class Reverse:
    """The string with its code points in reverse order. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.reverse(text)

    @staticmethod
    def row(text: str) -> str:
        return text[::-1]


@REGISTRY.register(
    "concat", Arg("text", STR, repeated=True), returns=STR, examples=[(("a", "b"), "ab"), (("a", None), None)]
)
class Concat:
    """The strings concatenated. Null when one of them is null."""

    @staticmethod
    def column(F: Any, *texts: Column) -> Column:
        return F.concat(*texts)

    @staticmethod
    def row(*texts: str) -> str:
        return "".join(texts)


@REGISTRY.register(
    "contains",
    Arg("text", STR),
    Arg("part", STR),
    returns=BOOL,
    examples=[(("abc", "b"), True), (("abc", ""), True), (("abc", "B"), False)],
    inline="({part} in {text})",
)
class Contains:
    """Whether `text` contains `part`. Null when either is null."""

    @staticmethod
    def column(F: Any, text: Column, part: Column) -> Column:
        return F.contains(text, part)

    @staticmethod
    def row(text: str, part: str) -> bool:
        return part in text


@REGISTRY.register(
    "startsWith",
    Arg("text", STR),
    Arg("prefix", STR),
    returns=BOOL,
    examples=[(("abc", "ab"), True), (("abc", "b"), False)],
)
class StartsWith:
    """Whether `text` starts with `prefix`. Null when either is null."""

    @staticmethod
    def column(F: Any, text: Column, prefix: Column) -> Column:
        return F.startswith(text, prefix)

    @staticmethod
    def row(text: str, prefix: str) -> bool:
        return text.startswith(prefix)


@REGISTRY.register(
    "endsWith",
    Arg("text", STR),
    Arg("suffix", STR),
    returns=BOOL,
    examples=[(("abc", "bc"), True), (("abc", "b"), False)],
)
class EndsWith:
    """Whether `text` ends with `suffix`. Null when either is null."""

    @staticmethod
    def column(F: Any, text: Column, suffix: Column) -> Column:
        return F.endswith(text, suffix)

    @staticmethod
    def row(text: str, suffix: str) -> bool:
        return text.endswith(suffix)


@REGISTRY.register(
    "position",
    Arg("part", STR),
    Arg("text", STR),
    returns=INT,
    examples=[(("c", "abc"), 3), (("x", "abc"), 0), (("", "abc"), 1)],
)
class Position:
    """Position of the first `part` in `text`, counted from 1; 0 when there is none. Null when either is null."""

    @staticmethod
    def column(F: Any, part: Column, text: Column) -> Column:
        return F.position(part, text).cast("bigint")

    @staticmethod
    def row(part: str, text: str) -> int:
        return text.find(part) + 1


@REGISTRY.register(
    "replace",
    Arg("text", STR),
    Arg("part", STR),
    Arg("by", STR),
    returns=STR,
    examples=[(("a-b-c", "-", "+"), "a+b+c"), (("abc", "", "x"), "abc")],
)
class Replace:
    """`text` with every `part` replaced; an empty part replaces nothing. Null when an argument is null."""

    @staticmethod
    def column(F: Any, text: Column, part: Column, by: Column) -> Column:
        return F.replace(text, part, by)

    @staticmethod
    def row(text: str, part: str, by: str) -> str:
        return text.replace(part, by) if part else text


@REGISTRY.register(
    "substring",
    Arg("text", STR),
    Arg("start", INT, constant=True, check=_check_size),
    Arg("count", INT, constant=True, check=_check_size),
    returns=STR,
    examples=[(("hello", 2, 3), "ell"), (("hello", -3, 2), "ll"), (("abc", -5, 3), "a"), (("abc", 0, 2), "ab")],
    edges={"start": _SIZES, "count": _SIZES},
)
class Substring:
    """`count` code points from position `start`, counted from the end if negative. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column, start: int, count: int) -> Column:
        return F.substring(text, start, count)

    @staticmethod
    def row(text: str, start: int, count: int) -> str:
        first = start - 1 if start > 0 else len(text) + start if start else 0
        return text[max(first, 0) : max(first + count, 0)]


@REGISTRY.register(
    "splitPart",
    Arg("text", STR),
    Arg("separator", STR),
    Arg("number", INT, constant=True, check=_check_part),
    returns=STR,
    examples=[(("a,b,c", ",", 2), "b"), (("a,b,c", ",", -1), "c"), (("a", ",", 2), ""), (("abc", "", 1), "abc")],
    edges={"separator": [None, "", ",", "a", " ", "ß", "aa", "."], "number": [-3, -2, -1, 1, 2, 3, 2**31 - 1]},
)
class SplitPart:
    """The part between separators by number, -1 is the last; empty when there are fewer. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column, separator: Column, number: int) -> Column:
        return F.split_part(text, separator, F.lit(number))

    @staticmethod
    def row(text: str, separator: str, number: int) -> str:
        parts = text.split(separator) if separator else [text]
        index = number - 1 if number > 0 else len(parts) + number
        return parts[index] if 0 <= index < len(parts) else ""


@REGISTRY.register(
    "toText", Arg("x", _PRINTABLE), returns=STR, examples=[((12,), "12"), ((True,), "true"), (("a",), "a")]
)
class ToText:
    """The string form of an integer or boolean, as in keys. Null when `x` is null."""

    @staticmethod
    def column(F: Any, x: Column) -> Column:
        return x.cast("string")

    @staticmethod
    def row(x: object) -> str:
        return str(x).lower() if x.__class__ is bool else str(x)
