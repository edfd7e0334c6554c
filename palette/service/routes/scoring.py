"""``POST /v1/models/{name}/score``: the parsed body goes to the plan without further validation."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from dsl.errors import DslError
from palette.errors import DataError, PaletteError, SnapshotError, StoreError, nearest
from palette.service.http.errors import RequestError, error_kind, scoring_error
from palette.service.metrics import Metrics
from palette.service.models.served_model import Model
from palette.service.models.stores import LEVEL
from palette.serving.executors import ROW_ERRORS, STORE_ERROR
from palette.serving.json_rows import dumps, parse_time, plain
from palette.serving.served_log.writer import ServedLog
from palette.times import resolve_now

__all__ = ["Request", "Scorer", "parse_request"]

KEYS = ("row", "rows", "now")
# Rows that are scored before the event loop may run other requests.
BATCH_ROWS = 64


class Request:
    """Parsed body of a request.

    Attributes
    ----------
    rows : list
        Rows, not validated: an element may be any JSON value.
    single : bool
        Whether the request has a ``row`` instead of ``rows``, and expects one result.
    now : datetime, optional
        Time at which the ttl is evaluated.
    """

    __slots__ = ("now", "rows", "single")

    def __init__(self, rows: list[Any], *, single: bool, now: dt.datetime | None) -> None:
        self.rows = rows
        self.single = single
        self.now = now


def parse_request(body: bytes, max_rows: int) -> Request:
    """Parse the body of a request.

    Raises
    ------
    RequestError
        400 if it is invalid, 413 if it has too many rows.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, "request", f"the body is not valid JSON: {error}") from None
    if content.__class__ is not dict or ("row" in content) == ("rows" in content):
        raise RequestError(
            400, "request", 'expected the body {"row": {...}} or {"rows": [{...}, ...]}, with an optional "now"'
        )
    now = None
    if len(content) > 1:
        for key in content:
            if key not in KEYS:
                raise RequestError(400, "request", f"unknown key {key!r:.80}{nearest(key[:80], KEYS)}")
        now = _parse_now(content.get("now"))
    if "row" in content:
        return Request([content["row"]], single=True, now=now)
    rows = content["rows"]
    if rows.__class__ is not list:
        raise RequestError(400, "request", f"rows: expected a list, found {type(rows).__name__}")
    if len(rows) > max_rows:
        raise RequestError(
            413, "too_large", f"found {len(rows):,} rows, expected at most {max_rows:,}; send several requests"
        )
    return Request(rows, single=False, now=now)


def _parse_now(value: Any) -> dt.datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestError(400, "request", f"now: expected an ISO 8601 time, found {type(value).__name__}")
    try:
        return parse_time(value, "now")
    except DataError as error:
        raise RequestError(400, "request", str(error)) from None


class Scorer:
    """Handler that scores the rows of a request with one model.

    Parameters
    ----------
    model : Model
        Model that scores.
    metrics : Metrics
        Metrics of the process.
    log : ServedLog, optional
        Log of the served rows.
    max_rows : int
        Maximum rows of a request.
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
        """Return the body of the response.

        Raises
        ------
        RequestError
            If the request is invalid, its only row fails, or the store fails.
        """
        request = parse_request(body, self._max_rows)
        if not request.single:
            return b'%b"results":%b}' % (self._head, dumps(await self._score_many(request.rows, request.now)))
        row, now, model = request.rows[0], request.now, self.model
        try:
            self._decode(row)
            if model.remote:
                LEVEL.set([0])
                answer = await model.pipeline.score_instance_async(row, now)
            else:
                answer = model.pipeline.score_instance(row, now)
        except (PaletteError, DslError, *ROW_ERRORS) as error:
            request_error = scoring_error(error)
            if request_error.kind == "rejected":
                self._counts.rejected.inc()
            raise request_error from error
        return b'%b"result":%b}' % (self._head, dumps(self._record_answer(row, answer, now)))

    async def _score_many(self, rows: list[Any], now: dt.datetime | None) -> list[dict[str, Any]]:
        answers: list[Any] = [None] * len(rows)
        decoded = []
        for index, row in enumerate(rows):
            try:
                self._decode(row)
                decoded.append(index)
            except DataError as error:
                answers[index] = error
        # The same time for all rows of the request.
        now = now or dt.datetime.now(dt.UTC).replace(tzinfo=None)
        try:
            scored = await self._score([rows[index] for index in decoded], now)
        except (StoreError, SnapshotError) as error:
            raise scoring_error(error) from error
        for index, answer in zip(decoded, scored, strict=True):
            answers[index] = answer
        return [
            self._record_error(answer) if isinstance(answer, Exception) else self._record_answer(row, answer, now)
            for row, answer in zip(rows, answers, strict=True)
        ]

    async def _score(self, rows: Sequence[Any], now: dt.datetime) -> list[Any]:
        pipeline = self.model.pipeline
        if self.model.remote:
            LEVEL.set([0])
            return await pipeline.score_instances_async(rows, now, errors="return")
        answers: list[Any] = []
        for start in range(0, len(rows), BATCH_ROWS):
            if start:
                await asyncio.sleep(0)
            answers += pipeline.score_instances(rows[start : start + BATCH_ROWS], now, errors="return")
        return answers

    def _decode(self, row: Any) -> None:
        if row.__class__ is not dict:
            raise DataError(f"expected a row as a JSON object, found {type(row).__name__}")
        self.model.count_unknown(row)
        for column, decode in self.model.decoders:
            if column in row:
                row[column] = decode(row[column])

    def _record_answer(self, row: dict[str, Any], answer: dict[str, Any], now: dt.datetime | None) -> dict[str, Any]:
        """Count and log a scored row, and return its answer as JSON values."""
        statuses = tuple(map(answer.pop, self._statuses))
        self._counts.count(statuses)
        degraded = STORE_ERROR in answer
        if degraded:
            self._counts.degraded.inc()
        if self._log is not None:
            self._log.put((self.model, resolve_now(now), row, answer, statuses, degraded))
        return plain(answer)

    def _record_error(self, error: Exception) -> dict[str, Any]:
        """Count a row of a batch that could not be scored, and return its error entry."""
        kind = error_kind(error)
        self._metrics.errors.labels(kind).inc()
        if kind == "rejected":
            self._counts.rejected.inc()
        return {"error": str(error), "kind": kind}
