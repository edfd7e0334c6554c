r"""Regular expressions of Java as Python's: those that mean the same in both, others are rejected.

Rejected are, for instance, ``\b`` and ``$``, sets within sets, and flags but ``(?i)`` and ``(?s)`` at the beginning.
Letters of ``\p{L}`` and its like are those that the Unicode of this Python knows.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NoReturn, TypeAlias

from palette.errors import DataError

__all__ = ["compiled", "matches", "split"]

Ranges: TypeAlias = "tuple[tuple[int, int], ...]"

LAST = sys.maxunicode
CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
SETS: dict[str, Ranges] = {
    "h": ((9, 9), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A), (0x202F, 0x202F),
          (0x205F, 0x205F), (0x3000, 0x3000)),
    "v": ((10, 13), (0x85, 0x85), (0x2028, 0x2029)),
    "Lower": ((97, 122),), "Upper": ((65, 90),), "ASCII": ((0, 127),), "Alpha": ((65, 90), (97, 122)),
    "Digit": ((48, 57),), "Alnum": ((48, 57), (65, 90), (97, 122)), "Punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "Graph": ((33, 126),), "Print": ((32, 126),), "Blank": ((9, 9), (32, 32)), "Cntrl": ((0, 31), (127, 127)),
    "XDigit": ((48, 57), (65, 70), (97, 102)), "Space": ((9, 13), (32, 32)),
}  # fmt: skip
CATEGORY = re.compile(r"(?:Is)?(L[ulotm]?|M[ecn]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?)")
OPENERS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:")
LINE_END = "\\n\\r\\x85\\u2028\\u2029"


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Return a pattern of Java's as Python's.

    Raises
    ------
    DataError
        If Python reads it differently, or not at all.

    Examples
    --------
    >>> compiled(r"[\W_]+").split("a_b  c")
    ['a', 'b', 'c']
    """
    return _Translation(pattern).compiled()


