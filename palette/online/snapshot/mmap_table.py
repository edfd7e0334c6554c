"""Rows of a saved snapshot that stay in its file: many processes of a machine share one copy of them.

The file holds three columns, sorted by the first: a hash of the key, the key, and the row as stores keep it
(:mod:`palette.online.codec.codec`). A read searches the hashes by bisection and decodes one row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from palette.errors import DataError, SnapshotError
from palette.online.codec.codec import RowCodec
from palette.online.codec.keys import is_absent, key_encoder, key_hash
from palette.online.layout import Row
from palette.online.local import LocalTable

if TYPE_CHECKING:
    import pyarrow as pa

    from palette.definitions import GroupSchema

__all__ = ["MappedTable", "write_mapped"]


def write_mapped(table: LocalTable, path: str) -> None:
    """Write the rows of a table to a file for :class:`MappedTable`."""
    import pyarrow as pa

    encode_key = key_encoder(table.entity.keys.values())
    encode = RowCodec(table.stored).encode
    encoded = ((encode_key(key), encode(row)) for key, row in table)
    rows = sorted((key_hash(key), key, row) for key, row in encoded)
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    types = (pa.int64(), pa.large_binary(), pa.large_binary())
    arrays = [pa.array(list(values), dtype) for values, dtype in zip(columns, types, strict=True)]
    mapped = pa.table(arrays, names=["hash", "key", "row"]).combine_chunks()
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, mapped.schema) as writer:
        writer.write_table(mapped, max_chunksize=max(1, len(mapped)))


class MappedTable(LocalTable):
    """Rows in a file, which cannot be changed.

    Parameters
    ----------
    schema : GroupSchema
        The definition in which the rows were written.
    path : str
        The file that :func:`write_mapped` wrote; it is mapped, not read.
    """

    def __init__(self, schema: GroupSchema, path: str) -> None:
        super().__init__(schema)
        import pyarrow as pa

        try:
            with pa.memory_map(path) as source:
                table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowException) as error:
            raise SnapshotError(
                f"{self.name}: no rows to map ({error}); save the snapshot with memory_map=True"
            ) from error
        self._table = table  # keeps the file mapped
        self._count = len(table)
        if self._count:
            self._hashes = memoryview(table.column("hash").chunk(0).buffers()[1]).cast("q")[: self._count]
            self._keys, self._key_ends = _views(table.column("key").chunk(0))
            self._rows, self._row_ends = _views(table.column("row").chunk(0))
        self._encode = key_encoder(schema.keys.values())
        self._decode = RowCodec(self.stored).decode

    @property
    def get(self) -> Callable[[Any], Row | None]:
        """A function that returns the packed row of a key."""
        return self._find

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        raise DataError(
            f"{self.name}: rows of a memory-mapped snapshot can be read by key, not listed; load it without memory_map"
        )

    def _find(self, key: Any) -> Row | None:
        if is_absent(key) or not self._count:
            return None
        encoded = self._encode(key)
        hashed = key_hash(encoded)
        index = bisect_left(self._hashes, hashed)
        while index < self._count and self._hashes[index] == hashed:
            if self._keys[self._key_ends[index] : self._key_ends[index + 1]] == encoded:
                return self._decode(bytes(self._rows[self._row_ends[index] : self._row_ends[index + 1]]))
            index += 1
        return None


def _views(array: pa.LargeBinaryArray) -> tuple[memoryview, memoryview]:
    """Return the bytes of all values, and the offset of each; the last one is the end."""
    _, ends, values = array.buffers()
    # Unsigned bytes: signed ones, as pyarrow has them, differ from those of a key beyond ASCII.
    return memoryview(values).cast("B"), memoryview(ends).cast("q")
