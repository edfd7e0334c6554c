"""Files in object stores (``s3a://``, ``s3://``), read and written by pyarrow.

Endpoint, region and credentials come from the environment (``AWS_*``) of the driver, or of a worker. The functions here
are pickled by value and refer to nothing else in this package, so that workers run them without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import pyarrow as pa

__all__ = [
    "delete_objects",
    "in_parallel",
    "in_task",
    "is_object",
    "list_objects",
    "missing_files",
    "open_input",
    "put_object",
    "read_object",
]

T = TypeVar("T")
# A path with credentials in it, "s3a://key:secret@bucket", is not one: it would be printed.
OBJECT = re.compile(r"s3a?://([^/@]+)(?:/|$)")
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
# Requests to an object store that are under way at once: each waits for a network, not for a processor.
REQUESTS = 16


class Systems(dict[tuple[str | None, ...], Any]):
    """File systems that were opened in this process, by bucket and environment; they have credentials.

    What is sent to a worker is empty: it opens its own.
    """

    def __reduce__(self) -> Any:
        """Return how an empty one is made."""
        return Systems, ()


systems = Systems()


def is_object(path: str) -> bool:
    """Return whether a path is in an object store that pyarrow reads.

    Examples
    --------
    >>> is_object("s3a://bucket/x"), is_object("s3://bucket"), is_object("/data/x"), is_object("hdfs://host/x")
    (True, True, False, False)
    """
    return OBJECT.match(path) is not None


def open_input(path: str) -> pa.NativeFile:
    """Open an object for reading.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    OSError
        If the object store cannot be reached, or forbids it.
    """
    return _attempt(path, "read", lambda system, key: system.open_input_file(key))


def read_object(path: str) -> bytes:
    """Return the content of an object; errors as of :func:`open_input`."""
    with open_input(path) as source:
        return bytes(source.read())


def list_objects(folder: str) -> dict[str, float]:
    """Return the names of the objects in a folder, subfolders left out, and when each was written."""
    from pyarrow import fs

    def listed(system: Any, key: str) -> dict[str, float]:
        return {
            entry.base_name: entry.mtime_ns / 1e9
            for entry in system.get_file_info(fs.FileSelector(key))
            if entry.is_file
        }

    try:
        return _attempt(folder, "list", listed)
    except FileNotFoundError:
        return {}


def put_object(local: str, path: str) -> None:
    """Write a local file to an object, which appears when it is complete."""
    from pyarrow import fs

    # An error in a block of open_output_stream would publish what was written until then.
    local_system = fs.LocalFileSystem()
    _attempt(
        path,
        "write",
        lambda system, key: fs.copy_files(
            local, key, source_filesystem=local_system, destination_filesystem=system, use_threads=False
        ),
    )


def delete_objects(paths: Iterable[str]) -> None:
    """Delete objects; one that does not exist is passed over."""

    def delete(path: str) -> None:
        with suppress(FileNotFoundError):
            _attempt(path, "delete", lambda system, key: system.delete_file(key))

    in_parallel(delete, list(paths))


def missing_files(paths: Sequence[str]) -> int:
    """Return how many files do not exist: objects by one listing of each folder."""
    local = sum(not os.path.exists(path) for path in paths if not is_object(path))
    objects = [path.rpartition("/") for path in paths if is_object(path)]
    folders = {folder for folder, _, _ in objects}
    present = dict(zip(folders, in_parallel(list_objects, list(folders)), strict=True))
    return local + sum(name not in present[folder] for folder, _, name in objects)


def in_parallel(function: Callable[[str], T], paths: Sequence[str]) -> list[T]:
    """Return what a function returns for each path: of several objects at once, of local files one after another."""
    if len(paths) < 2 or not is_object(paths[0]):
        return [function(path) for path in paths]
    with ThreadPoolExecutor(min(REQUESTS, len(paths))) as pool:
        return list(pool.map(function, paths))


def in_task() -> bool:
    """Return whether this is a task of Spark, in a worker."""
    from pyspark import TaskContext

    return TaskContext.get() is not None


def _attempt(path: str, action: str, function: Callable[[Any, str], T]) -> T:
    """Call a function with the file system of an object and its name there; an error has the path and the remedy."""
    try:
        system, key = _open(path)
        return function(system, key)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        variables = ", ".join(VARIABLES)
        remedy = (
            f"set spark.executorEnv.{VARIABLES[0]} and the like ({variables}) before the session starts, so that "
            "workers have them"
            if in_task()
            else f"set {variables} in the environment of this process"
        )
        raise OSError(f"cannot {action} {path}: {error}; {remedy}") from error


def _open(path: str) -> tuple[Any, str]:
    from pyarrow import fs  # its library is loaded where it is needed

    match = OBJECT.match(path)
    if match is None:
        raise OSError("not a path of an object store")
    bucket = match[1]
    key = (bucket, *map(os.environ.get, VARIABLES))
    if key not in systems:
        # from_uri reads AWS_ENDPOINT_URL. Only the bucket is in it: the rest may have a '%' or '?'.
        systems[key], _ = fs.FileSystem.from_uri(f"s3://{bucket}")
    return systems[key], f"{bucket}/{path[match.end() :]}".rstrip("/")
