"""``POST /v1/models/{name}/score``: the body is parsed once, and nothing stands between it and the plan."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from dsl.errors import DslError
from palette.errors import DataError, PaletteError, SnapshotError, StoreError, nearest
from palette.service.http.errors import RefusedError, kind_of, problem_of
from palette.service.metrics import Metrics
from palette.service.models.served_model import Model
from palette.service.models.stores import LEVEL
from palette.serving.executors import ROW_ERRORS, STORE_ERROR
from palette.serving.json_rows import dumps, parse_time, plain
from palette.serving.served_log.writer import ServedLog
from palette.times import resolve_now

__all__ = ["Request", "Scorer", "parse_request"]

ENTRIES = ("row", "rows", "now")
# Rows that are scored before others have their turn.
TURN = 64


class Request:
    """The body of a request, taken apart.

    Attributes
    ----------
    rows : list
        What came as rows; whether each is a mapping is not checked.
    single : bool
        Whether one row came, and one answer is wanted.
    now : datetime, optional
        The moment at which ttl counts.
    """

    __slots__ = ("now", "rows", "single")

    def __init__(self, rows: list[Any], *, single: bool, now: dt.datetime | None) -> None:
        self.rows = rows
        self.single = single
        self.now = now


def parse_request(body: bytes, max_rows: int) -> Request:
    """Take a body apart.

    Raises
    ------
    RefusedError
        400 if it is not what is asked for, 413 if it has too many rows.
    """
    try:
        plain_body = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, "request", f"the body is no JSON: {error}") from None
    if plain_body.__class__ is not dict or ("row" in plain_body) == ("rows" in plain_body):
        raise RefusedError(
            400, "request", 'the body is {"row": {...}} or {"rows": [{...}, ...]}, with "now" if need be'
        )
    now = None
    if len(plain_body) > 1:
        for entry in plain_body:
            if entry not in ENTRIES:
                raise RefusedError(400, "request", f"no entry {entry!r:.80}{nearest(entry[:80], ENTRIES)}")
        now = _now(plain_body.get("now"))
    if "row" in plain_body:
        return Request([plain_body["row"]], single=True, now=now)
    rows = plain_body["rows"]
    if rows.__class__ is not list:
        raise RefusedError(400, "request", f"rows is a list, found {type(rows).__name__}")
    if len(rows) > max_rows:
        raise RefusedError(
            413, "too_large", f"{len(rows):,} rows are more than the {max_rows:,} of a request: send fewer"
        )
    return Request(rows, single=False, now=now)


def _now(text: Any) -> dt.datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise RefusedError(400, "request", f"now is an ISO 8601 time, found {type(text).__name__}")
    try:
        return parse_time(text, "now")
    except DataError as error:
        raise RefusedError(400, "request", str(error)) from None


class Scorer:
    """Answers the requests for one model.

    Parameters
    ----------
    model : Model
        What scores.
    metrics : Metrics
        What counts.
    log : ServedLog, optional
        What takes down the rows.
    max_rows : int
        Rows of a request.
    """

    def __init__(self, model: Model, metrics: Metrics, log: ServedLog | None, max_rows: int) -> None:
        self.model = model
        self._metrics = metrics
        self._counts = model.metrics
        self._statuses = model.statuses
        self._log = log
        self._max_rows = max_rows
        self._head = b'{"model":%b,"version":%b,' % (dumps(model.name), dumps(model.version))

    async def __call__(self, body: bytes) -> bytes:
        """Return the body of the answer.

        Raises
        ------
        RefusedError
            If there is none.
        """
        request = parse_request(body, self._max_rows)
        if not request.single:
            return b'%b"results":%b}' % (self._head, dumps(await self._many(request.rows, request.now)))
        row, now, model = request.rows[0], request.now, self.model
        try:
            self._decode(row)
            if model.remote:
                LEVEL.set([0])
                answer = await model.pipeline.score_instance_async(row, now)
            else:
                answer = model.pipeline.score_instance(row, now)
        except (PaletteError, DslError, *ROW_ERRORS) as error:
            problem = problem_of(error)
            if problem.kind == "rejected":
                self._counts.rejected.inc()
            raise problem from error
        return b'%b"result":%b}' % (self._head, dumps(self._served(row, answer, now)))

    async def _many(self, rows: list[Any], now: dt.datetime | None) -> list[dict[str, Any]]:
        answers: list[Any] = [None] * len(rows)
        good = []
        for place, row in enumerate(rows):
            try:
                self._decode(row)
                good.append(place)
            except DataError as error:
                answers[place] = error
        # All rows of a request are scored at one moment.
        now = now or dt.datetime.now(dt.UTC).replace(tzinfo=None)
        try:
            found = await self._score([rows[place] for place in good], now)
        except (StoreError, SnapshotError) as error:
            raise problem_of(error) from error
        for place, answer in zip(good, found, strict=True):
            answers[place] = answer
        return [
            self._refused(answer) if isinstance(answer, Exception) else self._served(row, answer, now)
            for row, answer in zip(rows, answers, strict=True)
        ]

    async def _score(self, rows: Sequence[Any], now: dt.datetime) -> list[Any]:
        pipeline = self.model.pipeline
        if self.model.remote:
            LEVEL.set([0])
            return await pipeline.score_instances_async(rows, now, errors="return")
        answers: list[Any] = []
        for start in range(0, len(rows), TURN):
            if start:
                await asyncio.sleep(0)
            answers += pipeline.score_instances(rows[start : start + TURN], now, errors="return")
        return answers

    def _decode(self, row: Any) -> None:
        if row.__class__ is not dict:
            raise DataError(f"a row is an object of column to value, found {type(row).__name__}")
        self.model.count_unknown(row)
        for column, decode in self.model.decoders:
            if column in row:
                row[column] = decode(row[column])

    def _served(self, row: dict[str, Any], answer: dict[str, Any], now: dt.datetime | None) -> dict[str, Any]:
        """Count a row that was scored, take it down, and return its answer as JSON has it."""
        statuses = tuple(map(answer.pop, self._statuses))
        self._counts.count(statuses)
        degraded = STORE_ERROR in answer
        if degraded:
            self._counts.degraded.inc()
        if self._log is not None:
            self._log.put((self.model, resolve_now(now), row, answer, statuses, degraded))
        return plain(answer)

    def _refused(self, error: Exception) -> dict[str, Any]:
        """Count a row of a batch that could not be scored, and return what stands in its place."""
        kind = kind_of(error)
        self._metrics.errors.labels(kind).inc()
        if kind == "rejected":
            self._counts.rejected.inc()
        return {"error": str(error), "kind": kind}
