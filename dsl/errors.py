"""The errors of the expression language, and the nearest-name suggestions they carry."""

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
    """A stretch of an expression's text, for messages that point at it.

    Parameters
    ----------
    text : str
        The whole text of the expression.
    start, end : int
        Offsets of the first character and of the one after the last.

    Examples
    --------
    >>> where = Position("nFil(1)", 0, 4)
    >>> where.line, where.column
    (1, 1)
    >>> print(where.excerpt())
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
        """Return the line in question with carets below the stretch (a window of it, when it is long)."""
        line_start = self.start - self.column + 1
        line = self.text[line_start:].partition("\n")[0]
        offset = self.column - 1
        left = max(0, offset - _CARET_CONTEXT)
        window = line[left : offset + _CARET_CONTEXT].replace("\t", " ")
        width = max(1, min(self.end - self.start, len(window) - (offset - left)))
        return f"{window}\n{' ' * (offset - left)}{'^' * width}"


class Brief:
    """What notebooks show of an error: the lines of who called, and the message, without the libraries' own frames."""

    def _render_traceback_(self) -> list[str]:
        # Asked by IPython; ``traceback.print_exc()`` has it all.
        import traceback

        error: Any = self
        stack = traceback.StackSummary.extract(
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES
        )
        called = ["Traceback (most recent call last):", *(text.rstrip("\n") for text in stack.format())]
        return [*(called if stack else ()), f"{type(error).__name__}: {error}"]


class DslError(Brief, Exception):
    """Root of the errors that the expression language raises.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    position : Position, optional
        Where, when the expression came from text.
    """

    def __init__(self, message: str, position: Position | None = None) -> None:
        Exception.__init__(self, message, position)  # not super(): SyntaxError takes other arguments
        self.message = message
        self.position = position

    def __str__(self) -> str:
        if self.position is None:
            return self.message
        where = self.position
        return f"{self.message} (line {where.line}, column {where.column})\n{where.excerpt()}"


class DslSyntaxError(DslError, SyntaxError):
    """A text that is no expression."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message, position)
        self.msg = message
        if position is not None:
            self.lineno, self.offset, self.text = position.line, position.column, position.text


class UnknownFunctionError(DslError, LookupError):
    """A function that nobody registered."""


class UnknownReferenceError(DslError, KeyError):
    """A feature or column that the data at hand does not have."""


class DslTypeError(DslError, TypeError):
    """An argument, column or value of a type that its place does not take."""


class RefError(DslError, ValueError):
    """A malformed feature name."""


class RegistrationError(DslError, ValueError):
    """A function that cannot be registered as it is declared."""


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
    import difflib  # Only faults need it.

    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
