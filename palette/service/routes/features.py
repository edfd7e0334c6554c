"""``POST /v1/models/{name}/features``: the values that a model looks up, with their status and age."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dsl.errors import DslError
from palette.errors import DataError, PaletteError, SnapshotError, StoreError
from palette.online import STATIC, RowLayout
from palette.online.codec.conversion import UnfitRow
from palette.online.layout import Request, Row
from palette.service.http.errors import error_kind, scoring_error
from palette.service.models.served_model import Model
from palette.service.models.stores import LEVEL
from palette.service.routes.scoring import parse_request
from palette.serving.compile import compile_levels, levels_of
from palette.serving.executors import ROW_ERRORS
from palette.serving.json_rows import dumps, plain
from palette.serving.plan import LookupStep, Plan
from palette.times import resolve_now, to_datetime

__all__ = ["LookupReport"]

MICROSECONDS = 1_000_000


class LookupReport:
    """Handler that reports the values a model looks up for a row.

    Parameters
    ----------
    model : Model
        Model that looks the values up.
    max_rows : int
        Maximum rows of a request.
    budget : float
        Time limit in seconds for all reads of a request.
    """

    def __init__(self, model: Model, max_rows: int, budget: float) -> None:
        self._model = model
        self._max_rows = max_rows
        self._budget = budget
        steps = model.pipeline.plan.steps
        last = max((index for index, step in enumerate(steps) if isinstance(step, LookupStep)), default=-1)
        plan = Plan(steps[: last + 1], (), model.pipeline.plan.inputs, model.pipeline.plan.runtime)
        self._levels: list[tuple[LookupStep, ...]] = [level for level in levels_of(plan) if isinstance(level, tuple)]
        # Read once, because the compiled plan and the report depend on the same layout of the rows.
        reader = model.reader
        self._layouts: dict[str, RowLayout] = (
            {} if reader is None else {name: reader.layout(name) for name in plan.groups}
        )
        self._run = compile_levels(plan, self._layouts.__getitem__, checks=model.checks)
        # The same layouts, with the ttl of the model.
        ttls = {step.group.full_name: step.group.ttl for level in self._levels for step in level}
        self._model_layouts = {
            name: RowLayout(replace(layout.schema, group=layout.group.model_copy(update={"ttl": ttls[name]})))
            for name, layout in self._layouts.items()
        }

    async def __call__(self, body: bytes) -> bytes:
        """Return the body of the response.

        Raises
        ------
        RequestError
            If the request is invalid, its only row fails, or the store fails.
        """
        request = parse_request(body, self._max_rows)
        model = self._model
        try:
            now = resolve_now(request.now)
            if model.reader is not None:
                model.reader.check_now(now)
            LEVEL.set([0])
            answers = await self._read(request.rows, now)
        except (StoreError, SnapshotError) as error:
            raise scoring_error(error) from error
        head = {"model": model.name, "version": model.version, "now": to_datetime(now)}
        if request.single:
            if isinstance(answers[0], Exception):
                raise scoring_error(answers[0]) from answers[0]
            return dumps({**head, "result": answers[0]})
        results = [
            {"error": str(answer), "kind": error_kind(answer)} if isinstance(answer, Exception) else answer
            for answer in answers
        ]
        return dumps({**head, "results": results})

    async def _read(self, rows: Sequence[Any], now: int) -> list[Any]:
        """Return the features of each row, or its error; the rows share one read per level."""
        answers: list[Any] = [{} for _ in rows]
        running: dict[int, tuple[Any, Sequence[Request]]] = {}
        for index, row in enumerate(rows):
            try:
                decoded = self._decode(row)
                # A plan without look-ups does not compile to a generator.
                if self._levels:
                    generator = self._run(decoded, now)
                    running[index] = generator, next(generator)
            except (PaletteError, DslError, *ROW_ERRORS) as error:
                answers[index] = error
        until = time.monotonic() + self._budget
        for level in self._levels:
            pending = list(dict.fromkeys(request for _, requests in running.values() for request in requests))
            fetched = dict(zip(pending, await self._fetch(pending, until), strict=True))
            for index, (generator, requests) in list(running.items()):
                packed = [fetched[request] for request in requests]
                try:
                    for step, (_, key), stored in zip(level, requests, packed, strict=True):
                        answers[index] |= self._describe(step, key, stored, now)
                    running[index] = generator, generator.send(packed)
                except StopIteration:
                    del running[index]
                except (PaletteError, DslError, *ROW_ERRORS) as error:
                    del running[index]
                    answers[index] = error
        return answers

    def _decode(self, row: Any) -> Mapping[str, Any]:
        if row.__class__ is not dict:
            raise DataError(f"expected a row as a JSON object, found {type(row).__name__}")
        self._model.count_unknown(row)
        return {**row, **{column: decode(row[column]) for column, decode in self._model.decoders if column in row}}

    async def _fetch(self, requests: list[Request], until: float) -> list[Row | None]:
        reader = self._model.reader
        if reader is None or not requests:
            return []
        return await reader.fetch_async(requests, max(0.0, until - time.monotonic()))

    def _positions(self, step: LookupStep) -> list[int]:
        names = [feature.name for feature in self._layouts[step.group.full_name].group.features]
        return [2 + names.index(feature) for feature in step.columns.values() if feature in names]

    def _describe(self, step: LookupStep, key: Any, row: Row | None, now: int) -> dict[str, Any]:
        """Return value, status and age of each column of a look-up; an expired row has an age, but no values."""
        name = step.group.full_name
        if isinstance(row, UnfitRow):
            row = row.only(self._positions(step))
        values = self._model_layouts[name].answer(row, now, status=True)
        event = None if row is None or row[0] == STATIC else row[0]
        common = {
            "key": dict(zip(step.entity.keys, key if isinstance(key, tuple) else (key,), strict=True)),
            "event_time": None if event is None else to_datetime(event),
            "age_seconds": None if event is None else (now - event) / MICROSECONDS,
        }
        return {
            column: {
                **plain({"value": values[feature]}),
                "status": values[f"{feature}__status"],
                "feature": f"{name}:{feature}:{','.join(step.join_keys)}",
                **common,
            }
            for column, feature in step.columns.items()
        }
