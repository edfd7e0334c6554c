"""Base class and field types of definitions: frozen models, names, durations."""

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

from palette.definitions.validation_errors import error_message, unknown_key
from palette.errors import DefinitionError

__all__ = [
    "Definition",
    "Description",
    "Label",
    "Names",
    "Span",
    "Tags",
    "check_unique",
    "duration",
    "duration_text",
    "validate_column",
    "validate_name",
    "validate_text",
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Names become directories, limited to 255 bytes; labels are in indexes of databases, limited to 2700.
LONGEST_NAME = 128
RESERVED_PREFIX, HIDDEN = "__", "_metadata"

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
            raise ValueError(f"{text!r:.20}... has {len(text):,} characters, the maximum is {limit:,}")
        return text

    return AfterValidator(check)


# An owner or a tag; a description.
Label = Annotated[str, _at_most(200)]
Description = Annotated[str, _at_most(10_000)]


def duration(text: str) -> timedelta:
    """Return the time span of a string such as ``"30d"``, ``"12h"`` or ``"15m"``.

    Raises
    ------
    ValueError
        If it is not a number with one of the units us, ms, s, m, h, d, w.

    Examples
    --------
    >>> duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if not (match := DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r:.80} is not a duration (write 30d, 12h, 15m, 45s)")
    try:
        return timedelta(**{UNITS[match[2]]: float(match[1])})
    except OverflowError as error:
        raise ValueError(f"{text!r:.80} is longer than a time span can be") from error


def duration_text(span: timedelta, *, weeks: bool = True) -> str:
    """Return a time span as an integer of the largest unit that divides it; with ``weeks=False`` days at most.

    Examples
    --------
    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=28)), duration_text(timedelta(28), weeks=False)
    ('36h', '4w', '28d')
    """
    units = [unit for unit in reversed(UNITS) if weeks or unit != "w"]
    unit = next(unit for unit in units if not span % timedelta(**{UNITS[unit]: 1}))
    return f"{span // timedelta(**{UNITS[unit]: 1})}{unit}"


def _span(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise ValueError(f"{value!r} has no unit: write 30d, 12h, 15m or 45s")  # noqa: TRY004  pydantic's
    # Earlier releases wrote some of them in ISO 8601.
    return duration(value) if isinstance(value, str) and not value.startswith(("P", "-P")) else value


def _as_sequence(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


# A time span, serialized as a string with its unit.
Span = Annotated[
    timedelta,
    BeforeValidator(_span),
    PlainSerializer(lambda span: duration_text(span, weeks=False), return_type=str),
]
# A single name needs no list.
Names = Annotated[tuple[str, ...], BeforeValidator(_as_sequence)]
Tags = Annotated[tuple[Label, ...], BeforeValidator(_as_sequence)]


class Definition(BaseModel):
    """A frozen model whose validation errors are :class:`DefinitionError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, /, *positional: Any, **data: Any) -> None:
        if positional:
            keys = [info.alias or name for name, info in type(self).model_fields.items() if name != "kind"]
            kind, known = type(self).__name__, ", ".join(keys)
            raise DefinitionError(
                f"{kind}: write {kind}({keys[0]}={positional[0]!r:.80}, ...), with keyword arguments ({known})"
            )
        try:
            super().__init__(**data)
        except ValidationError as error:
            keys = [info.alias or name for name, info in type(self).model_fields.items()]
            messages = "; ".join(error_message(item, keys) for item in error.errors())
            raise DefinitionError(f"{_subject(type(self), data)}: {messages}") from None

    @classmethod
    def of(cls, plain: Any) -> Self:
        """Return the definition in a mapping read from YAML or JSON.

        Raises
        ------
        DefinitionError
            If it is not a mapping, or lacks a required key.
        """
        if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
            raise DefinitionError(f"{cls.__name__}: expected a mapping such as {{name: x}}, found {plain!r:.80}")
        fields = {info.alias or name: info for name, info in cls.model_fields.items()}
        if missing := [key for key, info in fields.items() if info.is_required() and key not in plain]:
            verb = "is" if len(missing) == 1 else "are"
            others = "".join(f"; {unknown_key(key, fields)}" for key in plain if key not in fields)
            raise DefinitionError(f"{_subject(cls, plain)}: {', '.join(missing)} {verb} missing{others}")
        return cls(**plain)

    @field_validator("*")
    @classmethod
    def _strings(cls, value: Any) -> Any:
        for string in _strings_in(value):
            validate_text(string)
        return value


def _subject(kind: type[Definition], data: dict[str, Any]) -> str:
    name = data.get("name") or data.get("column")
    return kind.__name__ + (f" {name!r:.200}" if name else "")


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _strings_in(inner)


def validate_text(text: str) -> str:
    """Return a string; raise :class:`ValueError` if databases cannot store it."""
    if "\x00" in text:
        raise ValueError(f"{text!r:.80} contains a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r:.80} contains an unpaired surrogate; remove it") from error
    return text


def validate_name(name: str, what: str = "name") -> str:
    """Return a name; raise :class:`ValueError` if it is invalid."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r:.200} must match [A-Za-z_][A-Za-z0-9_]*")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{what} {name!r:.20}... has {len(name):,} characters, the maximum is {LONGEST_NAME}")
    return name


def validate_column(name: str, what: str = "column") -> str:
    """Return the name of a column of a feature table; raise :class:`ValueError` if it is invalid."""
    if name.lower() == HIDDEN:
        raise ValueError(f"{what} {name!r} is a column that Spark adds to files; choose another name")
    if name.startswith(RESERVED_PREFIX):
        raise ValueError(
            f"{what} {name!r:.200} begins with '__', which is reserved for internal columns; choose another name"
        )
    return validate_name(name, what)


def check_unique(names: Sequence[str], what: str) -> None:
    """Raise :class:`ValueError` if a name is a duplicate, or two differ only by case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.get(name.lower())) is not None:
            if other == name:
                raise ValueError(f"duplicate {what} {name!r}")
            raise ValueError(f"{what} {other!r} and {name!r} differ only by case")
        seen[name.lower()] = name
