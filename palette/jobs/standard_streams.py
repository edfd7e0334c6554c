"""Under spark-submit, too, the standard error is one's own.

Spark reads both streams of the Python that it starts, and prints them on its standard output. What is not data is
therefore handed to Spark's process, which prints it on its standard error. To open that stream a second time would not
do: where it is a file, each writer would have a place of its own in it, and they would overwrite each other.
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
    """Let ``sys.stderr`` be the standard error of spark-submit, if that started this process, with one stream."""
    if SUBMITTED not in os.environ or isinstance(sys.stderr, ParentError) or not os.path.sameopenfile(1, 2):
        return
    from pyspark.java_gateway import launch_gateway

    sys.stderr = ParentError(launch_gateway().jvm.System.err, sys.stderr)


class ParentError(io.TextIOBase):
    r"""A text stream that a Java process prints.

    Parameters
    ----------
    printer : java.io.PrintStream
        Where it is printed, reached by py4j.
    behind : text stream
        What takes the text where that process does not answer any more.

    Examples
    --------
    >>> ParentError(None, sys.stdout).write("nobody there\n")
    nobody there
    13
    """

    encoding = "utf-8"

    def __init__(self, printer: Any, behind: TextIO) -> None:
        self._printer = printer
        self._behind = behind
        self._line = ""
        self._lock = threading.RLock()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the stream of this process, for those who need a file, as ``faulthandler`` does."""
        return self._behind.fileno()

    def write(self, text: str) -> int:
        """Print a text when its line is complete, so that lines of others do not come in between."""
        with self._lock:
            self._line += text
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Print what there is."""
        with self._lock:
            text, self._line = self._line, ""
            # Bytes, since Java would put question marks where its locale has no such sign.
            data = text.encode("utf-8", "backslashreplace")
            try:
                if data:
                    self._printer.write(data, 0, len(data))
            except Exception:  # noqa: BLE001  what went wrong cannot be told in a better place
                self._behind.write(text)
                self._behind.flush()
