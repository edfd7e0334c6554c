"""Types of the expression language, and the Spark types that each of them reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ANY",
    "BOOL",
    "INT",
    "LISTED",
    "LISTS",
    "NUM",
    "NUMERIC",
    "ORDERED",
    "READERS",
    "STR",
    "STRS",
    "TS",
    "VEC",
    "DType",
    "Var",
    "reads",
    "unify",
]


class DType(StrEnum):
    """Type of an expression.

    ``NULL`` is the type of a bare ``null``; ``WEIGHTS`` (string to number) is a type of constants only.

    Examples
    --------
    >>> DType.NUMBER.spark
    'double'
    """

    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    VECTOR = "vector"
    NULL = "null"
    STRINGS = "strings"
    WEIGHTS = "weights"

    @property
    def spark(self) -> str:
        """The type's name in Spark's simple form."""
        return _SPARK_NAMES[self]

    @property
    def ddl(self) -> str:
        """The type's name for a cast: the meaning of ``timestamp`` depends on ``spark.sql.timestampType``."""
        return "timestamp_ltz" if self is DType.TIMESTAMP else self.spark

    @property
    def only_constant(self) -> bool:
        """Whether only constants have this type."""
        return self is DType.WEIGHTS


_SPARK_NAMES = {
    DType.NUMBER: "double",
    DType.INTEGER: "bigint",
    DType.STRING: "string",
    DType.BOOLEAN: "boolean",
    DType.TIMESTAMP: "timestamp",
    DType.VECTOR: "array<double>",
    DType.NULL: "void",
    DType.STRINGS: "array<string>",
    DType.WEIGHTS: "map<string,double>",
}

NUM = DType.NUMBER
INT = DType.INTEGER
STR = DType.STRING
BOOL = DType.BOOLEAN
TS = DType.TIMESTAMP
VEC = DType.VECTOR
STRS = DType.STRINGS
LISTS = (VEC, STRS)
"""Types whose values are lists; the elements of a source column may be missing."""


@dataclass(frozen=True, slots=True)
class Var:
    """A type variable: arguments that share it have the same type, one of those allowed.

    Examples
    --------
    >>> DType.STRING in NUMERIC.allowed
    False
    """

    name: str
    allowed: frozenset[DType]

    @property
    def fallback(self) -> DType:
        """The type if all arguments are null: a number or a vector, if that is allowed."""
        return next((dtype for dtype in (NUM, VEC) if dtype in self.allowed), min(self.allowed))


ANY = Var("T", frozenset({NUM, INT, STR, BOOL, TS, VEC}))
NUMERIC = Var("N", frozenset({NUM, INT}))
ORDERED = Var("O", ANY.allowed - {VEC})
LISTED = Var("L", frozenset(LISTS))

READERS = {"nVal": NUM, "iVal": INT, "sVal": STR, "bVal": BOOL, "tVal": TS, "vVal": VEC, "aVal": STRS}
"""The functions that read a feature, and the types that they read."""


def unify(left: DType, right: DType) -> DType | None:
    """Return the common type of two types, or None.

    Examples
    --------
    >>> unify(DType.INTEGER, DType.NUMBER)
    <DType.NUMBER: 'number'>
    >>> unify(DType.NULL, DType.STRING)
    <DType.STRING: 'string'>
    >>> unify(DType.BOOLEAN, DType.STRING) is None
    True
    """
    if left is right or right is DType.NULL:
        return left
    if left is DType.NULL:
        return right
    return NUM if {left, right} == {NUM, INT} else None


_INTEGRAL = "tinyint|smallint|int|bigint"
_NUMERIC = rf"{_INTEGRAL}|float|double|decimal\(\d+,\d+\)"
_SOURCES = {
    NUM: _NUMERIC,
    INT: _INTEGRAL,
    STR: "string",
    BOOL: "boolean",
    TS: "timestamp|timestamp_ntz|date",
    VEC: rf"array<(?:{_NUMERIC})>",
    STRS: "array<string>",
}


def reads(dtype: DType, source_type: str) -> bool:
    """Return whether a column of Spark type `source_type` can be read as `dtype`.

    Examples
    --------
    >>> reads(NUM, "decimal(10,2)"), reads(INT, "double"), reads(VEC, "array<float>")
    (True, False, True)
    """
    return re.fullmatch(_SOURCES[dtype], source_type) is not None
