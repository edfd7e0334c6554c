"""Reader of the Delta log: the files of one version of a table on a local disk or in S3, without Spark.

Spark takes a second a table, this reader milliseconds. It supports the plain protocol; anything else (deletion
vectors, column mapping, partitions, files elsewhere) raises :class:`Unreadable` with the reason, and the table is read
through Spark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from palette.offline.cache import LRUCache
from palette.offline.delta.log_files import commit_key, list_log, read_commit
from palette.offline.objects import is_object, open_input

__all__ = ["Files", "Unreadable", "changed_files", "commit_info", "fresh_files", "newest_version", "read_log"]

COMMIT = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.\d{10})?\.parquet")
# Features of the format under which a plain read of the Parquet files is still correct.
SUPPORTED = {"timestampNtz", "typeWidening", "vacuumProtocolCheck", "deletionVectors", "columnMapping"}


class Unreadable(Exception):  # noqa: N818 - a result, not a failure
    """The files cannot be read directly, with the reason."""


@dataclass(frozen=True)
class Files:
    """The Parquet files of a version.

    Parameters
    ----------
    paths : tuple of str
        Absolute, or URIs as that of the table, in the order of their names.
    schema : str
        The table's schema, as the JSON of a Spark ``StructType``.
    identity : str
        Id of the table: another one after it was deleted and made again.
    """

    paths: tuple[str, ...]
    schema: str
    identity: str


# The lists of files of a large table take megabytes.
_versions: LRUCache[Files] = LRUCache(limit=128)


def newest_version(table: str) -> int | None:
    """Return the newest version of the table at a path; None if there is no table, or this reader cannot list it."""
    try:
        names = list_log(table)
    except OSError:
        return None
    return max((int(match[1]) for name in names if (match := COMMIT.fullmatch(name))), default=None)


def read_log(table: str, version: int) -> Files:
    """Return the files of a version; they are cached, since a version never changes.

    Raises
    ------
    Unreadable
        If they cannot be read directly, with the reason.
    """
    try:
        key = (table, version, commit_key(table, version))
    except OSError:
        return _read_log(table, version)
    return _versions.get(key, lambda: _read_log(table, version))


def _read_log(table: str, version: int) -> Files:
    added: dict[tuple[str, ...], dict[str, Any]] = {}
    protocol: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for action in _actions(table, version):
        if file := action.get("add"):
            added[_identity(file)] = file
        elif file := action.get("remove"):
            added.pop(_identity(file), None)
        protocol = action.get("protocol") or protocol
        metadata = action.get("metaData") or metadata
    _check(protocol, metadata)
    if any(file.get("deletionVector") for file in added.values()):
        raise Unreadable("the table has deletion vectors")
    paths = tuple(sorted(_local(table, file["path"]) for file in added.values()))
    return Files(paths, metadata["schemaString"], metadata["id"])


def fresh_files(table: str, since: int, version: int) -> list[str]:
    """Return those files of a version that hold rows which commits after version ``since`` have written.

    Files into which older ones were only compacted (OPTIMIZE) are not among them.

    Raises
    ------
    Unreadable
        If a commit is no longer in the log.
    """
    fresh: dict[tuple[str, ...], str] = {}
    for commit in range(since + 1, version + 1):
        actions = list(_commit(table, commit))
        removed = {_identity(action["remove"]) for action in actions if action.get("remove")}
        rewritten = not removed.isdisjoint(fresh)
        for file in removed:
            fresh.pop(file, None)
        for action in actions:
            if (added := action.get("add")) and (added.get("dataChange", True) or rewritten):
                fresh[_identity(added)] = added["path"]
    return sorted(_local(table, path) for path in fresh.values())


def changed_files(table: str, since: int, version: int) -> tuple[list[str], list[str]]:
    """Return the files with rows that a version has and an older one had not, and those with rows that it had not.

    Files whose rows were only moved to others (OPTIMIZE) are in neither list.

    Raises
    ------
    Unreadable
        If a commit is no longer in the log, or a file has a deletion vector.
    """
    fresh = fresh_files(table, since, version)
    removed: set[str] = set()
    added: set[str] = set()
    for commit in range(since + 1, version + 1):
        for action in _commit(table, commit):
            if any((action.get(kind) or {}).get("deletionVector") for kind in ("add", "remove")):
                raise Unreadable("the table has deletion vectors")
            if file := action.get("add"):
                # A file into which others were compacted has rows of the older version.
                added |= {file["path"]} if file.get("dataChange", True) else set()
            elif (file := action.get("remove")) and file.get("dataChange", True) and file["path"] not in added:
                removed.add(file["path"])
    return fresh, sorted(_local(table, path) for path in removed)


def commit_info(table: str, version: int) -> dict[str, Any]:
    """Return the information that a commit records about itself; empty if there is none.

    Raises
    ------
    Unreadable
        If the commit is not in the log.
    """
    actions = _commit(table, version)
    return next((action["commitInfo"] for action in actions if action.get("commitInfo")), {})


def _identity(file: dict[str, Any]) -> tuple[str, ...]:
    # A commit may replace a file by itself with a deletion vector; to the protocol these are different files.
    vector = file.get("deletionVector") or {}
    return (file["path"], *(str(vector.get(part)) for part in ("storageType", "pathOrInlineDv", "offset")))


def _check(protocol: dict[str, Any], metadata: dict[str, Any]) -> None:
    unknown = set(protocol.get("readerFeatures") or ()) - SUPPORTED
    if not protocol or protocol["minReaderVersion"] > 3 or unknown:
        raise Unreadable(f"the table uses {', '.join(sorted(unknown)) or 'an unknown protocol'}")
    if metadata["partitionColumns"]:
        raise Unreadable("the table is partitioned")
    if dict(metadata["configuration"]).get("delta.columnMapping.mode", "none") != "none":
        raise Unreadable("the table maps its columns")


def _local(table: str, path: str) -> str:
    name = unquote(path)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", name):
        raise Unreadable("files of the table are elsewhere")
    return os.path.join(table, name)


def _actions(table: str, version: int) -> Iterator[dict[str, Any]]:
    """Yield the actions that make up a version: the last checkpoint before it, then the commits since."""
    try:
        names = list_log(table)
    except OSError as error:
        raise Unreadable(f"its log cannot be read by this process: {error}") from None
    if not names:
        raise Unreadable("the table is not on a local disk or in S3")
    log = os.path.join(table, "_delta_log")
    checkpoints = sorted(
        (int(match[1]), name) for name in names if (match := CHECKPOINT.fullmatch(name)) and int(match[1]) <= version
    )
    start = 0
    if checkpoints:
        last = checkpoints[-1][0]
        start = last + 1
        yield from _checkpoint([os.path.join(log, name) for number, name in checkpoints if number == last])
    for commit in range(start, version + 1):
        yield from _commit(table, commit)


def _commit(table: str, commit: int) -> Iterator[dict[str, Any]]:
    try:
        content = read_commit(table, commit)
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable(f"commit {commit} is not in the log") from None
    except OSError as error:
        raise Unreadable(f"its log cannot be read by this process: {error}") from None
    for line in content.split(b"\n"):
        if line.strip():
            yield json.loads(line)


def _checkpoint(paths: list[str]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    parts = re.search(r"\.(\d{10})\.(\d{10})\.parquet$", paths[0])
    if len(paths) != (int(parts[2]) if parts else 1):
        raise Unreadable("a checkpoint of the log is incomplete")
    columns = [
        *("add.path", "add.deletionVector", "protocol", "metaData.id", "metaData.partitionColumns"),
        *("metaData.configuration", "metaData.schemaString"),
    ]
    for path in paths:
        try:
            file = pq.ParquetFile(open_input(path) if is_object(path) else path)
        except OSError as error:
            raise Unreadable(f"a checkpoint of its log cannot be read by this process: {error}") from None
        for batch in file.iter_batches(columns=columns):
            for row in batch.to_pylist():
                # In a row of another action a struct is null, or a struct of nulls.
                yield {name: value for name, value in row.items() if value and any(map(_is_set, value.values()))}


def _is_set(value: Any) -> bool:
    return value is not None
