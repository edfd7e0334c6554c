"""Prepared plans: one that reads tables in this process, and one that fetches rows from a store."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from palette.errors import ArgumentError, StoreError
from palette.serving.compile import Levels, Score, compile_levels, compile_plan, known_columns
from palette.serving.plan import Plan
from palette.serving.request import Checks, TimeCheck, column_check

if TYPE_CHECKING:
    from palette.online.layout import Request, Row
    from palette.online.local import LocalTable
    from palette.online.reader import FeatureReader

__all__ = ["ROW_ERRORS", "STORE_ERROR", "Options", "Program", "prepare_program"]

STORE_ERROR = "__store_error"
# What the values of a row raise: it costs the others of a batch nothing.
ROW_ERRORS = (ValueError, TypeError, ArithmeticError)
T = TypeVar("T")
# Yields requests, is sent their rows, and returns the answer.
Scoring: TypeAlias = "Generator[Sequence[Request], Sequence[Row | None], T]"


@dataclass(frozen=True)
class Options:
    """Options of a caller.

    Parameters
    ----------
    on_store_error : {"raise", "default"}
        What happens where a store does not answer: the error, or missing values and the answer's entry
        ``__store_error``.
    budget : float, optional
        Seconds that all reads of a request may take together.
    status : bool
        Whether the answer has the status of each looked-up value.
    strict : bool
        Whether rows with unknown columns are rejected.
    max_request_age : float
        Seconds that a row's own time may be away from now, where the store is live.
    """

    on_store_error: str = "raise"
    budget: float | None = None
    status: bool = False
    strict: bool = False
    max_request_age: float = 300.0

    def __post_init__(self) -> None:
        if self.on_store_error not in ("raise", "default"):
            raise ArgumentError(f"on_store_error must be 'raise' or 'default', not {self.on_store_error!r}")
        if self.budget is not None and not self.budget > 0:
            raise ArgumentError(f"budget must be a number of seconds above 0, not {self.budget!r}")
        if not self.max_request_age >= 0:
            raise ArgumentError(f"max_request_age must be 0 seconds or more, not {self.max_request_age!r}")

    def checks(self, plan: Plan, at: int | None) -> Checks:
        """Return what is checked of a row besides its values; ``at`` is the time of the store's snapshot."""
        columns = column_check(known_columns(plan)) if self.strict else None
        unchecked = at is None and self.max_request_age == math.inf
        return Checks(columns, None if unchecked else TimeCheck(at, self.max_request_age))


