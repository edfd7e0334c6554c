"""What all definitions have in common: frozen models, names, and time spans written as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from palette.definitions.validation_errors import fault_text, unknown_word
from palette.errors import DefinitionError

__all__ = [
    "Definition",
    "Description",
    "Label",
    "Names",
    "Span",
    "Tags",
    "checked_column",
    "checked_name",
    "checked_text",
    "duration",
    "duration_text",
    "unique",
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Names become directories, which take 255 bytes; labels are looked up by indexes of databases, which take 2700.
LONGEST_NAME = 128
OURS, HIDDEN = "__", "_metadata"

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")
UNITS = {
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}


def _at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"{text!r:.20}... has {len(text):,} characters; {limit:,} are the most")
        return text

    return AfterValidator(check)


# An owner, a tag; what is told of a thing.
Label = Annotated[str, _at_most(200)]
Description = Annotated[str, _at_most(10_000)]


def duration(text: str) -> timedelta:
    """Return the time span that a text like ``"30d"``, ``"12h"`` or ``"15m"`` means.

    Raises
    ------
    ValueError
        If the text is no number with one of the units us, ms, s, m, h, d, w.

    Examples
    --------
    >>> duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if not (match := DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r:.80} is no duration (write 30d, 12h, 15m, 45s)")
    try:
        return timedelta(**{UNITS[match[2]]: float(match[1])})
    except OverflowError as error:
        raise ValueError(f"{text!r:.80} is longer than any time span") from error


def duration_text(span: timedelta, *, weeks: bool = True) -> str:
    """Return a time span as a whole number of the largest unit that fits; with ``weeks=False`` days at most.

    Examples
    --------
    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=28)), duration_text(timedelta(28), weeks=False)
    ('36h', '4w', '28d')
    """
    units = [unit for unit in reversed(UNITS) if weeks or unit != "w"]
    unit = next(unit for unit in units if not span % timedelta(**{UNITS[unit]: 1}))
    return f"{span // timedelta(**{UNITS[unit]: 1})}{unit}"


def _span(written: Any) -> Any:
    if isinstance(written, (int, float)):
        raise ValueError(f"{written!r} has no unit: write 30d, 12h, 15m or 45s")  # noqa: TRY004  pydantic's
    # Earlier releases wrote some of them by ISO 8601.
    return duration(written) if isinstance(written, str) and not written.startswith(("P", "-P")) else written


def _one_or_many(written: Any) -> Any:
    return (written,) if isinstance(written, str) else written


# A time span, written as a text with its unit.
Span = Annotated[
    timedelta,
    BeforeValidator(_span),
    PlainSerializer(lambda span: duration_text(span, weeks=False), return_type=str),
]
# One may be written without a list.
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Tags = Annotated[tuple[Label, ...], BeforeValidator(_one_or_many)]


class Definition(BaseModel):
    """A frozen model whose faults are reported as :class:`DefinitionError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, /, *places: Any, **data: Any) -> None:
        if places:
            words = [info.alias or name for name, info in type(self).model_fields.items() if name != "kind"]
            kind, known = type(self).__name__, ", ".join(words)
            raise DefinitionError(
                f"{kind}: write {kind}({words[0]}={places[0]!r:.80}, ...), with names (words: {known})"
            )
        try:
            super().__init__(**data)
        except ValidationError as error:
            words = [info.alias or name for name, info in type(self).model_fields.items()]
            faults = "; ".join(fault_text(fault, words) for fault in error.errors())
            raise DefinitionError(f"{_subject(type(self), data)}: {faults}") from None

    @classmethod
    def of(cls, plain: Any) -> Self:
        """Return what a mapping, as YAML and JSON hold it, defines.

        Raises
        ------
        DefinitionError
            If it is no mapping, or lacks a word.
        """
        if not isinstance(plain, dict) or not all(isinstance(word, str) for word in plain):
            raise DefinitionError(f"{cls.__name__}: expected words with values such as name: x, found {plain!r:.80}")
        words = {info.alias or name: info for name, info in cls.model_fields.items()}
        if missing := [word for word, info in words.items() if info.is_required() and word not in plain]:
            others = "".join(f"; {unknown_word(word, words)}" for word in plain if word not in words)
            raise DefinitionError(f"{_subject(cls, plain)}: {', '.join(missing)} missing{others}")
        return cls(**plain)

    @field_validator("*")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        for text in _texts_in(value):
            checked_text(text)
        return value


def _subject(kind: type[Definition], data: dict[str, Any]) -> str:
    name = data.get("name") or data.get("column")
    return kind.__name__ + (f" {name!r:.200}" if name else "")


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _texts_in(inner)


def checked_text(text: str) -> str:
    """Return a text; raise :class:`ValueError` if no database can keep it."""
    if "\x00" in text:
        raise ValueError(f"{text!r:.80} holds the character NUL; take it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r:.80} holds half a surrogate pair; take it out") from error
    return text


def checked_name(name: str, what: str = "name") -> str:
    """Return a name; raise :class:`ValueError` if it is none."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r:.200} must match [A-Za-z_][A-Za-z0-9_]*")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{what} {name!r:.20}... has {len(name):,} characters; {LONGEST_NAME} are the most")
    return name


def checked_column(name: str, what: str = "column") -> str:
    """Return the name of a column of a table of features; raise :class:`ValueError` if it is none."""
    if name.lower() == HIDDEN:
        raise ValueError(f"{what} {name!r} is a column that Spark gives to files; choose another name")
    if name.startswith(OURS):
        raise ValueError(f"{what} {name!r:.200} begins with '__', as columns of palette's own do; choose another name")
    return checked_name(name, what)


def unique(names: Sequence[str], what: str) -> None:
    """Raise :class:`ValueError` if a name stands twice, or two differ only by case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.get(name.lower())) is not None:
            same = f"{name!r} stands twice" if other == name else f"{other!r} and {name!r} differ only by case"
            raise ValueError(f"{what} {same}")
        seen[name.lower()] = name
