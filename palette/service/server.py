"""Processes and signals: one server, or several that share a socket."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import uvicorn

from dsl.errors import DslError
from palette.errors import DefinitionError, PaletteError
from palette.service.app import Service
from palette.service.http.errors import reason_of
from palette.service.logs import configure, event
from palette.service.metrics import MULTIPROCESS
from palette.service.settings import Settings, read_tokens

__all__ = ["serve"]

BACKLOG = 2048
FAILED = 3
# Longer than load balancers keep theirs: the one that closes a connection must not be the one that is sent to.
KEEP_ALIVE = 75
# Seconds before a worker that ended by itself is replaced: twice as many each time it does so before it is ready.
PAUSE, LONGEST_PAUSE = 0.5, 60.0


def serve(settings: Settings) -> int:
    """Serve until told to end; return the exit code.

    SIGTERM and SIGINT end it when the requests under way are answered; SIGHUP reads bundles, snapshot and tokens again.

    Raises
    ------
    PaletteError, DslError
        If it cannot start.
    """
    settings.check_open(read_tokens(settings.token_file))
    configure()
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    with listening:
        if settings.workers == 1:
            return _run(settings, listening, url=f"http://{_bracketed(host)}:{port}")
        return _Workers(settings, listening, f"http://{_bracketed(host)}:{port}").run()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise DefinitionError(
            f"cannot listen on {settings.host}:{settings.port}: {error}; choose another --host or --port"
        ) from error
    listening.set_inheritable(True)
    return listening


def _run(settings: Settings, listening: socket.socket, *, url: str | None = None, ready: Any = None) -> int:
    """Serve in this process: the only one, which tells its URL, or a worker, which tells when it is ready."""
    # Until the loop runs, a reload has nothing to read again.
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else _ended)
    service = Service(settings)
    config = uvicorn.Config(
        service,
        backlog=BACKLOG,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    # A worker that the process above left behind would keep the port, with nobody to end it.
    server = _Server(config, service, None if ready is None else multiprocessing.parent_process())
    if url is not None:
        event("listening", url=url, models=sorted(service.registry.models))
    if ready is not None:
        ready.value = True
    # uvicorn sets these itself while it runs; what comes just before it is heeded too.
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    server.run(sockets=[listening])
    event("ended")
    return 0 if server.started else FAILED


class _Server(uvicorn.Server):
    """Says that it is not ready before it ends, so that nobody is sent to it any more; ends when its parent does."""

    def __init__(self, config: uvicorn.Config, service: Service, parent: BaseProcess | None) -> None:
        super().__init__(config)
        self._service = service
        self._parent = parent
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  as uvicorn has it
        """Begin to end; at the second SIGINT end at once."""
        first = self._until is None
        self._service.ending = True
        if first:
            self._until = time.monotonic() + self._service.settings.drain_seconds
        elif sig == signal.SIGINT:
            self._until = 0.0
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Tell uvicorn's loop, ten times a second, whether to end."""
        if self._until is None and self._parent is not None and not self._parent.is_alive():
            event("the process above is gone, so this one ends", logging.ERROR)
            self.handle_exit(signal.SIGTERM, None)
        if self._until is not None and time.monotonic() >= self._until:
            self.should_exit = True
        return await super().on_tick(counter)


def _ended(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _worker(settings: Settings, listening: socket.socket, ready: Any) -> None:
    """Be one of several processes."""
    configure()
    try:
        code = _run(settings, listening, ready=ready)
    except (PaletteError, DslError) as error:
        event("worker cannot start", logging.ERROR, reason=reason_of(error))
        code = FAILED
    sys.exit(code)


class _Place:
    """Where a worker runs, or the next one will."""

    def __init__(self, context: SpawnContext, settings: Settings, listening: socket.socket) -> None:
        self._context = context
        self._arguments = settings, listening
        # Memory that is shared, without a lock that a worker could take along when it is killed.
        self._ready = context.RawValue(ctypes.c_bool)
        self._pause = PAUSE
        self._due: float | None = None
        self.start()

    def start(self) -> None:
        self._due = None
        self._ready.value = False
        self.process = self._context.Process(target=_worker, args=(*self._arguments, self._ready))
        self.process.start()

    @property
    def ready(self) -> bool:
        """Whether the worker has loaded what it serves."""
        return bool(self._ready.value)

    def watch(self) -> None:
        """Replace a worker that ended, after a pause."""
        if self.process.is_alive():
            return
        now = time.monotonic()
        if self._due is None:
            self._pause = PAUSE if self.ready else min(2 * self._pause, LONGEST_PAUSE)
            self._due = now + self._pause
            code = self.process.exitcode
            event("worker ended, another takes its place", logging.ERROR, code=code, seconds=self._pause)
            if self.process.pid is not None:
                from prometheus_client.multiprocess import mark_process_dead

                mark_process_dead(self.process.pid)
        elif now >= self._due:
            self.start()


class _Workers:
    """Starts processes, passes signals on to them, and replaces those that end by themselves."""

    def __init__(self, settings: Settings, listening: socket.socket, url: str) -> None:
        self._settings = settings
        self._listening = listening
        self._url = url
        self._places: list[_Place] = []
        self._ending = False

    def run(self) -> int:
        context = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory(prefix="palette-serve-") as home:
            os.environ[MULTIPROCESS] = os.path.join(home, "metrics")
            os.mkdir(os.environ[MULTIPROCESS])
            settings = dataclasses.replace(self._settings, state=os.path.join(home, "bundles.json"))
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._end)
            signal.signal(signal.SIGHUP, self._pass_on)
            for _ in range(settings.workers):
                self._places.append(_Place(context, settings, self._listening))
            event("listening", url=self._url, workers=settings.workers)
            code = self._watch()
            # One that was being started was not told.
            self._pass_on(signal.SIGTERM, None)
            until = time.monotonic() + settings.drain_seconds + settings.shutdown_seconds + 5
            for place in self._places:
                place.process.join(max(0.0, until - time.monotonic()))
                if place.process.is_alive():
                    place.process.kill()
                    place.process.join()
            return code

    def _watch(self) -> int:
        served = False
        while not self._ending:
            served = served or any(place.ready for place in self._places)
            # What none of them can start with, the next ones cannot either.
            if not served and any(place.process.exitcode == FAILED for place in self._places):
                self._end(signal.SIGTERM, None)
                return FAILED
            for place in self._places:
                if not self._ending:
                    place.watch()
            time.sleep(0.1)
        return 0

    def _end(self, _: int, __: Any) -> None:
        self._ending = True
        self._pass_on(signal.SIGTERM, None)

    def _pass_on(self, number: int, _: Any) -> None:
        for place in self._places:
            process = place.process
            if process.pid is not None and process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
