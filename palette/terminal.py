"""Texts of others as a terminal may show them."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text in which nothing moves a cursor, changes a colour or turns the direction of writing.

    Parameters
    ----------
    text : str
        May hold anything.
    lines : bool
        Whether line breaks stay.

    Examples
    --------
    >>> printable("grün\x1b[31m\n")
    'grün\\x1b[31m\\n'
    """
    if text.isprintable():
        return text
    return "".join(one if _harmless(one) or (lines and one == "\n") else ascii(one)[1:-1] for one in text)


def _harmless(one: str) -> bool:
    # All kinds of blanks are: only the plain one counts as printable.
    return one.isprintable() or unicodedata.category(one) == "Zs"
