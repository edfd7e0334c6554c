"""Server processes and signals: one server, or several workers that share a socket."""

from __future__ import annotations

import contextlib
import ctypes
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
from palette.service.http.errors import load_failure
from palette.service.logs import configure, event
from palette.service.metrics import MULTIPROCESS
from palette.service.settings import Settings, read_tokens

__all__ = ["serve"]

BACKLOG = 2048
FAILED = 3
# Seconds; longer than load balancers keep idle connections, so that they close them, not the server during a request.
KEEP_ALIVE = 75
# Seconds before a worker that exited is restarted: doubled each time it exits before it is ready, up to the maximum.
RESTART_DELAY, MAX_RESTART_DELAY = 0.5, 60.0


def serve(settings: Settings) -> int:
    """Serve until a signal stops it; return the exit code.

    SIGTERM and SIGINT stop it after the running requests are answered; SIGHUP reloads bundles, snapshot and tokens.

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
            return _run(settings, listening, url=f"http://{_bracket_ipv6(host)}:{port}")
        return _Supervisor(settings, listening, f"http://{_bracket_ipv6(host)}:{port}").run()


def _bracket_ipv6(host: str) -> str:
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
    """Serve in this process: the only one, which logs its URL, or a worker, which sets ``ready``."""
    # Until the event loop runs, there is nothing to reload.
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else _exit)
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
    # A worker without its parent would hold the port, and no process would stop it.
    server = _Server(config, service, None if ready is None else multiprocessing.parent_process())
    if url is not None:
        event("listening", url=url, models=sorted(service.registry.models))
    if ready is not None:
        ready.value = True
    # uvicorn sets these handlers while it runs; set here, they also handle a signal just before.
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    server.run(sockets=[listening])
    event("stopped")
    return 0 if server.started else FAILED


class _Server(uvicorn.Server):
    """Uvicorn server that reports not ready while it drains, and stops when its parent process exits."""

    def __init__(self, config: uvicorn.Config, service: Service, parent: BaseProcess | None) -> None:
        super().__init__(config)
        self._service = service
        self._parent = parent
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature of uvicorn
        """Start draining; a second SIGINT stops the server immediately."""
        first = self._drained_at is None
        self._service.ending = True
        if first:
            self._drained_at = time.monotonic() + self._service.settings.drain_seconds
        elif sig == signal.SIGINT:
            self._drained_at = 0.0
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn calls it ten times a second."""
        if self._drained_at is None and self._parent is not None and not self._parent.is_alive():
            event("parent process exited, stopping", logging.ERROR)
            self.handle_exit(signal.SIGTERM, None)
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _exit(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _run_worker(settings: Settings, listening: socket.socket, ready: Any) -> None:
    """Run one of several worker processes."""
    configure()
    try:
        code = _run(settings, listening, ready=ready)
    except (PaletteError, DslError) as error:
        event("worker cannot start", logging.ERROR, reason=load_failure(error))
        code = FAILED
    sys.exit(code)


class _Worker:
    """Worker process, restarted when it exits."""

    def __init__(self, context: SpawnContext, settings: Settings, listening: socket.socket) -> None:
        self._context = context
        self._arguments = settings, listening
        # Shared memory without a lock, which a killed worker could leave locked.
        self._ready = context.RawValue(ctypes.c_bool)
        self._delay = RESTART_DELAY
        self._restart_at: float | None = None
        self.start()

    def start(self) -> None:
        self._restart_at = None
        self._ready.value = False
        self.process = self._context.Process(target=_run_worker, args=(*self._arguments, self._ready))
        self.process.start()

    @property
    def ready(self) -> bool:
        """Whether the worker has loaded its models."""
        return bool(self._ready.value)

    def check(self) -> None:
        """Restart the worker if it exited, after a delay."""
        if self.process.is_alive():
            return
        now = time.monotonic()
        if self._restart_at is None:
            self._delay = RESTART_DELAY if self.ready else min(2 * self._delay, MAX_RESTART_DELAY)
            self._restart_at = now + self._delay
            code = self.process.exitcode
            event("worker exited, restarting", logging.ERROR, code=code, seconds=self._delay)
            if self.process.pid is not None:
                from prometheus_client.multiprocess import mark_process_dead

                mark_process_dead(self.process.pid)
        elif now >= self._restart_at:
            self.start()


class _Supervisor:
    """Starts workers, passes signals on to them, and restarts those that exit."""

    def __init__(self, settings: Settings, listening: socket.socket, url: str) -> None:
        self._settings = settings
        self._listening = listening
        self._url = url
        self._workers: list[_Worker] = []
        self._stopping = False

    def run(self) -> int:
        context = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory(prefix="palette-serve-") as home:
            os.environ[MULTIPROCESS] = os.path.join(home, "metrics")
            os.mkdir(os.environ[MULTIPROCESS])
            settings = self._settings.model_copy(update={"state": os.path.join(home, "bundles.json")})
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            signal.signal(signal.SIGHUP, self._send_signal)
            for _ in range(settings.workers):
                self._workers.append(_Worker(context, settings, self._listening))
            event("listening", url=self._url, workers=settings.workers)
            code = self._watch()
            # Again, for a worker that was being started at the first signal.
            self._send_signal(signal.SIGTERM, None)
            until = time.monotonic() + settings.drain_seconds + settings.shutdown_seconds + 5
            for worker in self._workers:
                worker.process.join(max(0.0, until - time.monotonic()))
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
            return code

    def _watch(self) -> int:
        served = False
        while not self._stopping:
            served = served or any(worker.ready for worker in self._workers)
            # Before any worker was ready, a failure to start is permanent, so a restart would fail too.
            if not served and any(worker.process.exitcode == FAILED for worker in self._workers):
                self._stop(signal.SIGTERM, None)
                return FAILED
            for worker in self._workers:
                if not self._stopping:
                    worker.check()
            time.sleep(0.1)
        return 0

    def _stop(self, _: int, __: Any) -> None:
        self._stopping = True
        self._send_signal(signal.SIGTERM, None)

    def _send_signal(self, number: int, _: Any) -> None:
        for worker in self._workers:
            process = worker.process
            if process.pid is not None and process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
