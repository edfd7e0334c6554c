"""Readers and tables whose rows are in this process."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from palette.online.layout import Request, Row, RowLayout, key_lists
from palette.online.reader import FeatureReader
from palette.times import resolve_now

__all__ = ["LocalReader", "LocalTable"]


class LocalTable(RowLayout):
    """Rows of one feature group in this process, read by key without waiting."""

    @property
    @abstractmethod
    def get(self) -> Callable[[Any], Row | None]:
        """A function that returns the packed row of a key; it stays valid as long as the table."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        """Iterate over (key, packed row)."""

    def read(self, key: Any, now: int, *, status: bool = False) -> dict[str, Any]:
        """Return the values of one key at ``now`` (microseconds); all ``None`` where missing or expired."""
        return self.answer(self.get(self.lookup_key(key)), now, status=status)


class LocalReader(FeatureReader):
    """A reader whose rows are in this process: plans read its tables directly, without a fetch."""

    @abstractmethod
    def table(self, group: str) -> LocalTable:
        """Return the rows of a group ``entity:group``."""

    def layout(self, group: str) -> RowLayout:
        """Return :meth:`table`."""
        return self.table(group)

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return the packed row of each (full name of a group, key)."""
        del budget
        gets = {group: self.table(group).get for group in dict.fromkeys(group for group, _ in requests)}
        return [gets[group](key) for group, key in requests]

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what :meth:`fetch` returns, at once."""
        return self.fetch(requests, budget)

    def read(
        self,
        keys: Mapping[str, Iterable[Any]],
        now: dt.datetime | str | None = None,
        *,
        status: bool = False,
        budget: float | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Read many groups and keys; see :meth:`FeatureReader.read`."""
        del budget
        at, answers = self.check_now(resolve_now(now)), {}
        for group, listed in key_lists(keys).items():
            table = self.table(group)
            rows = [*map(table.get, table.lookup_keys(listed))]
            answers[group] = table.answers(rows, at, status=status)
        return answers

    async def ping_async(self, budget: float) -> None:
        """Return: there is nothing to reach."""
