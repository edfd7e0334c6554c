"""Rows of a saved snapshot that stay in its file: many processes of a machine share one copy of them.

The file holds three columns, sorted by the first: a hash of the key, the key, and the row as stores keep it
(:mod:`palette.online.codec.codec`). A read halves the hashes and decodes one row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from palette.definitions import Entity, FeatureGroup
from palette.errors import DataError, SnapshotError
from palette.online.codec.codec import RowCodec
from palette.online.codec.keys import is_absent, key_encoder, key_hash
from palette.online.codec.schema import Schema
from palette.online.table import GroupTable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MappedTable", "write_mapped"]


def write_mapped(table: GroupTable, path: str) -> None:
    """Write the rows of a table to a file for :class:`MappedTable`."""
    import pyarrow as pa

    encode_key = key_encoder(table.entity.keys.values())
    encode = RowCodec(table.schema).encode
    encoded = ((encode_key(key), encode(row)) for key, row in table)
    rows = sorted((key_hash(key), key, row) for key, row in encoded)
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    types = (pa.int64(), pa.large_binary(), pa.large_binary())
    arrays = [pa.array(list(values), dtype) for values, dtype in zip(columns, types, strict=True)]
    mapped = pa.table(arrays, names=["hash", "key", "row"]).combine_chunks()
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, mapped.schema) as writer:
        writer.write_table(mapped, max_chunksize=max(1, len(mapped)))


class MappedTable(GroupTable):
    """Rows in a file, which cannot be changed.

    Parameters
    ----------
    entity, group : Entity and FeatureGroup
        What the rows were written as.
    path : str
        The file that :func:`write_mapped` wrote; it is mapped, not read.
    """

    def __init__(self, entity: Entity, group: FeatureGroup, path: str) -> None:
        super().__init__(entity, group)
        self.rows = _MappedRows(entity, group, path)

    def put(self, packed: Iterable[tuple[Any, tuple[Any, ...]]], *, settled: bool = False) -> NoReturn:
        """Refuse: a snapshot is frozen."""
        del packed, settled
        raise self._frozen()

    def replace(self, packed: Iterable[tuple[Any, tuple[Any, ...]]]) -> NoReturn:
        """Refuse: a snapshot is frozen."""
        del packed
        raise self._frozen()

    def retain(self, keys: Iterable[Any]) -> NoReturn:
        """Refuse: a snapshot is frozen."""
        del keys
        raise self._frozen()

    def delete(self, keys: Iterable[Any], at: int) -> NoReturn:
        """Refuse: a snapshot is frozen."""
        del keys, at
        raise self._frozen()

    def _frozen(self) -> DataError:
        return DataError(
            f"{self.group.full_name}: a memory-mapped snapshot cannot be changed; load it without memory_map"
        )

    def __iter__(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        raise DataError(
            f"{self.group.full_name}: rows of a memory-mapped snapshot are found by key, not listed; "
            "load it without memory_map"
        )


class _MappedRows(dict[Any, Any]):
    """Behaves as the dictionary of rows does for ``get`` and ``len``."""

    def __init__(self, entity: Entity, group: FeatureGroup, path: str) -> None:
        super().__init__()
        import pyarrow as pa

        try:
            with pa.memory_map(path) as source:
                table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowException) as error:
            raise SnapshotError(
                f"{group.full_name}: no rows to map ({error}); save the snapshot with memory_map=True"
            ) from error
        self._table = table  # keeps the file mapped
        self._count = len(table)
        if self._count:
            self._hashes = memoryview(table.column("hash").chunk(0).buffers()[1]).cast("q")[: self._count]
            self._keys, self._key_ends = _views(table.column("key").chunk(0))
            self._rows, self._row_ends = _views(table.column("row").chunk(0))
        self._encode = key_encoder(entity.keys.values())
        self._decode = RowCodec(Schema.of(entity, group)).decode

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the packed row of a key."""
        if is_absent(key) or not self._count:
            return default
        wanted = self._encode(key)
        hashed = key_hash(wanted)
        place = bisect_left(self._hashes, hashed)
        while place < self._count and self._hashes[place] == hashed:
            if self._keys[self._key_ends[place] : self._key_ends[place + 1]] == wanted:
                return self._decode(bytes(self._rows[self._row_ends[place] : self._row_ends[place + 1]]))
            place += 1
        return default


def _views(array: pa.LargeBinaryArray) -> tuple[memoryview, memoryview]:
    """Return the bytes of all values, and where each begins; one more at the end."""
    _, ends, values = array.buffers()
    # Of unsigned bytes: signed ones, as pyarrow has them, are not those of a key beyond ASCII.
    return memoryview(values).cast("B"), memoryview(ends).cast("q")
