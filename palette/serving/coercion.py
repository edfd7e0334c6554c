"""Columns of a request row on their way into a stage, made into what the stages compute on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dsl.compilers.coercion import reading_lines
from dsl.dtypes import BOOL, INT, NUM, STR, TS, DType, reads
from dsl.errors import DslTypeError
from palette.errors import DataError
from palette.serving.stages import Bind
from palette.serving.stages.vectors import Sparse, incoming_vector

__all__ = ["incoming_lines"]

VECTORS = ("vector", "array<double>", "array<float>", "array<int>", "array<bigint>")
# A stage takes an integer as it is: what StringIndexer makes of 1 and of 1.0 are two labels.
SCALARS: tuple[DType, ...] = (INT, NUM, STR, BOOL, TS)


def incoming_lines(local: str, source: str, name: str, bind: Bind, *, numeric: bool = False) -> list[str]:
    """Return Python lines that convert the value of a local variable, in place.

    Parameters
    ----------
    local : str
        The variable.
    source : str
        The Spark type of the column; values of unknown type are not converted, but for numpy's to Python's.
    name : str
        What to call it in messages.
    bind : callable
        Returns the name of a constant, given its value and a key of its own.
    numeric : bool
        Whether a value of unknown type must be a number or a vector.
    """
    dtype = next((dtype for dtype in SCALARS if source and reads(dtype, source)), None)
    if dtype is not None:
        return reading_lines(local, dtype, source, name, bind)
    convert: Callable[[Any], Any]
    if source in VECTORS:

        def convert(value: Any) -> Any:
            return incoming_vector(value, name)

    elif source == "array<string>":

        def convert(value: Any) -> Any:
            return incoming_texts(value, name)

    elif numeric and not source:

        def convert(value: Any) -> Any:
            return incoming_number(value, name)

        known = f"{local}.__class__ is not {bind(float, float)} and {local} is not None"
        return [f"if {known}: {local} = {bind(convert, (name, 'numeric'))}({local})"]

    else:
        convert = plain_value
    return [f"if {local} is not None: {local} = {bind(convert, (name, source))}({local})"]


def incoming_texts(value: Any, name: str) -> list[str | None]:
    """Return a list of strings, some of them perhaps null.

    Raises
    ------
    DataError
        If the value is of another type.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not all(
        element is None or isinstance(element, str) for element in value
    ):
        raise DataError(f"{name}: expected a list of strings, found {value!r:.80} of type {type(value).__name__}")
    return list(value)


def incoming_number(value: Any, name: str) -> Any:
    """Return a number, or a vector, of a column whose type is not known; an integer stays one.

    Raises
    ------
    DslTypeError
        If the value is neither: what Spark would not accept as a column of numbers either.
    """
    plain = plain_value(value)
    if isinstance(plain, Decimal):
        plain = float(plain)
    if isinstance(plain, (list, tuple)):
        return incoming_vector(plain, name)
    if plain is None or isinstance(plain, (float, Sparse)):
        return plain
    if not isinstance(plain, int) or abs(plain) > sys.float_info.max:
        raise DslTypeError(f"{name}: expected a number or a vector, found {value!r:.80} of type {type(value).__name__}")
    return plain


def plain_value(value: Any) -> Any:
    """Return numpy's and pyspark's values as plain Python's."""
    if type(value).__module__.startswith(("numpy", "pyspark.ml.linalg")):
        return incoming_vector(value, "column") if getattr(value, "shape", True) else value.tolist()
    return value
