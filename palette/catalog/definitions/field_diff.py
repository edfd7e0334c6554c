"""Field-by-field differences between two forms of a definition."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from palette.terminal import printable

__all__ = ["Difference", "differences"]

# Of longer values only the part that differs is shown, with some characters of context.
SHORT, CONTEXT = 80, 20


@dataclass(frozen=True)
class Difference:
    """A field with different values.

    Parameters
    ----------
    field : str
        Path of the field, ``source.every``.
    was, now
        Values as in JSON; None if absent.
    """

    field: str
    was: Any
    now: Any

    @property
    def lines(self) -> tuple[str, ...]:
        r"""Description in lines of a readable length.

        Examples
        --------
        >>> Difference("source.sql", "SELECT a\nFROM t", "SELECT a, b\nFROM t").lines
        ("source.sql: - 'SELECT a'", "source.sql: + 'SELECT a, b'")
        """
        was, now = (_parts(value) for value in (self.was, self.now))
        if max(len(was), len(now)) > 1 and (lines := self._line_diff(was, now)):
            return lines
        before, after = _changed_part(self.was, self.now)
        return (f"{self.field}: {before} -> {after}",)

    def _line_diff(self, was: list[Any], now: list[Any]) -> tuple[str, ...]:
        before, after = ([_show(value) for value in values] for values in (was, now))
        lines = []
        for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            deleted, inserted = before[a:b], after[c:d]
            if kind == "replace" and len(deleted) == len(inserted):
                pairs = [_changed_part(old, new) for old, new in zip(was[a:b], now[c:d], strict=True)]
                deleted, inserted = [old for old, _ in pairs], [new for _, new in pairs]
            if kind != "equal":
                lines += [f"{self.field}: - {_cut(value)}" for value in deleted]
                lines += [f"{self.field}: + {_cut(value)}" for value in inserted]
        return tuple(lines)


def differences(old: BaseModel, new: BaseModel, exclude: set[str]) -> tuple[Difference, ...]:
    """Compare two forms of a definition field by field, except the excluded ones.

    Examples
    --------
    >>> from palette.definitions import BatchSource
    >>> differences(BatchSource(sql="TABLE t", lookback="1d"), BatchSource(sql="TABLE t", lookback="2d"), set())
    (Difference(field='lookback', was='1d', now='2d'),)
    """
    was, now = (form.model_dump(mode="json", by_alias=True, exclude=exclude) for form in (old, new))
    return tuple(_walk("", was, now))


def _walk(path: str, was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, Mapping) or isinstance(now, Mapping):
        was, now = ({} if value is None else value for value in (was, now))
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*was, *now]):
            yield from _walk(f"{path}.{key}" if path else key, was.get(key), now.get(key))
    elif json.dumps(was or None) != json.dumps(now or None) or (type(was) is type(now) and was != now):
        yield Difference(path, was, now)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.splitlines()
    return value if isinstance(value, list) else [value]


def _show(value: Any) -> str:
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return printable(text if len(text) <= 2 * SHORT else f"{text[: 2 * SHORT]}...")


def _changed_part(was: Any, now: Any) -> tuple[str, str]:
    """Return two values; of long ones the part from the first to the last difference, with context."""
    before, after = (value if isinstance(value, str) else _show(value) for value in (was, now))
    if max(len(before), len(after)) <= SHORT:
        return _show(was), _show(now)
    start = _common_prefix(before, after)
    end = _common_prefix(before[start:][::-1], after[start:][::-1])
    shown = []
    for text in (before, after):
        first, last = max(0, start - CONTEXT), min(len(text), len(text) - end + CONTEXT)
        shown.append(_cut(f"{'...' * (first > 0)}{text[first:last]!r}{'...' * (last < len(text))}"))
    return shown[0], shown[1]


def _common_prefix(left: str, right: str) -> int:
    """Return the length of the common prefix of two strings."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(left), len(right)))
