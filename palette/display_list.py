"""Lists displayed as tables in a REPL and in notebooks."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, SupportsIndex, TypeVar, overload

from palette.terminal import printable

__all__ = ["Listing"]

T = TypeVar("T")
# Longer cells are truncated.
LONGEST = 60


class Listing(list[T]):
    """A list whose ``repr`` is a table.

    Parameters
    ----------
    items : iterable
        Items of the list.
    columns : mapping of str to callable
        Title of a column to a function that returns its value for an item.

    Examples
    --------
    >>> Listing(["a", "bcd"], {"word": str, "letters": len})
    word  letters
    a     1
    bcd   3
    >>> Listing(["a", "bcd"], {"word": str})[1:]
    word
    bcd
    """

    def __init__(self, items: Iterable[T], columns: Mapping[str, Callable[[T], object]]) -> None:
        super().__init__(items)
        self._columns = dict(columns)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Listing[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Listing[T]:
        if isinstance(index, slice):
            return Listing(super().__getitem__(index), self._columns)
        return super().__getitem__(index)

    def __reduce__(self) -> tuple[type[list[T]], tuple[list[T]]]:
        # Pickled as a plain list: the column functions cannot be pickled.
        return list, (list(self),)

    def __repr__(self) -> str:
        if not self:
            return "[]"
        rows = [list(self._columns), *self._cells()]
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        """Return the list as an HTML table, for notebooks."""
        head = "".join(f"<th>{escape(title)}</th>" for title in self._columns)
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self._cells())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self) -> list[list[str]]:
        return [[_cell(value(item)) for value in self._columns.values()] for item in self]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "minutes")
    text = printable(" ".join((", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)).split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _width(text: str) -> int:
    """Return the width of a string in terminal cells."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
