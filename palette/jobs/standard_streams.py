"""Standard error of jobs under spark-submit.

Spark reads both streams of the Python that it starts, and prints them on its standard output. Messages are therefore
passed to Spark's process, which prints them on its standard error. Opening that stream a second time would not work: in
a file each writer would have an offset of its own, and they would overwrite each other.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import Any, TextIO

__all__ = ["SUBMITTED", "ParentError", "separate"]

# Set for a Python that spark-submit started.
SUBMITTED = "PYSPARK_GATEWAY_PORT"


def separate() -> None:
    """Redirect ``sys.stderr`` to the standard error of spark-submit, if that started this process with one stream."""
    if SUBMITTED not in os.environ or isinstance(sys.stderr, ParentError) or not os.path.sameopenfile(1, 2):
        return
    from pyspark.java_gateway import launch_gateway

    sys.stderr = ParentError(launch_gateway().jvm.System.err, sys.stderr)


class ParentError(io.TextIOBase):
    r"""A text stream that a Java process prints.

    Parameters
    ----------
    printer : java.io.PrintStream
        The stream of the Java process, reached by py4j.
    fallback : text stream
        Receives the text if that process does not answer any more.

    Examples
    --------
    >>> ParentError(None, sys.stdout).write("not reached\n")
    not reached
    12
    """

    encoding = "utf-8"

    def __init__(self, printer: Any, fallback: TextIO) -> None:
        self._printer = printer
        self._fallback = fallback
        self._line = ""
        self._lock = threading.RLock()

    def writable(self) -> bool:
        """Return that the stream can be written to."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor of this process's stream, which ``faulthandler`` needs."""
        return self._fallback.fileno()

    def write(self, text: str) -> int:
        """Print text when its line is complete, so that lines of other writers are not mixed with it."""
        with self._lock:
            self._line += text
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Print the incomplete line."""
        with self._lock:
            text, self._line = self._line, ""
            # Bytes, since Java replaces characters that its locale lacks by question marks.
            data = text.encode("utf-8", "backslashreplace")
            try:
                if data:
                    self._printer.write(data, 0, len(data))
            except Exception:  # noqa: BLE001  the error cannot be reported in a better way
                self._fallback.write(text)
                self._fallback.flush()
