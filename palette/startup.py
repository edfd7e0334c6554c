"""Quiet start of Spark's Java process: its output is buffered, and printed if the start fails."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator, Mapping

__all__ = ["quiet_start"]

# Set for a Python that a Java started, as spark-submit does.
SUBMITTED = "PYSPARK_GATEWAY_PORT"
LEVEL = "spark.log.level"
PAUSE = 0.05
ERROR, DOWNLOAD = b" ERROR ", b"downloading http"


@contextlib.contextmanager
def quiet_start(settings: Mapping[str, str]) -> Iterator[None]:
    """Start Java with Spark settings, and buffer its output until a session runs.

    If the block fails, all output is printed on the standard error, for example about packages that were not found.
    Otherwise only errors are. Later output passes through.

    Parameters
    ----------
    settings : mapping of str to str
        As for ``SparkSession.builder``; with a ``spark.log.level`` more verbose than ``ERROR`` nothing is buffered.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    verbose = settings.get(LEVEL, "ERROR").upper() not in ("ERROR", "FATAL", "OFF")
    if verbose or SparkContext._gateway is not None or SUBMITTED in os.environ or os.name != "posix":
        yield
        return
    reader, writer = os.pipe()
    buffer = _BufferedPipe(reader)
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    try:
        try:
            gateway = launch_gateway(conf, {"stderr": writer})
        finally:
            # Java inherited it.
            os.close(writer)
        SparkContext._ensure_initialized(gateway=gateway)
        yield
    except BaseException:
        buffer.release(everything=True)
        raise
    buffer.release(everything=False)


class _BufferedPipe:
    """A pipe whose reader buffers the data, and passes it to the standard error once it is released."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._buffer = b""
        self._announced = False
        self._released = threading.Event()
        self._buffering = threading.Thread(target=self._fill, name="palette-java-start", daemon=True)
        self._forwarding = threading.Thread(target=self._forward, name="palette-java-stderr", daemon=True)
        self._buffering.start()

    def release(self, *, everything: bool) -> None:
        """Print the buffered data, or only its errors; later data passes through."""
        self._released.set()
        self._buffering.join()
        lines = self._buffer.splitlines(keepends=True)
        _print(b"".join(line for line in lines if everything or ERROR in line))
        self._forwarding.start()

    def _fill(self) -> None:
        while True:
            if not select.select([self._reader], [], [], PAUSE)[0]:
                if self._released.is_set():
                    return
                continue
            data = os.read(self._reader, 1 << 16)
            if not data:
                return
            self._buffer += data
            if DOWNLOAD in data and not self._announced:
                self._announced = True
                _print(b"Spark downloads its packages, this time only\n")

    def _forward(self) -> None:
        while data := os.read(self._reader, 1 << 16):
            _print(data)
        os.close(self._reader)


def _print(data: bytes) -> None:
    # The standard error may be closed.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]
