"""``POST /v1/models/{name}/features``: what a model would look up, and how old it is."""

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
from palette.service.http.errors import kind_of, problem_of
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
    """Answers what a model looks up for a row.

    Parameters
    ----------
    model : Model
        Whose look-ups.
    max_rows : int
        Rows of a request.
    budget : float
        Seconds that all reads of a request may take together.
    """

    def __init__(self, model: Model, max_rows: int, budget: float) -> None:
        self._model = model
        self._max_rows = max_rows
        self._budget = budget
        steps = model.pipeline.plan.steps
        last = max((place for place, step in enumerate(steps) if isinstance(step, LookupStep)), default=-1)
        plan = Plan(steps[: last + 1], (), model.pipeline.plan.inputs, model.pipeline.plan.runtime)
        self._levels: list[tuple[LookupStep, ...]] = [level for level in levels_of(plan) if isinstance(level, tuple)]
        # Once, for the program and for the answers: both go by the layout of the rows.
        reader = model.reader
        self._layouts: dict[str, RowLayout] = (
            {} if reader is None else {name: reader.layout(name) for name in plan.groups}
        )
        self._run = compile_levels(plan, self._layouts.__getitem__, checks=model.checks)
        # Of the same layout, with the ttl of the model.
        ttls = {step.group.full_name: step.group.ttl for level in self._levels for step in level}
        self._answering = {
            name: RowLayout(replace(layout.schema, group=layout.group.model_copy(update={"ttl": ttls[name]})))
            for name, layout in self._layouts.items()
        }

    async def __call__(self, body: bytes) -> bytes:
        """Return the body of the answer.

        Raises
        ------
        RefusedError
            If there is none.
        """
        request = parse_request(body, self._max_rows)
        model = self._model
        try:
            now = resolve_now(request.now)
            if model.reader is not None:
                model.reader.check_now(now)
            LEVEL.set([0])
            found = await self._read(request.rows, now)
        except (StoreError, SnapshotError) as error:
            raise problem_of(error) from error
        head = {"model": model.name, "version": model.version, "now": to_datetime(now)}
        if request.single:
            if isinstance(found[0], Exception):
                raise problem_of(found[0]) from found[0]
            return dumps({**head, "result": found[0]})
        results = [{"error": str(one), "kind": kind_of(one)} if isinstance(one, Exception) else one for one in found]
        return dumps({**head, "results": results})

    async def _read(self, rows: Sequence[Any], now: int) -> list[Any]:
        """Return the features of each row, or its error; all rows take each level together."""
        answers: list[Any] = [{} for _ in rows]
        running: dict[int, tuple[Any, Sequence[Request]]] = {}
        for place, row in enumerate(rows):
            try:
                decoded = self._decoded(row)
                # A plan without look-ups is no generator.
                if self._levels:
                    generator = self._run(decoded, now)
                    running[place] = generator, next(generator)
            except (PaletteError, DslError, *ROW_ERRORS) as error:
                answers[place] = error
        until = time.monotonic() + self._budget
        for level in self._levels:
            wanted = list(dict.fromkeys(pair for _, pairs in running.values() for pair in pairs))
            found = dict(zip(wanted, await self._fetch(wanted, until), strict=True))
            for place, (generator, pairs) in list(running.items()):
                packed = [found[pair] for pair in pairs]
                try:
                    for step, (_, key), one in zip(level, pairs, packed, strict=True):
                        answers[place] |= self._told(step, key, one, now)
                    running[place] = generator, generator.send(packed)
                except StopIteration:
                    del running[place]
                except (PaletteError, DslError, *ROW_ERRORS) as error:
                    del running[place]
                    answers[place] = error
        return answers

    def _decoded(self, row: Any) -> Mapping[str, Any]:
        if row.__class__ is not dict:
            raise DataError(f"a row is an object of column to value, found {type(row).__name__}")
        self._model.count_unknown(row)
        return {**row, **{column: decode(row[column]) for column, decode in self._model.decoders if column in row}}

    async def _fetch(self, wanted: list[Request], until: float) -> list[Row | None]:
        reader = self._model.reader
        if reader is None or not wanted:
            return []
        return await reader.fetch_async(wanted, max(0.0, until - time.monotonic()))

    def _positions(self, step: LookupStep) -> list[int]:
        names = [feature.name for feature in self._layouts[step.group.full_name].group.features]
        return [2 + names.index(feature) for feature in step.columns.values() if feature in names]

    def _told(self, step: LookupStep, key: Any, row: Row | None, now: int) -> dict[str, Any]:
        """Return what is known of each column of a look-up; of an expired row the age, but no values."""
        name = step.group.full_name
        if isinstance(row, UnfitRow):
            row = row.only(self._positions(step))
        values = self._answering[name].answer(row, now, status=True)
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
