"""The outermost layer: tokens, the body within its bounds, answers to the routes that must be fast, counts and logs."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from palette.service.http.body import Bodies, GoneError, Receive
from palette.service.http.errors import RefusedError
from palette.service.logs import event
from palette.service.metrics import Metrics
from palette.service.settings import Settings
from palette.serving.json_rows import dumps

__all__ = ["Gate", "Handler", "Tokens"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"
Handler: TypeAlias = "Callable[[bytes], Awaitable[bytes]]"

JSON = (b"content-type", b"application/json")
# What anyone may ask: whether the service lives.
OPEN = ("/healthz", "/readyz")
ROUTES = {"/healthz": "healthz", "/readyz": "readyz", "/metrics": "metrics", "/openapi.json": "openapi"}
ENDS = (("/score", "score"), ("/features", "features"), (":load", "load"))
MODELS = "/v1/models"


class Tokens:
    """Bearer tokens, of which only hashes are kept.

    Parameters
    ----------
    tokens : iterable of str
        Without any, everyone is let in.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._hashes = [_hash(token.encode()) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raise 401 unless a header brings a token; it takes as long for a wrong one as for a right one."""
        given = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        found = _hash(token.strip())
        # Each one is compared, whatever the ones before.
        known = sum([hmac.compare_digest(found, one) for one in self._hashes])
        if scheme.lower() != b"bearer" or not known:
            raise RefusedError(
                401,
                "unauthorized",
                "a known token is wanted: Authorization: Bearer TOKEN",
                {"www-authenticate": "Bearer"},
            )


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


class Gate:
    """What the server calls for each request.

    Parameters
    ----------
    app : ASGI application
        Answers what is not in ``fast``.
    tokens : Tokens
        Who may come in.
    settings : Settings
        The bounds of a body.
    metrics : Metrics
        What counts.

    Attributes
    ----------
    fast : dict of str to callable
        Whole path to what makes the body of an answer out of the body of a POST.
    """

    def __init__(self, app: Any, tokens: Tokens, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self.tokens = tokens
        self.fast: dict[str, Handler] = {}
        self._bodies = Bodies(settings.max_body, settings.body_seconds)
        self._access_log = settings.access_log
        self._metrics = metrics
        self._seen: dict[tuple[str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        path = scope["path"]
        status = 500
        try:
            if self.tokens and path not in OPEN:
                self.tokens.check(scope["headers"])
            handler = self.fast.get(path)
            if handler is not None and scope["method"] == "POST":
                content = await handler(await self._bodies.read(receive))
                status = 200
                await _answer(send, 200, content)
            else:
                status = await self._passed_on(scope, receive, send)
        except RefusedError as problem:
            status = problem.status
            self._metrics.errors.labels(problem.kind).inc()
            await _refuse(send, problem)
        except GoneError:
            status = 499
        except Exception:  # noqa: BLE001  the last resort: an answer, and a line in the log
            self._metrics.errors.labels("internal").inc()
            event("request failed", logging.ERROR, error=True, route=route_of(path))
            await _refuse(send, RefusedError(500, "internal", "the service failed; its log says where"))
        self._count(scope, path, status, started)

    def _count(self, scope: Scope, path: str, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        route = route_of(path)
        counted = self._seen.get((route, status))
        if counted is None:
            requests = self._metrics.requests.labels(route, str(status))
            counted = self._seen[route, status] = requests, self._metrics.seconds.labels(route)
        counted[0].inc()
        counted[1].observe(seconds)
        if self._access_log:
            model = path.removeprefix(f"{MODELS}/").rpartition("/")[0] if path in self.fast else None
            method = scope["method"]
            event("request", method=method, route=route, model=model, status=status, seconds=round(seconds, 6))

    async def _passed_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Let the application answer; it gets the whole body, and never more than the bounds allow."""
        body = await self._bodies.read(receive) if scope["method"] in ("POST", "PUT", "PATCH", "DELETE") else None
        status = 500
        given = body is None

        async def replay() -> MutableMapping[str, Any]:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, replay, watched)
        return status


def route_of(path: str) -> str:
    """Return the route of a path, one of a few names.

    Examples
    --------
    >>> route_of("/v1/models/eta/score"), route_of("/v1/models/eta:load"), route_of("/v1/models"), route_of("/x")
    ('score', 'load', 'models', 'other')
    """
    if path.startswith(MODELS):
        return next((route for end, route in ENDS if path.endswith(end)), "models")
    return ROUTES.get(path, "other")


async def _answer(send: Send, status: int, content: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
    await send({"type": "http.response.body", "body": content})


async def _refuse(send: Send, problem: RefusedError) -> None:
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await _answer(send, problem.status, dumps({"error": str(problem), "kind": problem.kind}), headers)
