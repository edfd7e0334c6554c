"""Labels of numbers: which number Spark's cast to text makes a label of."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence

from palette.types import INTEGERS

__all__ = ["numbers_of", "place_of"]

INTEGER = re.compile(r"0|-?[1-9]\d*")
# As Java writes floating-point numbers: no insignificant zeros, and an exponent from 1E7 on and below 1E-3.
_DIGITS = r"(?:0|\d*[1-9])"
FLOATING = re.compile(
    rf"-?(?:0\.0{{0,2}}[1-9](?:\d*[1-9])?|[1-9]\d{{0,6}}\.{_DIGITS}|"
    rf"[1-9]\.{_DIGITS}E(?:[7-9]|[1-9]\d+|-[4-9]|-[1-9]\d+)|Infinity)"
)
_FLOAT = struct.Struct("f")


def numbers_of(labels: Sequence[str], dtype: str) -> dict[float, float]:
    """Return the place of each label by the number that Spark casts to it; zero and NaN are left to `place_of`.

    How many digits a floating-point number has as text depends on the version of Java, but not which number they mean.

    Parameters
    ----------
    labels : sequence of str
        The labels.
    dtype : str
        The Spark type of the numbers; where it is unknown, a float may be of type double or float.

    Examples
    --------
    >>> numbers_of(["1", "1.0", "1.50", "2.0E23", "x"], "double")
    {1.0: 1.0, 2e+23: 3.0}
    >>> numbers_of(["1", "0", "1.0", "0.10"], "int"), numbers_of(["1", "0.10"], "decimal(4,2)")
    ({1: 0.0, 0: 1.0}, {0.1: 1.0})
    """
    places = [(label, float(place)) for place, label in enumerate(labels)]
    if dtype in INTEGERS:
        return {int(label): place for label, place in places if INTEGER.fullmatch(label)}
    if decimal := re.fullmatch(r"decimal\(\d+,(\d+)\)", dtype):
        scaled = re.compile(rf"-?\d+\.\d{{{decimal[1]}}}" if int(decimal[1]) else r"-?\d+")
        return {float(label): place for label, place in places if scaled.fullmatch(label)}
    numbers = {float(label): place for label, place in places if FLOATING.fullmatch(label)}
    if dtype != "double":
        singles = {_single(number): place for number, place in numbers.items()}
        numbers = singles if dtype == "float" else singles | numbers
    # The label of a double that a float rounds to zero is not a label of zero.
    return {number: place for number, place in numbers.items() if number}


def place_of(value: object, texts: dict[str, float], numbers: dict[float, float]) -> float | None:
    """Return the place of the label of a value, or None; `numbers` are for floats only.

    Examples
    --------
    >>> texts = {"0.0": 0.0, "-0.0": 1.0, "7": 2.0, "2.5": 3.0}
    >>> [place_of(value, texts, {2.5: 3.0}) for value in (-0.0, 7, 2.5, "2.5", None)]
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
