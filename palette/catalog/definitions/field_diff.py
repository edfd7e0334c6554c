"""What differs between two forms of a definition: whole for machines, the places that differ for people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from palette.terminal import printable

__all__ = ["Difference", "differences"]

# Longer values are told by where they differ, with so many characters around.
SHORT, AROUND = 80, 20


@dataclass(frozen=True)
class Difference:
    """A value that is another one.

    Parameters
    ----------
    field : str
        Its place, ``source.every``.
    was, now
        As JSON holds them; None for what is not said.
    """

    field: str
    was: Any
    now: Any

    @property
    def told(self) -> tuple[str, ...]:
        r"""What differs, in lines of a readable length.

        Examples
        --------
        >>> Difference("source.sql", "SELECT a\nFROM t", "SELECT a, b\nFROM t").told
        ("source.sql: - 'SELECT a'", "source.sql: + 'SELECT a, b'")
        """
        was, now = (_parts(value) for value in (self.was, self.now))
        if max(len(was), len(now)) > 1 and (told := self._lines(was, now)):
            return told
        before, after = _around(self.was, self.now)
        return (f"{self.field}: {before} -> {after}",)

    def _lines(self, was: list[Any], now: list[Any]) -> tuple[str, ...]:
        before, after = ([_shown(one) for one in values] for values in (was, now))
        told = []
        for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            gone, come = before[a:b], after[c:d]
            if kind == "replace" and len(gone) == len(come):
                pairs = [_around(old, new) for old, new in zip(was[a:b], now[c:d], strict=True)]
                gone, come = [old for old, _ in pairs], [new for _, new in pairs]
            if kind != "equal":
                told += [f"{self.field}: - {_cut(one)}" for one in gone]
                told += [f"{self.field}: + {_cut(one)}" for one in come]
        return tuple(told)


def differences(old: BaseModel, new: BaseModel, apart: set[str]) -> tuple[Difference, ...]:
    """Compare two forms of a definition, field by field, apart from some fields.

    Examples
    --------
    >>> from palette.definitions import BatchSource
    >>> differences(BatchSource(sql="TABLE t", lookback="1d"), BatchSource(sql="TABLE t", lookback="2d"), set())
    (Difference(field='lookback', was='1d', now='2d'),)
    """
    was, now = (one.model_dump(mode="json", by_alias=True, exclude=apart) for one in (old, new))
    return tuple(_walked("", was, now))


def _walked(place: str, was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, Mapping) or isinstance(now, Mapping):
        was, now = ({} if one is None else one for one in (was, now))
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for word in dict.fromkeys([*was, *now]):
            yield from _walked(f"{place}.{word}" if place else word, was.get(word), now.get(word))
    elif json.dumps(was or None) != json.dumps(now or None) or (type(was) is type(now) and was != now):
        yield Difference(place, was, now)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.splitlines()
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return printable(text if len(text) <= 2 * SHORT else f"{text[: 2 * SHORT]}...")


def _around(was: Any, now: Any) -> tuple[str, str]:
    """Return two values, of long ones what is around the first and last place where they differ."""
    before, after = (value if isinstance(value, str) else _shown(value) for value in (was, now))
    if max(len(before), len(after)) <= SHORT:
        return _shown(was), _shown(now)
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    shown = []
    for text in (before, after):
        first, last = max(0, start - AROUND), min(len(text), len(text) - end + AROUND)
        shown.append(_cut(f"{'...' * (first > 0)}{text[first:last]!r}{'...' * (last < len(text))}"))
    return shown[0], shown[1]


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
