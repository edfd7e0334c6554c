"""Labels of numbers: which number Spark's cast to text makes a label of."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence

from palette.types import INTEGERS

__all__ = ["label_index", "number_indices"]

INTEGER = re.compile(r"0|-?[1-9]\d*")
# As Java writes floating-point numbers: no insignificant zeros, and an exponent from 1E7 on and below 1E-3.
_DIGITS = r"(?:0|\d*[1-9])"
FLOATING = re.compile(
    rf"-?(?:0\.0{{0,2}}[1-9](?:\d*[1-9])?|[1-9]\d{{0,6}}\.{_DIGITS}|"
    rf"[1-9]\.{_DIGITS}E(?:[7-9]|[1-9]\d+|-[4-9]|-[1-9]\d+)|Infinity)"
)
_FLOAT = struct.Struct("f")


def number_indices(labels: Sequence[str], dtype: str) -> dict[float, float]:
    """Return the index of each label by the number that Spark casts to it; zero and NaN are left to `label_index`.

    How many digits a floating-point number has as text depends on the version of Java, but not which number they mean.

    Parameters
    ----------
    labels : sequence of str
        The labels.
    dtype : str
        The Spark type of the numbers; where it is unknown, a float may be of type double or float.

    Examples
    --------
    >>> number_indices(["1", "1.0", "1.50", "2.0E23", "x"], "double")
    {1.0: 1.0, 2e+23: 3.0}
    >>> number_indices(["1", "0", "1.0", "0.10"], "int"), number_indices(["1", "0.10"], "decimal(4,2)")
    ({1: 0.0, 0: 1.0}, {0.1: 1.0})
    """
    indices = [(label, float(index)) for index, label in enumerate(labels)]
    if dtype in INTEGERS:
        return {int(label): index for label, index in indices if INTEGER.fullmatch(label)}
    if decimal := re.fullmatch(r"decimal\(\d+,(\d+)\)", dtype):
        scaled = re.compile(rf"-?\d+\.\d{{{decimal[1]}}}" if int(decimal[1]) else r"-?\d+")
        return {float(label): index for label, index in indices if scaled.fullmatch(label)}
    numbers = {float(label): index for label, index in indices if FLOATING.fullmatch(label)}
    if dtype != "double":
        singles = {_single(number): index for number, index in numbers.items()}
        numbers = singles if dtype == "float" else singles | numbers
    # The label of a double that a float rounds to zero is not a label of zero.
    return {number: index for number, index in numbers.items() if number}


def label_index(value: object, texts: dict[str, float], numbers: dict[float, float]) -> float | None:
    """Return the index of the label of a value, or None; `numbers` are for floats only.

    Examples
    --------
    >>> texts = {"0.0": 0.0, "-0.0": 1.0, "7": 2.0, "2.5": 3.0}
    >>> [label_index(value, texts, {2.5: 3.0}) for value in (-0.0, 7, 2.5, "2.5", None)]
    [1.0, 2.0, 3.0, 3.0, None]
    """
    if value.__class__ is not float:
        return None if value is None else texts.get(str(value))
    if value == 0.0 and value not in numbers:
        return texts.get("-0.0" if math.copysign(1.0, value) < 0.0 else "0.0")
    return texts.get("NaN") if value != value else numbers.get(value)


def _single(number: float) -> float:
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)
