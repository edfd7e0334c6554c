"""ASGI application: models that can be replaced while it runs, and the routes for administration."""

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
from palette.service.http.errors import RequestError, unknown_model
from palette.service.http.gate import Gate, Tokens
from palette.service.http.openapi import build_openapi
from palette.service.logs import event
from palette.service.metrics import CONTENT_TYPE, Metrics
from palette.service.models.registry import Registry
from palette.service.models.served_model import Model
from palette.service.settings import Settings, read_tokens
from palette.serving.json_rows import dumps
from palette.serving.served_log.writer import ServedLog

__all__ = ["Service"]

# Seconds between updates of the metrics that other modules count, and for which a check of the store is valid.
PERIOD = 1.0


class Service:
    """ASGI application that serves models over HTTP.

    Parameters
    ----------
    settings : Settings
        Settings of the service.
    tokens : iterable of str, optional
        Bearer tokens; by default those of ``PALETTE_TOKENS`` and of the token file.

    Raises
    ------
    DefinitionError, DataError, SnapshotError, StoreError
        If a bundle cannot be loaded.
    """

    def __init__(self, settings: Settings, tokens: tuple[str, ...] | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        tokens = read_tokens(settings.token_file) if tokens is None else tokens
        settings.check_open(tokens)
        self._log = self._open_served_log()
        # Set at shutdown: requests are still answered, but /readyz is 503.
        self.ending = False
        # Time of the last check of the store, and its error.
        self._checked: tuple[float, str] | None = None
        self._app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._lifespan)
        self._gate = Gate(self._app, Tokens(tokens), settings, self.metrics)
        self._add_routes()
        self.registry = Registry(settings, self._gate, self.metrics, self._log)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request (ASGI)."""
        await self._gate(scope, receive, send)

    def _open_served_log(self) -> ServedLog | None:
        settings, metrics = self.settings, self.metrics
        if settings.served_log is None:
            return None

        def count_lost(count: int, reason: str) -> None:
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
            lost=count_lost,
        )

    # --- lifespan

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(self.registry.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread, as in a test's server
            loop.add_signal_handler(signal.SIGHUP, reload)
        if self.registry.stale:  # the signal arrived before the handler was set
            reload()
        updates = loop.create_task(self._update_metrics_periodically())
        yield
        updates.cancel()
        await self.close()

    async def _update_metrics_periodically(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            self._update_metrics()

    def _update_metrics(self) -> None:
        hits, misses = self.registry.stores.cache_counts
        self.metrics.raise_to(self.metrics.cache_hits, "hits", hits)
        self.metrics.raise_to(self.metrics.cache_misses, "misses", misses)
        self.metrics.flush()

    async def close(self) -> None:
        """Write the rows in the served log's queue, and close the store."""
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        self._update_metrics()
        await self.registry.stores.close()

    # --- routes

    def _add_routes(self) -> None:
        app = self._app
        app.add_exception_handler(RequestError, self._request_error)
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
            # The gate answers for loaded models itself.
            ("/v1/models/{name}/score", "POST", self._unknown_model),
            ("/v1/models/{name}/features", "POST", self._unknown_model),
        ):
            app.add_route(path, endpoint, methods=[method])

    async def _request_error(self, _: Request, error: Any) -> Response:
        self.metrics.errors.labels(error.kind).inc()
        return _json({"error": str(error), "kind": error.kind}, error.status, error.headers)

    async def _no_route(self, request: Request, error: Any) -> Response:
        message = f"no route for {request.method} {request.url.path[:80]}; /openapi.json lists all routes"
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
        self._update_metrics()
        return Response(self.metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def _openapi(self, _: Request) -> Response:
        models = self.registry.models.values()
        return _json(build_openapi(models, self.settings.max_rows, authenticated=bool(self._gate.tokens)))

    async def _list(self, _: Request) -> Response:
        return _json({"models": [model.describe() for model in self.registry.models.values()]})

    async def _describe(self, request: Request) -> Response:
        return _json(self._get_model(request).describe())

    def _get_model(self, request: Request) -> Model:
        name = request.path_params["name"]
        if name not in self.registry.models:
            raise unknown_model(name, self.registry.models)
        return self.registry.models[name]

    async def _unknown_model(self, request: Request) -> Response:
        raise unknown_model(request.path_params["name"], self.registry.models)

    async def _load_route(self, request: Request) -> Response:
        # A page of another origin can make a browser send a form, but not this type.
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RequestError(400, "request", "expected a body of content-type application/json")
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError as error:
            raise RequestError(400, "request", f"the body is not valid JSON: {error}") from None
        if not isinstance(body, dict) or body.keys() != {"path"} or not isinstance(body["path"], str):
            raise RequestError(400, "request", 'expected the body {"path": "..."}, a path under --bundle-root')
        return _json((await self.registry.load(request.path_params["name"], body["path"])).describe())


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(dumps(content), status, headers, "application/json")
