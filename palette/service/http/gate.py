"""Outermost ASGI layer: tokens, limits of the body, the routes that must be fast, metrics and the access log."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from palette.service.http.body import BodyReader, ClientDisconnectedError, Receive
from palette.service.http.errors import RequestError
from palette.service.logs import event
from palette.service.metrics import Metrics
from palette.service.settings import Settings
from palette.serving.json_rows import dumps

__all__ = ["Gate", "Handler", "Tokens"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"
Handler: TypeAlias = "Callable[[bytes], Awaitable[bytes]]"

JSON = (b"content-type", b"application/json")
# Paths that need no token.
PUBLIC_PATHS = ("/healthz", "/readyz")
ROUTES = {"/healthz": "healthz", "/readyz": "readyz", "/metrics": "metrics", "/openapi.json": "openapi"}
SUFFIXES = (("/score", "score"), ("/features", "features"), (":load", "load"))
MODELS = "/v1/models"


class Tokens:
    """Bearer tokens, stored as hashes.

    Parameters
    ----------
    tokens : iterable of str
        Accepted tokens; without any, every request is accepted.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._hashes = [_hash(token.encode()) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raise 401 unless a header has an accepted token, in constant time."""
        authorization = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = authorization.partition(b" ")
        hashed = _hash(token.strip())
        # A list, so that all tokens are compared even after a match.
        matches = sum([hmac.compare_digest(hashed, known) for known in self._hashes])
        if scheme.lower() != b"bearer" or not matches:
            raise RequestError(
                401,
                "unauthorized",
                "missing or unknown token: send Authorization: Bearer TOKEN",
                {"www-authenticate": "Bearer"},
            )


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


class Gate:
    """ASGI application that authenticates, limits and counts requests, in front of another one.

    Parameters
    ----------
    app : ASGI application
        Handles the paths that are not in ``fast``.
    tokens : Tokens
        Accepted tokens.
    settings : Settings
        Limits of a body, and whether requests are logged.
    metrics : Metrics
        Metrics of the process.

    Attributes
    ----------
    fast : dict of str to callable
        Full path to a handler that returns the response body of a POST for its request body.
    """

    def __init__(self, app: Any, tokens: Tokens, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self.tokens = tokens
        self.fast: dict[str, Handler] = {}
        self._body_reader = BodyReader(settings.max_body, settings.body_seconds)
        self._access_log = settings.access_log
        self._metrics = metrics
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        path = scope["path"]
        status = 500
        try:
            if self.tokens and path not in PUBLIC_PATHS:
                self.tokens.check(scope["headers"])
            handler = self.fast.get(path)
            if handler is not None and scope["method"] == "POST":
                content = await handler(await self._body_reader.read(receive))
                status = 200
                await _answer(send, 200, content)
            else:
                status = await self._delegate(scope, receive, send)
        except RequestError as error:
            status = error.status
            self._metrics.errors.labels(error.kind).inc()
            await _answer_error(send, error)
        except ClientDisconnectedError:
            status = 499
        except Exception:  # noqa: BLE001  any other failure is a response 500, and is logged
            self._metrics.errors.labels("internal").inc()
            event("request failed", logging.ERROR, error=True, route=route_name(path))
            await _answer_error(send, RequestError(500, "internal", "internal error; see the log of the service"))
        self._count(scope, path, status, started)

    def _count(self, scope: Scope, path: str, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        route = route_name(path)
        children = self._children.get((route, status))
        if children is None:
            requests = self._metrics.requests.labels(route, str(status))
            children = self._children[route, status] = requests, self._metrics.seconds.labels(route)
        children[0].inc()
        children[1].observe(seconds)
        if self._access_log:
            model = path.removeprefix(f"{MODELS}/").rpartition("/")[0] if path in self.fast else None
            method = scope["method"]
            event("request", method=method, route=route, model=model, status=status, seconds=round(seconds, 6))

    async def _delegate(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Let the application answer, and return the status; it receives a complete body within the limits."""
        body = await self._body_reader.read(receive) if scope["method"] in ("POST", "PUT", "PATCH", "DELETE") else None
        status = 500
        replayed = body is None

        async def replay() -> MutableMapping[str, Any]:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def record_status(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, replay, record_status)
        return status


def route_name(path: str) -> str:
    """Return the name of a path's route.

    Examples
    --------
    >>> [route_name(path) for path in ("/v1/models/eta/score", "/v1/models/eta:load", "/v1/models", "/x")]
    ['score', 'load', 'models', 'other']
    """
    if path.startswith(MODELS):
        return next((route for suffix, route in SUFFIXES if path.endswith(suffix)), "models")
    return ROUTES.get(path, "other")


async def _answer(send: Send, status: int, content: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
    await send({"type": "http.response.body", "body": content})


async def _answer_error(send: Send, error: RequestError) -> None:
    headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    await _answer(send, error.status, dumps({"error": str(error), "kind": error.kind}), headers)
