"""Errors of the expression language, with nearest-name suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Brief",
    "DslError",
    "DslSyntaxError",
    "DslTypeError",
    "Position",
    "RefError",
    "RegistrationError",
    "UnknownFunctionError",
    "UnknownReferenceError",
    "nearest",
]

_CARET_CONTEXT = 60
_LIBRARIES = ("dsl", "palette", "pyspark", "py4j", "IPython")


@dataclass(frozen=True, slots=True)
class Position:
    """A range of an expression's text, for messages that point at it.

    Parameters
    ----------
    text : str
        The complete text of the expression.
    start, end : int
        Offsets of the first character and of the one after the last.

    Examples
    --------
    >>> position = Position("nFil(1)", 0, 4)
    >>> position.line, position.column
    (1, 1)
    >>> print(position.excerpt())
    nFil(1)
    ^^^^
    """

    text: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line of the first character, from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Column of the first character, from 1."""
        return self.start - self.text.rfind("\n", 0, self.start)

    def excerpt(self) -> str:
        """Return the line with carets below the range, cut to a window around it where the line is long."""
        line_start = self.start - self.column + 1
        line = self.text[line_start:].partition("\n")[0]
        offset = self.column - 1
        left = max(0, offset - _CARET_CONTEXT)
        window = line[left : offset + _CARET_CONTEXT].replace("\t", " ")
        width = max(1, min(self.end - self.start, len(window) - (offset - left)))
        return f"{window}\n{' ' * (offset - left)}{'^' * width}"


class Brief:
    """Mixin of errors whose traceback in notebooks has the caller's frames and the message, without the libraries'."""

    def _render_traceback_(self) -> list[str]:
        # Called by IPython; ``traceback.print_exc()`` still prints all frames.
        import traceback

        error: Any = self
        stack = traceback.StackSummary.extract(
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES
        )
        lines = ["Traceback (most recent call last):", *(entry.rstrip("\n") for entry in stack.format())]
        return [*(lines if stack else ()), f"{type(error).__name__}: {error}"]


class DslError(Brief, Exception):
    """Base class of the errors of the expression language.

    Parameters
    ----------
    message : str
        The problem and its remedy.
    position : Position, optional
        The range of the text, if the expression was parsed.
    """

    def __init__(self, message: str, position: Position | None = None) -> None:
        Exception.__init__(self, message, position)  # not super(): SyntaxError takes other arguments
        self.message = message
        self.position = position

    def __str__(self) -> str:
        if self.position is None:
            return self.message
        position = self.position
        return f"{self.message} (line {position.line}, column {position.column})\n{position.excerpt()}"


class DslSyntaxError(DslError, SyntaxError):
    """Invalid syntax of an expression."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message, position)
        self.msg = message
        if position is not None:
            self.lineno, self.offset, self.text = position.line, position.column, position.text


class UnknownFunctionError(DslError, LookupError):
    """Function not found in the registry."""


class UnknownReferenceError(DslError, KeyError):
    """Feature or column not found in the data."""


class DslTypeError(DslError, TypeError):
    """Argument, column or value of the wrong type."""


class RefError(DslError, ValueError):
    """Malformed feature name."""


class RegistrationError(DslError, ValueError):
    """Invalid declaration of a function."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name most like `name`, or ``""``.

    Examples
    --------
    >>> nearest("nFil", ["nFill", "sFill"])
    "; did you mean 'nFill'?"
    >>> nearest("zzz", ["nFill"])
    ''
    """
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    import difflib  # needed for errors only

    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
