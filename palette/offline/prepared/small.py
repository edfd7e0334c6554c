"""Small histories, prepared by the driver: files of keys and times for each table version and point in time.

Each feature lies in a file beside them, which all joins share that read it. Where the rows come from Spark, in an order
that a second read need not have, there is one file for each set of features.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from palette.offline.cache import LRUCache
from palette.offline.join.histories import FileHistory, SparkHistory, TiedRows, open_history
from palette.offline.prepared.arrays import HistoryArrays, build_arrays
from palette.offline.prepared.run_files import read_columns, value_column, write_columns, write_run
from palette.offline.prepared.split import plain_key
from palette.offline.prepared.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest

__all__ = ["prepare_small", "prepared_files"]

# Only paths are cached. The files stay until the process ends: a DataFrame made with them may be executed at any time.
prepared_files: LRUCache[tuple[str, ...]] = LRUCache(limit=4096)


@dataclass(frozen=True)
class SmallHistory:
    """Files of one history: keys and times, and each feature's values in their order.

    Parameters
    ----------
    request : JoinRequest
        The versions that are read.
    lookup : Lookup
        The features.
    """

    request: JoinRequest
    lookup: Lookup

    @cached_property
    def content(self) -> tuple[object, ...]:
        """Equal for equal rows, whatever features are read."""
        return self.request.content_key(self.lookup)

    @cached_property
    def history(self) -> FileHistory | SparkHistory:
        """The rows."""
        return open_history(self.request.version(self.lookup))

    @cached_property
    def features(self) -> list[str]:
        """Features that are read."""
        return sorted(set(self.lookup.columns.values()))

    def index(self) -> tuple[str, ...]:
        """Return the file of keys and times, and that of the rows that they belong to, prepared now or earlier."""
        return _once((*self.content, "index"), self._write_index)

    def values(self, feature: str, index: Future[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the file of a feature."""
        return _once((*self.content, "values", feature), lambda: (self._write_values(feature, index),))

    def whole(self) -> tuple[str, ...]:
        """Return one file of all: Spark may return rows in another order when it reads them again."""
        return _once((*self.content, *self.features), lambda: (self._write_whole(),))

    def _write_index(self) -> tuple[str, ...]:
        table = self.history.read(list(self.lookup.schema.identity()))
        arrays, ages, usable = self._sort(table, self.history)
        rows = arrays.rows if usable is None else usable[arrays.rows]
        return write_run(arrays, {}, temporary_folder(), event=ages), write_columns(
            {"rows": pa.array(rows)}, temporary_folder()
        )

    def _write_values(self, feature: str, index: Future[tuple[str, ...]]) -> str:
        column = self.history.read([feature]).column(feature)
        (rows,) = read_columns(index.result()[1]).values()
        return write_columns({value_column(feature): column.combine_chunks().take(rows)}, temporary_folder())

    def _write_whole(self) -> str:
        history, features = self.history, self.features
        names = list(dict.fromkeys([*self.lookup.schema.identity(), *features]))
        try:
            table = history.read(names)
            arrays, ages, usable = self._sort(table, history)
        except TiedRows:
            assert isinstance(history, SparkHistory)
            history = history.resolve_ties()
            table = history.read(names)
            arrays, ages, usable = self._sort(table, history)
        columns = {name: _usable(table, name, usable) for name in features}
        return write_run(arrays, columns, temporary_folder(), event=ages)

    def _sort(self, table: pa.Table, history: FileHistory | SparkHistory) -> tuple[HistoryArrays, Any, Any]:
        """Return the sorted rows, their event times if ages need them, and the rows that can ever be visible."""
        schema, by_created = self.lookup.schema, self.request.point_in_time == "created"
        required = schema.identity(with_created=by_created)
        masks = [pc.is_valid(table.column(name)) for name in required if table.column(name).null_count]
        usable = pc.indices_nonzero(functools.reduce(pc.and_, masks)).to_numpy() if masks else None

        def tie_breakers() -> Iterable[pa.Array]:
            for name in schema.features:
                if name in history.types:
                    source = table if name in table.column_names else history.read_column(name)
                    yield _usable(source, name, usable)

        times = [schema.timestamp, schema.created]
        event, created = (None if name is None else _usable(table, name, usable).cast(pa.int64()) for name in times)
        event = None if event is None else event.to_numpy()
        keys = [plain_key(_usable(table, name, usable)) for name in schema.keys]
        arrays = build_arrays(keys, event, created, tie_breakers, by_created=by_created)
        return arrays, event if schema.ttl_micros is not None and by_created else None, usable


def prepare_small(request: JoinRequest, lookups: Sequence[Lookup]) -> list[list[str]]:
    """Return for each look-up its files, prepared now or earlier: a run, and columns that lie beside it."""
    histories = [SmallHistory(request, lookup) for lookup in lookups]
    for each in histories:
        request.version(each.lookup).require(each.features)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # Values wait for their index: all indices come first.
        direct = {each.content: each for each in histories if isinstance(each.history, FileHistory)}
        indices = {content: pool.submit(each.index) for content, each in direct.items()}
        files = [
            [pool.submit(each.whole)]
            if (index := indices.get(each.content)) is None
            else [index, *(pool.submit(each.values, feature, index) for feature in each.features)]
            for each in histories
        ]
        return [[future.result()[0] for future in futures] for futures in files]


def _once(key: tuple[object, ...], make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    # A cleaner of the temporary directory may have removed a file. Prepared again it has the same name.
    return prepared_files.get(key, make, lambda paths: all(map(os.path.exists, paths)))


def _usable(table: pa.Table, name: str, rows: Any) -> pa.Array:
    column = table.column(name)
    return (column if rows is None else column.take(pa.array(rows))).combine_chunks()
