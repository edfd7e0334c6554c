"""Logs as lines of JSON. No line holds a value of a row: of an error only its class and where it came from."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import traceback
from typing import Any

import orjson

__all__ = ["LOG", "configure", "event"]

LOG = logging.getLogger("palette.service")


class JsonLines(logging.Formatter):
    """A line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "process": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            # What an error says may hold what a client sent.
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-8:]
            line["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return orjson.dumps(line, default=str).decode()


def configure() -> None:
    """Write what palette and uvicorn log to the standard error, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("palette", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def event(name: str, level: int = logging.INFO, *, error: bool = False, **fields: Any) -> None:
    """Log an event with its fields; with ``error`` the one that is being handled."""
    LOG.log(level, name, extra={"fields": fields}, exc_info=error)
