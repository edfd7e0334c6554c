"""Lower case as Java's ``String.toLowerCase`` makes it.

Most are Python's. Whether a capital sigma is a final one Java decides within what its ``BreakIterator`` takes for a
word, which may hold digits, dashes and quotes; Unicode and Python look at the letters around it, wherever words end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

__all__ = ["lower"]

SIGMA = "\u03a3"
# Letters besides those of the categories Lu, Ll and Lt.
CASED = re.compile("[\u02b0-\u02b8\u02c0\u02c1\u02e0-\u02e4\u0345\u037a\u1d2c-\u1d61\u2160-\u217f\u24b6-\u24e9]")
DOTTED = re.compile("I([^I\u0307]*)\u0307")
# What a character is to the rules of words, by one letter each: kinds of several characters come last.
KINDS = (
    ("k", "[々一-龥豈-鶴]"),
    ("a", "[ァ-ヺヽヾ]"),
    ("h", "[ぁ-ゔゝゞ]"),
    ("j", "[゛゜・ー]"),
    ("d", "[।॥]"),
    ("q", "[\"']"),
    ("m", "[­‧]"),
    ("p", r"\."),
    ("c", "[,٫]"),
    ("s", "#"),
    ("t", "[¢%٪‰‱&]"),
)
CATEGORIES = {"Pd": "m", "Pc": "m", "Sc": "s", "Mn": "i", "Me": "i", "Cf": "f", "Mc": "L"}
# Marks (i) belong to the letter or digit before them.
_LETTERS, _DIGITS = "(?:Li*)+", "(?:Ni*)+"
_WORD = f"(?:{_LETTERS}(?:[mqp]{_LETTERS})*d?)"
_NUMBER = f"(?:{_DIGITS}(?:[qpc]{_DIGITS})*)"
_REST = f"(?:{_NUMBER}{_WORD})*(?:{_NUMBER}t?)?"
# Words and numbers without a break between, and runs of one kind of letters of Chinese and Japanese.
SEGMENTS = re.compile(f"{_WORD}{_REST}|[sp]?(?={_NUMBER}){_REST}|(?:ki*)+|(?:[aj]i*)+|(?:[hj]i*)+|i+|.i*")


def lower(text: str, language: str = "") -> str:
    """Return text in small letters as Java makes them in a language.

    Examples
    --------
    >>> lower("TITLE"), lower("TITLE", "tr") == "t\u0131tle"
    ('title', True)
    >>> lower("\u0391\u03a3_ID"), "\u0391\u03a3_ID".lower()
    ('ασ_id', 'ας_id')
    """
    if language in ("tr", "az"):
        text = DOTTED.sub(_without_dot, text.replace("\u0130", "i")).replace("I", "\u0131")
    return "".join(_lowered(text)) if SIGMA in text else text.lower()


def _without_dot(match: re.Match[str]) -> str:
    """Return a capital I and its marks without the dot above it, small; as it is if a mark is between."""
    marks = match[1]
    return f"i{marks}" if all(unicodedata.combining(mark) not in (0, 230) for mark in marks) else match[0]


def _lowered(text: str) -> Iterator[str]:
    # The rules do not look at what formats, as joiners of zero width.
    looked_at = [(at, kind) for at, kind in enumerate(map(_kind, text)) if kind != "f"]
    segments = SEGMENTS.finditer("".join(kind for _, kind in looked_at))
    starts = {0, len(text), *(looked_at[segment.start()][0] for segment in segments)}
    # Java takes the end of a pair of surrogates for the end of a word, but at the start of the text.
    starts |= {at + 1 for at, char in enumerate(text) if at and char > "\uffff"}
    for start, end in pairwise(sorted(starts)):
        cased = [at for at in range(start, end) if _is_cased(text[at])]
        for at in range(start, end):
            if text[at] != SIGMA:
                yield text[at].lower()
            else:
                yield "\u03c2" if cased[0] < at == cased[-1] else "\u03c3"


def _is_cased(char: str) -> bool:
    return unicodedata.category(char) in ("Lu", "Ll", "Lt") or CASED.match(char) is not None


@cache
def _kind(char: str) -> str:
    for kind, pattern in KINDS:
        if re.match(pattern, char):
            return kind
    category = unicodedata.category(char)
    return CATEGORIES.get(category, category[0] if category[0] in "LN" else "o")
