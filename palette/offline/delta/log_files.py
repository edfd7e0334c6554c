"""Files of a Delta log, on a local disk or in an object store."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from palette.offline.objects import is_object, list_objects, read_object

__all__ = ["commit_key", "commit_path", "list_log", "read_commit"]

T = TypeVar("T")
# Seconds after a failure in which an object store is not tried again: each attempt may take some.
PAUSE = 60.0
# Bucket to the time until which it is not tried, and the error.
_failed: dict[str, tuple[float, str]] = {}


def list_log(table: str) -> list[str]:
    """Return the names of the files in the log of a table; none if there is no table.

    Raises
    ------
    OSError
        If they cannot be listed.
    """
    log = os.path.join(table, "_delta_log")
    if not is_object(table):
        return os.listdir(log) if os.path.isdir(log) else []
    return list(_attempt(table, lambda: list_objects(log)))


def commit_path(table: str, commit: int) -> str:
    """Return the path of a commit."""
    return os.path.join(table, "_delta_log", f"{commit:020}.json")


def read_commit(table: str, commit: int) -> bytes:
    """Return the content of a commit.

    Raises
    ------
    FileNotFoundError
        If it is not in the log.
    """
    path = commit_path(table, commit)
    if is_object(table):
        return _attempt(table, lambda: read_object(path))
    with open(path, "rb") as file:
        return file.read()


def commit_key(table: str, commit: int) -> Hashable:
    """Return a value that differs for another commit of this number, as of a table that was deleted and made again.

    Raises
    ------
    OSError
        If the commit is not in the log.
    """
    if is_object(table):
        return hashlib.sha256(read_commit(table, commit)).digest()
    stat = os.stat(commit_path(table, commit))
    return (os.path.abspath(table), stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _attempt(table: str, request: Callable[[], T]) -> T:
    bucket = table.split("/")[2]
    until, message = _failed.get(bucket, (0.0, ""))
    if time.monotonic() < until:
        raise OSError(message)
    try:
        return request()
    except FileNotFoundError:
        raise
    except OSError as error:
        _failed[bucket] = (time.monotonic() + PAUSE, str(error))
        raise
