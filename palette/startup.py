"""The start of Spark's Java without its some hundred lines: they are held back, and printed if it fails."""

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
    """Start Java with settings of Spark, and hold back what it writes until a session runs.

    If the block fails, all of it is printed on the standard error: packages that were not found, say. Else only its
    errors are. What Java writes later passes as ever.

    Parameters
    ----------
    settings : mapping of str to str
        As for ``SparkSession.builder``; with another ``spark.log.level`` than ``ERROR`` nothing is held back.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    wordy = settings.get(LEVEL, "ERROR").upper() not in ("ERROR", "FATAL", "OFF")
    if wordy or SparkContext._gateway is not None or SUBMITTED in os.environ or os.name != "posix":
        yield
        return
    reader, writer = os.pipe()
    held = _Held(reader)
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    try:
        try:
            gateway = launch_gateway(conf, {"stderr": writer})
        finally:
            # Java has it now.
            os.close(writer)
        SparkContext._ensure_initialized(gateway=gateway)
        yield
    except BaseException:
        held.release(whole=True)
        raise
    held.release(whole=False)


class _Held:
    """A pipe whose reader keeps what it reads, and passes it on to the standard error once it is released."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._kept = b""
        self._told = False
        self._released = threading.Event()
        self._holds = threading.Thread(target=self._hold, name="palette-java-start", daemon=True)
        self._passing = threading.Thread(target=self._passes, name="palette-java-stderr", daemon=True)
        self._holds.start()

    def release(self, *, whole: bool) -> None:
        """Print what was held back, or only the errors in it; from then on all of it passes."""
        self._released.set()
        self._holds.join()
        lines = self._kept.splitlines(keepends=True)
        _print(b"".join(line for line in lines if whole or ERROR in line))
        self._passing.start()

    def _hold(self) -> None:
        while True:
            if not select.select([self._reader], [], [], PAUSE)[0]:
                if self._released.is_set():
                    return
                continue
            data = os.read(self._reader, 1 << 16)
            if not data:
                return
            self._kept += data
            if DOWNLOAD in data and not self._told:
                self._told = True
                _print(b"Spark downloads its packages, this time only\n")

    def _passes(self) -> None:
        while data := os.read(self._reader, 1 << 16):
            _print(data)
        os.close(self._reader)


def _print(data: bytes) -> None:
    # Who closed it wants none of it.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]
