"""Escaping of untrusted strings for terminals."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a string without characters that move the cursor, change colours or change the direction of writing.

    Parameters
    ----------
    text : str
        Untrusted string.
    lines : bool
        Whether line breaks stay.

    Examples
    --------
    >>> printable("grün\x1b[31m\n")
    'grün\\x1b[31m\\n'
    """
    if text.isprintable():
        return text
    return "".join(char if _harmless(char) or (lines and char == "\n") else ascii(char)[1:-1] for char in text)


def _harmless(char: str) -> bool:
    # str.isprintable is false for blanks other than the plain one.
    return char.isprintable() or unicodedata.category(char) == "Zs"
