"""The folder of prepared histories: a local directory, whose files are mapped, or one of an object store.

Files of an object store are fetched once a machine and application. Their names are the hashes of their contents, so
what was fetched is verified, and never stale. The functions here are pickled by value and refer to nothing else in this
package but :mod:`palette.offline.objects`, so that workers run them without it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from contextlib import suppress

from palette.offline.objects import (
    delete_objects,
    in_task,
    is_object,
    list_objects,
    open_input,
    put_object,
    read_object,
)

__all__ = [
    "UNFINISHED",
    "check_writable",
    "entries",
    "fetch",
    "make_folder",
    "publish",
    "read",
    "remove",
    "scratch_folder",
    "write_text",
]

# How the names of files and folders begin that nothing refers to yet.
UNFINISHED = ".unfinished-"
CHUNK = 1 << 25


def entries(folder: str) -> dict[str, float]:
    """Return the names in a folder, and when each was written; none if there is no such folder."""
    if is_object(folder):
        return list_objects(folder)
    try:
        with os.scandir(folder) as scanned:
            times = {}
            for entry in scanned:
                # Another process may delete it now.
                with suppress(FileNotFoundError):
                    times[entry.name] = entry.stat().st_mtime
            return times
    except (FileNotFoundError, NotADirectoryError):
        return {}


def make_folder(folder: str) -> None:
    """Create a folder; object stores need none."""
    if not is_object(folder):
        os.makedirs(folder, exist_ok=True)


def check_writable(folder: str) -> None:
    """Create a folder; raise :class:`OSError` if this process cannot write in it."""
    make_folder(folder)
    if is_object(folder):
        name = f"{UNFINISHED}{uuid.uuid4().hex}"
        write_text("probe", folder, name)
        remove([f"{folder}/{name}"])
    else:
        with tempfile.TemporaryFile(dir=folder):
            pass


def scratch_folder(folder: str) -> str:
    """Return the local directory in which files of a folder are written before they are published."""
    return _fetched_folder() if is_object(folder) else folder


def publish(local: str, folder: str, name: str) -> str:
    """Publish a file of the scratch folder under a name, and return its path.

    The local copy of an object stays: its machine need not fetch it.
    """
    final = os.path.join(scratch_folder(folder), name)
    os.replace(local, final)
    if not is_object(folder):
        return final
    put_object(final, f"{folder}/{name}")
    return f"{folder}/{name}"


def write_text(text: str, folder: str, name: str) -> None:
    """Write a string to a file, complete at once."""
    handle, path = tempfile.mkstemp(dir=scratch_folder(folder), prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if is_object(folder):
            put_object(path, f"{folder}/{name}")
        else:
            os.replace(path, os.path.join(folder, name))
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def read(path: str) -> bytes:
    """Return the content of a small file.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    """
    if is_object(path):
        return read_object(path)
    with open(path, "rb") as file:
        return file.read()


def remove(paths: Iterable[str]) -> None:
    """Remove files, and local directories; what does not exist is passed over."""
    paths = list(paths)
    delete_objects(path for path in paths if is_object(path))
    for path in paths:
        if not is_object(path):
            with suppress(FileNotFoundError):
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def fetch(path: str) -> str:
    """Return a local path of a file that is named by its content: its own, or that of a copy.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    OSError
        If it cannot be read, or has another content than its name says.
    """
    if not is_object(path):
        return path
    name = path.rpartition("/")[2]
    folder = _fetched_folder()
    local = os.path.join(folder, name)
    if os.path.exists(local):
        return local
    # Several processes may fetch it at once: each publishes a complete copy.
    handle, fresh = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as sink, open_input(path) as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                sink.write(chunk)
        if digest.hexdigest() != name.partition(".")[0]:
            raise OSError(f"{path} is damaged, its name is not the hash of its content: delete it, and join again")
        os.replace(fresh, local)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(fresh)
    return local


def _fetched_folder() -> str:
    """Return where copies of objects are: in a directory that is removed with the application."""
    if in_task():
        # Spark's directories for blocks: large, and deleted when the executor ends.
        folder = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0]
        if not os.path.isdir(folder):
            from pyspark import SparkFiles

            folder = os.path.abspath(SparkFiles.getRootDirectory())
    else:
        from palette.offline.prepared.temporary_folder import temporary_folder

        folder = temporary_folder()
    fetched = os.path.join(folder, "palette-objects")
    os.makedirs(fetched, mode=0o700, exist_ok=True)
    return fetched
