"""Floating-point numbers as strings, as Java's ``toString`` writes them.

From version 19 on Java writes the shortest digits that mean the number; before, it wrote more for some. The old way is
repeated here step by step, with the limits of its integers, since which digits it writes depends on them.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from functools import lru_cache
from typing import Any

__all__ = ["SHORTEST", "java_string"]

# The first version of Java that writes the shortest digits.
SHORTEST = 19
_FLOAT, _INT = struct.Struct(">f"), struct.Struct(">I")
_DOUBLE, _LONG = struct.Struct(">d"), struct.Struct(">Q")
# Java's doubles: bits of the fraction, and the greatest exponents of 2 for which it takes the short way.
FRACTION, SMALL = 52, 62
HIDDEN = 1 << FRACTION
# Powers of 5 that fit into a long.
FIVES = 27


def java_string(value: Any, *, single: bool = False, java: int = SHORTEST) -> str:
    """Return a value as Java's ``toString`` writes it.

    Parameters
    ----------
    value : str, bool, int, float or Decimal
        What to write.
    single : bool
        Whether a float has 32 bits only.
    java : int
        The version of Java.

    Examples
    --------
    >>> [java_string(value) for value in (True, 7, 2.0, 1e7, 1.25e-4, -0.0, float("nan"))]
    ['true', '7', '2.0', '1.0E7', '1.25E-4', '-0.0', 'NaN']
    >>> java_string(0.10000000149011612, single=True)
    '0.1'
    >>> java_string(2e23), java_string(2e23, java=17), java_string(123456784.0, single=True, java=17)
    ('2.0E23', '1.9999999999999998E23', '1.23456784E8')
    """
    if value.__class__ is not float:
        return ("true" if value else "false") if value.__class__ is bool else str(value)
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0.0:
        return "-0.0" if math.copysign(1.0, value) < 0.0 else "0.0"
    text = _written(abs(value), single, java < SHORTEST)
    return "-" + text if value < 0.0 else text


@lru_cache(maxsize=1 << 12)
def _written(value: float, single: bool, old: bool) -> str:
    figures, power = _old_digits(value, single) if old else _shortest(value, single)
    if not -3 <= power < 7:
        return f"{figures[0]}.{figures[1:] or '0'}E{power}"
    if power < 0:
        return f"0.{'0' * (-power - 1)}{figures}"
    figures = figures.ljust(power + 1, "0")
    return f"{figures[: power + 1]}.{figures[power + 1 :] or '0'}"


def _shortest(value: float, single: bool) -> tuple[str, int]:
    """Return the shortest digits that mean the number, of which there are two at least, and the power of the first."""
    if single:
        texts = (f"{value:.{digits}g}" for digits in range(2, 9))
        text = next((text for text in texts if _FLOAT.pack(float(text)) == _FLOAT.pack(value)), f"{value:.9g}")
    else:
        text = repr(value)
        if sum(sign.isdigit() for sign in text.partition("e")[0]) == 1:
            text = f"{value:.1e}"
    _, digits, exponent = Decimal(text).normalize().as_tuple()
    return "".join(map(str, digits)), len(digits) + int(exponent) - 1


def _old_digits(value: float, single: bool) -> tuple[str, int]:
    """Return the digits that Java writes up to version 18, and the power of the first."""
    fraction, exponent, significant = _unpacked(value, single)
    tail = (fraction & -fraction).bit_length() - 1
    bits = FRACTION + 1 - tail
    tiny = max(0, bits - exponent - 1)
    if -21 <= exponent <= SMALL and not tiny:
        return _long_digits(fraction, exponent, significant)
    power = math.floor(_estimate(fraction, exponent))
    five_b, five_s = max(0, -power), max(0, power)
    two_b, two_s = five_b + tiny + exponent, five_s + tiny
    two_m = two_b - significant
    two_b -= bits - 1
    common = min(two_b, two_s)
    two_b, two_s, two_m = two_b - common, two_s - common, two_m - common
    if bits == 1:
        # The next number below a power of two is nearer.
        two_m -= 1
    if two_m < 0:
        two_b, two_s, two_m = two_b - two_m, two_s - two_m, 0
    b_bits = bits + two_b + (_bits_of_five(five_b) if five_b < FIVES else five_b * 3)
    s_bits = two_s + 1 + (_bits_of_five(five_s + 1) if five_s + 1 < FIVES else (five_s + 1) * 3)
    width = max(b_bits, s_bits)
    rest = (fraction >> tail) * 5**five_b << two_b
    scale, half = 5**five_s << two_s, 5**five_b << two_m
    return _developed(rest, scale, half, power, 0 if width >= 64 else 32 if width < 32 else 64)


def _developed(rest: int, scale: int, half: int, power: int, width: int) -> tuple[str, int]:
    """Divide digit by digit until the rest is less than half of what distinguishes the number from its neighbours."""
    tens = scale * 10
    digit, rest = divmod(rest, scale)
    rest, half = rest * 10, _wrapped(half * 10, width)
    low, high = rest < half, _reaches(rest, half, tens, width)
    digits = []
    if digit == 0 and not high:
        power -= 1
    else:
        digits.append(digit)
    if power < -3 or power >= 8:
        # A digit after the point must be there.
        low = high = False
    while not low and not high:
        digit, rest = divmod(rest, scale)
        rest, half = rest * 10, _wrapped(half * 10, width)
        low, high = (rest < half, _reaches(rest, half, tens, width)) if half > 0 else (True, True)
        digits.append(digit)
    if high and (not low or rest * 2 > tens or (rest * 2 == tens and digits[-1] % 2)):
        power += _rounded_up(digits)
    return "".join(map(str, digits)), power


def _rounded_up(digits: list[int]) -> int:
    """Add one to the last digit, and return by how much the power of the first grows."""
    at = len(digits) - 1
    while at >= 0 and digits[at] == 9:
        digits[at] = 0
        at -= 1
    if at >= 0:
        digits[at] += 1
        return 0
    digits[0] = 1
    return 1


def _reaches(rest: int, half: int, tens: int, width: int) -> bool:
    # Large numbers are compared otherwise than those that fit into an int or a long.
    return _wrapped(rest + half, width) > tens if width else rest + half >= tens


def _wrapped(number: int, width: int) -> int:
    if not width or -(1 << width - 1) <= number < 1 << width - 1:
        return number
    return (number + (1 << width - 1)) % (1 << width) - (1 << width - 1)


def _long_digits(fraction: int, exponent: int, significant: int) -> tuple[str, int]:
    """Return the digits of an integer, without those that are not significant."""
    dropped = _insignificant(exponent - significant - 1) if exponent > significant else 0
    number = fraction << exponent - FRACTION if exponent >= FRACTION else fraction >> FRACTION - exponent
    if dropped:
        number, residue = divmod(number, 10**dropped)
        number += residue >= 10**dropped // 2
    text = str(number)
    return text.rstrip("0"), len(text) + dropped - 1


def _insignificant(power: int) -> int:
    return int(power * math.log10(2.0)) if 1 < power < 64 else 0


def _bits_of_five(power: int) -> int:
    return (5**power).bit_length() if power else 0


def _estimate(fraction: int, exponent: int) -> float:
    """Return about the logarithm of the number, as Java estimates it."""
    (mantissa,) = _DOUBLE.unpack(_LONG.pack(1023 << FRACTION | fraction & HIDDEN - 1))
    return float((mantissa - 1.5) * 0.289529654 + 0.176091259 + exponent * 0.301029995663981)


def _unpacked(value: float, single: bool) -> tuple[int, int, int]:
    """Return the fraction with its highest bit at that of a double, the exponent, and how many bits count."""
    if single:
        (bits,) = _INT.unpack(_FLOAT.pack(value))
        size, bias = 23, 127
    else:
        (bits,) = _LONG.unpack(_DOUBLE.pack(value))
        size, bias = FRACTION, 1023
    fraction, exponent = bits & (1 << size) - 1, bits >> size
    if exponent:
        return (fraction | 1 << size) << FRACTION - size, exponent - bias, size + 1
    significant = fraction.bit_length()
    shift = size + 1 - significant
    return fraction << shift + FRACTION - size, 1 - shift - bias, significant