def matches(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return all matches as Java finds them: after an empty one, it looks on from the next character.

    Examples
    --------
    >>> matches(compiled("x*|b"), "b")
    ['', '']
    """
    return [text[start:end] for start, end in _spans(pattern, text)]


def split(pattern: re.Pattern[str], text: str) -> list[str]:
    r"""Return what is between matches as Java does it: nothing empty at the end, nor before an empty first match.

    Raises
    ------
    DataError
        If an empty match would tear a character in two.

    Examples
    --------
    >>> split(compiled(r"\s"), " a b  "), split(compiled(""), "ab"), split(compiled("x"), "")
    (['', 'a', 'b'], ['a', 'b'], [''])
    """
    parts, begin = [], 0
    for start, end in _spans(pattern, text):
        if start == end:
            if text[start : start + 1] > "\uffff":
                raise DataError(f"RegexTokenizer: an empty match splits {text[start]!r} in Java; match something")
            if end == 0:
                continue
        parts.append(text[begin:start])
        begin = end
    if begin == 0:
        return [text]
    parts.append(text[begin:])
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at <= len(text) and (match := pattern.search(text, at)):
        start, end = match.span()
        yield start, end
        at = end + 1 if start == end else end


@lru_cache(maxsize=64)
def _category(name: str) -> Ranges:
    ranges: list[tuple[int, int]] = []
    for code in range(LAST + 1):
        if unicodedata.category(chr(code)).startswith(name):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = ranges[-1][0], code
            else:
                ranges.append((code, code))
    return tuple(ranges)


def _others(ranges: Ranges) -> Ranges:
    edges = [-1, *(edge for first, last in ranges for edge in (first, last)), LAST + 1]
    gaps = ((edges[at] + 1, edges[at + 1] - 1) for at in range(0, len(edges), 2))
    return tuple((first, last) for first, last in gaps if first <= last)


def _body(ranges: Ranges) -> str:
    return "".join(f"{_char(first)}-{_char(last)}" for first, last in ranges)


def _char(code: int) -> str:
    return f"\\U{code:08x}"


class _Translation:
    """One pattern on its way to Python's."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        flags = re.match(r"\(\?([is]+)\)", pattern)
        self.flags = flags[1] if flags else ""
        self.at = flags.end() if flags else 0

    def compiled(self) -> re.Pattern[str]:
        pieces = []
        while self.at < len(self.pattern):
            pieces.append(self._piece())
        try:
            return re.compile("".join(pieces), re.ASCII | (re.IGNORECASE if "i" in self.flags else 0))
        except (re.error, OverflowError, RecursionError) as error:
            raise DataError(f"RegexTokenizer: Python cannot read pattern {self.pattern!r}: {error}") from error

    def _reject(self, what: str) -> NoReturn:
        raise DataError(
            f"RegexTokenizer: Python reads pattern {self.pattern!r} otherwise than Java, or it depends on Java's "
            f"version: {what!r} at {self.at}; write it by sets of characters"
        )

    def _take(self, pattern: str) -> re.Match[str] | None:
        match = re.compile(pattern).match(self.pattern, self.at)
        if match:
            self.at = match.end()
        return match

    def _piece(self) -> str:
        one = self.pattern[self.at]
        if one == "\\":
            literal, ranges = self._escape(inside=False)
            return literal if ranges is None else f"[{_body(ranges)}]"
        if one == "[":
            return self._set()
        if one == "(":
            return self._group()
        if one == "{":
            match = self._take(r"\{\d+(?:,\d*)?\}")
            return match[0] if match else self._reject("{")
        if one == "$":
            self._reject("$")
        self.at += 1
        if one == ".":
            return "[\\s\\S]" if "s" in self.flags else f"[^{LINE_END}]"
        return one if one in ")|*+?^" else re.escape(one)

    def _group(self) -> str:
        for opener in OPENERS:
            if self.pattern.startswith(opener, self.at):
                if opener == "(?i:" and re.search(r"\\[pP]", self.pattern):
                    self._reject(opener)
                self.at += len(opener)
                return opener
        if named := self._take(r"\(\?<([a-zA-Z][a-zA-Z0-9]*)>"):
            return f"(?P<{named[1]}>"
        if self.pattern.startswith("(?", self.at):
            self._reject(self.pattern[self.at : self.at + 4])
        self.at += 1
        return "("

    def _escape(self, *, inside: bool) -> tuple[str, Ranges | None]:
        """Return Python's for an escape: text, or a set of characters."""
        if quoted := self._take(r"\\Q([\s\S]*?)(?:\\E|\Z)"):
            return re.escape(quoted[1]) if not inside else self._reject("\\Q"), None
        if code := self._take(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\x\{([0-9a-fA-F]{1,6})\}"):
            number = int(code[1] or code[2] or code[3], 16)
            return _char(number) if number <= LAST and not 0xD800 <= number < 0xE000 else self._reject(code[0]), None
        if octal := self._take(r"\\0([0-3][0-7]{2}|[0-7]{1,2})"):
            return _char(int(octal[1], 8)), None
        if named := self._take(r"\\([pP])(?:\{(\w+)\}|([LMNPSZ]))"):
            return "", self._named(named[1] == "P", named[2] or named[3])
        if not inside and (back := self._take(r"\\([1-9])(?!\d)|\\k<([a-zA-Z][a-zA-Z0-9]*)>")):
            return f"(?:\\{back[1]})" if back[1] else f"(?P={back[2]})", None
        one = self.pattern[self.at + 1 : self.at + 2]
        if one in CONTROLS:
            text = _char(ord(CONTROLS[one]))
        elif one and one in "dDwWsS":
            text = "\\" + one
        elif one and one in "hHvV":
            self.at += 2
            ranges = SETS[one.lower()]
            return "", _others(ranges) if one.isupper() else ranges
        elif one and one in "Az" and not inside:
            text = "\\A" if one == "A" else "\\Z"
        elif not one or one.isalnum():
            self._reject("\\" + one)
        else:
            text = re.escape(one)
        self.at += 2
        return text, None

    def _named(self, negated: bool, name: str) -> Ranges:
        category = CATEGORY.fullmatch(name)
        if "i" in self.flags or (category is None and (name not in SETS or len(name) == 1)):
            self._reject(name)
        ranges = SETS[name] if category is None else _category(category[1])
        return _others(ranges) if negated else ranges

    def _set(self) -> str:
        opener = self._take(r"\[\^?")
        pieces = [opener[0] if opener else ""]
        begin = self.at
        while not self.pattern.startswith("]", self.at) or self.at == begin:
            rest = self.pattern[self.at :]
            if not rest or rest[0] in "[]" or rest.startswith("&&"):
                self._reject(rest[:2] or "[")
            if rest[0] == "-" and self.at != begin and not rest.startswith("-]"):
                self._reject(rest[:2])
            pieces.append(self._member())
        self.at += 1
        return "".join(pieces) + "]"

    def _member(self) -> str:
        first, single = self._literal()
        if not single or not re.match(r"-[^\]]", self.pattern[self.at :]):
            return first
        self.at += 1
        if self.pattern[self.at] in "[-":
            self._reject(self.pattern[self.at])
        last, single = self._literal()
        return f"{first}-{last}" if single else self._reject(last)

    def _literal(self) -> tuple[str, bool]:
        """Return one member of a set, and whether it is one character."""
        if self.pattern[self.at] != "\\":
            self.at += 1
            return re.escape(self.pattern[self.at - 1]), True
        text, ranges = self._escape(inside=True)
        if ranges is not None:
            return _body(ranges), False
        return text, text[1] not in "dDwWsS"
