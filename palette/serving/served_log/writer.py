"""Writer of the served log: rows wait in a bounded queue, a thread writes them, no request waits."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from palette.definitions import arrow_type
from palette.errors import DefinitionError
from palette.paths import COPY_THERE, local_path
from palette.serving.json_rows import plain
from palette.serving.served_log.files import DeltaTables, ParquetFiles, ServedFiles
from palette.serving.stages.vectors import Sparse, dense

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Entry", "LoggedModel", "ServedLog"]


class LoggedModel(Protocol):
    """A served model, as the log needs it."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> str:
        """Version of the model."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns of a request, with their Spark types."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """Columns of an answer, with their Spark types."""

    @property
    def statuses(self) -> tuple[str, ...]:
        """Entries of an answer that are statuses of looked-up values."""


# Model, microseconds, the row that came, the answer, the statuses of its looked-up values, whether the store failed.
Entry = tuple[LoggedModel, int, Mapping[str, Any], Mapping[str, Any], tuple[str, ...], bool]
PAUSE = 0.2
# A sparse vector beyond this is not written out.
WIDE = 4096


def _nothing(*_: object) -> None:
    """Do nothing with a count."""


class ServedLog:
    """Writes served rows to Parquet files ``DIRECTORY/MODEL/YYYY-MM-DD/*.parquet``, or to Delta tables.

    Rows have the columns ``served_at``, ``model``, ``version``, ``degraded``, and the structs ``request`` (columns
    that the plan reads), ``result`` (its answer) and ``status`` (of each looked-up value). A file appears
    complete under its name, or not at all.

    Parameters
    ----------
    directory : str or Path
        Created if missing.
    delta : bool
        Whether a model's rows are one Delta table, ``DIRECTORY/MODEL``, partitioned by ``day``.
    waiting : int
        Rows that may wait; more are dropped.
    rows, seconds : int, float
        A file is finished when it has so many rows, or its first row is so old.
    written, lost : callable
        Called with how many rows were written; with how many were lost, and why: ``queue``, ``disk``, or ``type`` for
        rows that make no table.

    Raises
    ------
    DefinitionError
        If the directory cannot be written, or deltalake is not installed.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        delta: bool = False,
        waiting: int = 10_000,
        rows: int = 50_000,
        seconds: float = 60.0,
        written: Callable[[int], None] = _nothing,
        lost: Callable[[int, str], None] = _nothing,
    ) -> None:
        directory = local_path(directory, "the log of --served-log", COPY_THERE)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DefinitionError(f"--served-log {str(directory)!r} cannot be created: {error}") from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise DefinitionError(f"--served-log {str(directory)!r} cannot be written: change its permissions")
        self._files: ServedFiles = DeltaTables(directory) if delta else ParquetFiles(directory)
        self._waiting = waiting
        self._rows = rows
        self._seconds = seconds
        self._written = written
        self._lost = lost
        self._queue: deque[Entry] = deque()
        # The rows of each file that is not finished, and when the first of them came.
        self._open: dict[tuple[str, str], tuple[float, list[Entry]]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="palette-served-log", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Queue a row, or drop it if too many wait."""
        if len(self._queue) < self._waiting:
            self._queue.append(entry)
        else:
            self._lost(1, "queue")

    def close(self) -> None:
        """Write the rows that wait, and end."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(PAUSE):
            self._take()
            self._finish(time.monotonic() - self._seconds)
        self._take()
        self._finish(float("inf"))

    def _take(self) -> None:
        for _ in range(len(self._queue)):
            entry = self._queue.popleft()
            name = entry[0].name, entry[0].version
            _, rows = self._open.setdefault(name, (time.monotonic(), []))
            rows.append(entry)
            if len(rows) >= self._rows:
                self._write(*self._open.pop(name)[1])

    def _finish(self, oldest: float) -> None:
        for name, (since, rows) in list(self._open.items()):
            if since <= oldest:
                del self._open[name]
                self._write(*rows)

    def _write(self, *rows: Entry) -> None:
        model = rows[0][0]
        try:
            self._files.write(model.name, _table(model, rows))
        except OSError:
            self._lost(len(rows), "disk")
        except Exception:  # noqa: BLE001  whatever these rows are, the thread goes on with the next
            self._lost(len(rows), "type")
        else:
            self._written(len(rows))


def _table(model: LoggedModel, rows: tuple[Entry, ...]) -> pa.Table:
    import pyarrow as pa

    count = len(rows)
    columns: dict[str, Any] = {
        "served_at": pa.array([row[1] for row in rows], pa.timestamp("us", tz="UTC")),
        "model": pa.array([model.name] * count, pa.string()),
        "version": pa.array([model.version] * count, pa.string()),
        "degraded": pa.array([row[5] for row in rows], pa.bool_()),
    }
    for part, maps, types in (
        ("request", [row[2] for row in rows], model.columns),
        ("result", [row[3] for row in rows], model.outputs),
    ):
        if types:
            arrays = [_array([row.get(column) for row in maps], dtype) for column, dtype in types.items()]
            columns[part] = pa.StructArray.from_arrays(arrays, list(types))
    if model.statuses:
        names = [name.removesuffix("__status") for name in model.statuses]
        arrays = [pa.array(values, pa.string()) for values in zip(*(row[4] for row in rows), strict=True)]
        columns["status"] = pa.StructArray.from_arrays(arrays, names)
    return pa.table(columns)


def _array(values: list[Any], dtype: str) -> pa.Array:
    """Return a column: of unknown types as JSON, of vectors as lists."""
    import pyarrow as pa

    if dtype == "vector":
        return pa.array([_dense(value) for value in values], pa.list_(pa.float64()))
    if not dtype:
        return pa.array([None if value is None else _to_json(value) for value in values], pa.string())
    arrow = pa.timestamp("us", tz="UTC") if dtype == "timestamp_ntz" else arrow_type(dtype)
    if dtype in ("double", "float"):
        # An integer that a client sent for a double.
        values = [float(value) if value.__class__ is int else value for value in values]
    try:
        return pa.array(values, arrow)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([_value_or_none(value, arrow) for value in values], arrow)


def _value_or_none(value: Any, dtype: pa.DataType) -> Any:
    """Return a value if a column of the type holds it, else None: a key that no row has may be wider than its type."""
    import pyarrow as pa

    try:
        return pa.scalar(value, dtype).as_py()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _to_json(value: Any) -> str | None:
    """Return a value as JSON, None if it is nested too deeply."""
    try:
        return json.dumps(plain({"": _dense(value)})[""], default=str)
    except RecursionError:
        return None


def _dense(value: Any) -> Any:
    if isinstance(value, Sparse):
        return dense(value) if value.size <= WIDE else None
    return value