class Program(ABC):
    """A plan that is ready to score; times are microseconds since 1970 UTC.

    Attributes
    ----------
    score : callable
        Returns the outputs for one row at a time.
    """

    score: Score

    @abstractmethod
    async def score_async(self, row: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return the outputs for one row without keeping the event loop waiting for a store."""

    @abstractmethod
    def score_many(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return the outputs for each row, or the error that its values raise."""

    @abstractmethod
    async def score_many_async(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return what :meth:`score_many` returns, without keeping the event loop waiting for a store."""


def prepare_program(plan: Plan, reader: FeatureReader, options: Options) -> Program:
    """Prepare a plan on a store; one without look-ups reads none."""
    if not plan.groups:
        return TableProgram(plan, _no_table, reader.at, options)
    from palette.online.local import LocalReader  # Plans without look-ups do without what stores import.

    if isinstance(reader, LocalReader):
        return TableProgram(plan, reader.table, reader.at, options)
    return FetchProgram(plan, reader, options)


class TableProgram(Program):
    """Reads tables in this process; ``at`` is the time of a snapshot."""

    def __init__(self, plan: Plan, table: Callable[[str], LocalTable], at: int | None, options: Options) -> None:
        # The generated function itself: there is nothing between a request and it.
        self.score = compile_plan(plan, table, status=options.status, checks=options.checks(plan, at))

    async def score_async(self, row: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return the outputs for one row."""
        return self.score(row, now)

    def score_many(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return the outputs for each row, or the error that its values raise."""
        score = self.score
        try:
            return [score(row, now) for row in rows]
        except ROW_ERRORS:
            return [_tried(score, row, now) for row in rows]

    async def score_many_async(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return what :meth:`score_many` returns."""
        return self.score_many(rows, now)


def _tried(score: Any, row: Mapping[str, Any], now: int) -> dict[str, Any] | Exception:
    try:
        return dict(score(row, now))
    except ROW_ERRORS as error:
        return error


class FetchProgram(Program):
    """Fetches the rows of a level in one round trip, those of many requests together.

    Columns are read from rows by the tables whose layout the rows have: where the reader's generation is another
    one after a fetch, a definition has changed, and the request begins again with a plan compiled for the new tables.
    """

    def __init__(self, plan: Plan, reader: FeatureReader, options: Options) -> None:
        self._plan = plan
        self._checks = options.checks(plan, reader.at)
        self._reader = reader
        self._options = options
        self._compiled = self._compile()
        self.score = self._score

    def _compile(self) -> tuple[Levels, int]:
        """Return the plan on the tables of a generation, and that generation."""
        generation = self._reader.generation
        status, checks = self._options.status, self._checks
        return compile_levels(self._plan, self._reader.layout, status=status, checks=checks), generation

    def _score(self, row: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return the outputs for one row."""
        wait = _Wait(self._options)
        return wait.marked(self._run(self._one(row, now), wait))

    async def score_async(self, row: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return the outputs for one row."""
        wait = _Wait(self._options)
        return wait.marked(await self._run_async(self._one(row, now), wait))

    def score_many(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return the outputs for each row, or the error that its values raise."""
        wait = _Wait(self._options)
        return wait.all_marked(self._run(self._many(rows, now), wait))

    async def score_many_async(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any] | Exception]:
        """Return what :meth:`score_many` returns."""
        wait = _Wait(self._options)
        return wait.all_marked(await self._run_async(self._many(rows, now), wait))

    def _one(self, row: Mapping[str, Any], now: int) -> Scoring[dict[str, Any]]:
        while True:
            levels, generation = self._compiled
            request: Any = levels(row, now)
            rows: Any = None
            try:
                while True:
                    rows = yield request.send(rows)
                    if self._reader.generation != generation:
                        break
            except StopIteration as done:
                return done.value
            self._compiled = self._compile()

    def _many(self, rows: Sequence[Mapping[str, Any]], now: int) -> Scoring[list[Any]]:
        while True:
            levels, generation = self._compiled
            batch = _Batch(levels(row, now) for row in rows)
            while requests := batch.requests():
                packed = yield requests
                if self._reader.generation != generation:
                    break
                batch.send(requests, packed)
            else:
                return batch.answers
            self._compiled = self._compile()

    def _run(self, scoring: Scoring[T], wait: _Wait) -> T:
        fetch, rows = self._reader.fetch, None
        try:
            while True:
                requests = scoring.send(rows)  # type: ignore[arg-type]
                try:
                    rows = fetch(requests, wait.left())
                except StoreError as error:
                    rows = wait.failed(error, len(requests))
        except StopIteration as done:
            return done.value

    async def _run_async(self, scoring: Scoring[T], wait: _Wait) -> T:
        fetch, rows = self._reader.fetch_async, None
        try:
            while True:
                requests = scoring.send(rows)  # type: ignore[arg-type]
                try:
                    rows = await fetch(requests, wait.left())
                except StoreError as error:
                    rows = wait.failed(error, len(requests))
        except StopIteration as done:
            return done.value


class _Wait:
    """The time that a request has left for its reads, and what became of them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._until = None if options.budget is None else time.monotonic() + options.budget
        self._error: str | None = None

    def left(self) -> float | None:
        """Return the seconds that are left; a store rejects a read that has none."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def failed(self, error: StoreError, count: int) -> list[Any]:
        """Return missing rows, if that is what the caller chose."""
        if self._options.on_store_error == "raise":
            raise error
        self._error = self._error or str(error)
        return [None] * count

    def marked(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the answer, with the error of a store that failed."""
        return answer if self._error is None else {**answer, STORE_ERROR: self._error}

    def all_marked(self, answers: Sequence[Any]) -> list[Any]:
        """Return answers as :meth:`marked` does, and errors as they are."""
        return [answer if isinstance(answer, Exception) else self.marked(answer) for answer in answers]


class _Batch:
    """Rows that go from level to level together; what several of them read is fetched once."""

    def __init__(self, scorings: Iterable[Any]) -> None:
        self.answers: list[Any] = []
        self._waiting: list[tuple[int, Any, tuple[Request, ...]]] = []
        for index, scoring in enumerate(scorings):
            self.answers.append(None)
            self._step(index, scoring, None)

    def requests(self) -> list[Request]:
        """Return the distinct (group, key) of this level, empty at the end."""
        return list(dict.fromkeys(pair for _, _, pairs in self._waiting for pair in pairs))

    def send(self, requests: Sequence[Request], rows: Sequence[Any]) -> None:
        """Pass the rows of :meth:`requests` on, and go to the next level."""
        packed = dict(zip(requests, rows, strict=True)).get
        waiting, self._waiting = self._waiting, []
        for index, scoring, pairs in waiting:
            self._step(index, scoring, [*map(packed, pairs)])

    def _step(self, index: int, scoring: Any, rows: list[Any] | None) -> None:
        try:
            self._waiting.append((index, scoring, scoring.send(rows)))
        except StopIteration as done:
            self.answers[index] = done.value
        except ROW_ERRORS as error:
            self.answers[index] = error


def _no_table(group: str) -> LocalTable:
    raise AssertionError(f"a plan without look-ups reads {group}")
