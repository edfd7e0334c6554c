"""The application: models that can be exchanged while it runs, and the routes that are asked now and then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from palette.errors import StoreError
from palette.service.http.errors import RefusedError, unknown_model
from palette.service.http.gate import Gate, Tokens
from palette.service.http.openapi import openapi_of
from palette.service.logs import event
from palette.service.metrics import CONTENT_TYPE, Metrics
from palette.service.models.registry import Registry
from palette.service.models.served_model import Model
from palette.service.settings import Settings, read_tokens
from palette.serving.json_rows import dumps
from palette.serving.served_log.writer import ServedLog

__all__ = ["Service"]

# Seconds between two looks at what is counted elsewhere, and for which an answer of the store counts.
PERIOD = 1.0


class Service:
    """Models behind HTTP: an ASGI application.

    Parameters
    ----------
    settings : Settings
        What to serve, and how.
    tokens : iterable of str
        Bearer tokens; default those of ``PALETTE_TOKENS`` and of the token file.

    Raises
    ------
    DefinitionError, DataError, SnapshotError, StoreError
        If a bundle cannot be loaded; nothing is served then.
    """

    def __init__(self, settings: Settings, tokens: tuple[str, ...] | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        tokens = read_tokens(settings.token_file) if tokens is None else tokens
        settings.check_open(tokens)
        self._log = self._served_log()
        # Whether the service was told to end: it still answers, and is not ready for more.
        self.ending = False
        self._checked: tuple[float, str] | None = None
        self._app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._lifespan)
        self._gate = Gate(self._app, Tokens(tokens), settings, self.metrics)
        self._add_routes()
        self.registry = Registry(settings, self._gate, self.metrics, self._log)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, as ASGI has it."""
        await self._gate(scope, receive, send)

    def _served_log(self) -> ServedLog | None:
        settings, metrics = self.settings, self.metrics
        if settings.served_log is None:
            return None

        def lost(count: int, reason: str) -> None:
            metrics.log_dropped.labels(reason).inc(count)
            if reason != "queue":
                event("served rows lost", logging.ERROR, rows=count, reason=reason, error=True)

        return ServedLog(
            settings.served_log,
            delta=settings.log_format == "delta",
            waiting=settings.log_queue,
            rows=settings.log_rows,
            seconds=settings.log_seconds,
            written=metrics.log_written.inc,
            lost=lost,
        )

    # --- life

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def hang_up() -> None:
            task = loop.create_task(self.registry.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: a test's server
            loop.add_signal_handler(signal.SIGHUP, hang_up)
        if self.registry.stale:  # the signal came before there was anyone to hear it
            hang_up()
        ticking = loop.create_task(self._tick())
        yield
        ticking.cancel()
        await self.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            self._count()

    def _count(self) -> None:
        hits, misses = self.registry.stores.cache_counts
        self.metrics.grow(self.metrics.cache_hits, "hits", hits)
        self.metrics.grow(self.metrics.cache_misses, "misses", misses)
        self.metrics.flush()

    async def close(self) -> None:
        """Write what waits to be logged, and let go of the store."""
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        self._count()
        await self.registry.stores.close()

    # --- routes

    def _add_routes(self) -> None:
        app = self._app
        app.add_exception_handler(RefusedError, self._problem)
        app.add_exception_handler(404, self._no_route)
        app.add_exception_handler(405, self._no_route)
        for path, method, endpoint in (
            ("/healthz", "GET", self._healthz),
            ("/readyz", "GET", self._readyz),
            ("/metrics", "GET", self._metrics),
            ("/openapi.json", "GET", self._openapi),
            ("/v1/models", "GET", self._list),
            ("/v1/models/{name}:load", "POST", self._load_route),
            ("/v1/models/{name}", "GET", self._describe),
            # Known models are answered by the gate itself.
            ("/v1/models/{name}/score", "POST", self._unknown),
            ("/v1/models/{name}/features", "POST", self._unknown),
        ):
            app.add_route(path, endpoint, methods=[method])

    async def _problem(self, _: Request, problem: Any) -> Response:
        self.metrics.errors.labels(problem.kind).inc()
        return _json({"error": str(problem), "kind": problem.kind}, problem.status, problem.headers)

    async def _no_route(self, request: Request, error: Any) -> Response:
        message = f"nothing answers {request.method} {request.url.path[:80]}; /openapi.json tells what does"
        self.metrics.errors.labels("not_found").inc()
        return _json({"error": message, "kind": "not_found"}, error.status_code, error.headers)

    async def _healthz(self, _: Request) -> Response:
        return _json({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        if self.ending:
            return _json({"status": "ending"}, 503)
        now = time.monotonic()
        if self._checked is None or self._checked[0] < now - PERIOD:
            try:
                await self.registry.stores.check(self.settings.budget)
                self._checked = now, ""
            except StoreError as error:
                self._checked = now, str(error)
        versions = {name: model.version for name, model in self.registry.models.items()}
        if self._checked[1]:
            return _json({"status": "store", "error": self._checked[1], "models": versions}, 503)
        return _json({"status": "ready", "models": versions})

    async def _metrics(self, _: Request) -> Response:
        self._count()
        return Response(self.metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def _openapi(self, _: Request) -> Response:
        models = self.registry.models.values()
        return _json(openapi_of(models, self.settings.max_rows, closed=bool(self._gate.tokens)))

    async def _list(self, _: Request) -> Response:
        return _json({"models": [model.describe() for model in self.registry.models.values()]})

    async def _describe(self, request: Request) -> Response:
        return _json(self._known(request).describe())

    def _known(self, request: Request) -> Model:
        name = request.path_params["name"]
        if name not in self.registry.models:
            raise unknown_model(name, self.registry.models)
        return self.registry.models[name]

    async def _unknown(self, request: Request) -> Response:
        raise unknown_model(request.path_params["name"], self.registry.models)

    async def _load_route(self, request: Request) -> Response:
        # A page elsewhere can make a browser send a form, but not this type.
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(400, "request", "the content-type is application/json")
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError as error:
            raise RefusedError(400, "request", f"the body is no JSON: {error}") from None
        if not isinstance(body, dict) or body.keys() != {"path"} or not isinstance(body["path"], str):
            raise RefusedError(400, "request", 'the body is {"path": "..."}, under --bundle-root')
        return _json((await self.registry.load(request.path_params["name"], body["path"])).describe())


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(dumps(content), status, headers, "application/json")
