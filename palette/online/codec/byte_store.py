"""The base of stores that keep rows as bytes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from palette.online.codec.codec import DamagedRowError, RowCodec, UnknownSchemaError
from palette.online.codec.keys import key_encoder
from palette.online.codec.schema import StoredSchema
from palette.online.defined_groups import Definitions
from palette.online.layout import Row, RowLayout
from palette.online.store import OnlineStore

__all__ = ["IDENTITY", "ByteStore", "GroupCodec"]

# Where a store keeps its identity; no group is called so.
IDENTITY = b"#identity"


@dataclass(frozen=True)
class GroupCodec:
    """The bytes of keys and rows of one feature group.

    Attributes
    ----------
    layout : RowLayout
        The layout of the rows.
    rows : RowCodec
        Packed rows to bytes, and back.
    encode_key : callable
        Returns a key as bytes, see :func:`palette.online.codec.keys.key_encoder`.
    """

    layout: RowLayout
    rows: RowCodec
    encode_key: Callable[[Any], bytes]

    @classmethod
    def of(cls, layout: RowLayout) -> GroupCodec:
        """Return the codec of a layout."""
        return cls(layout, RowCodec(layout.stored), key_encoder(layout.schema.keys.values()))

    @property
    def stored(self) -> StoredSchema:
        """The schema that is recorded with the rows."""
        return self.layout.stored


class ByteStore(OnlineStore):
    """A durable store of bytes, which records every schema in which it holds rows."""

    durable = True

    def __init__(self, definitions: Definitions) -> None:
        super().__init__(definitions)
        self._codecs: dict[str, GroupCodec] = {}

    @property
    def address(self) -> str:
        """Address of the store, without passwords."""
        return repr(self)

    def identity(self, *, make: bool = False) -> str | None:
        """Return the address and a random name that the store keeps itself; see :class:`OnlineStore`."""
        name = self._own_name(make=make)
        return None if name is None else f"{self.address} {name}"

    def holds(self, group: str) -> bool:
        """Return whether rows of a group, by its definition of now, were put here and not lost since."""
        return self._schema_record(group, self.layout(group).stored.fingerprint) is not None

    def _codec(self, group: str) -> GroupCodec:
        """Return the codec of a group, by the layout that :meth:`layout` returned last."""
        codec = self._codecs.get(group)
        if codec is None:
            # Under the lock, so that no codec of the layout before stays after it was replaced.
            with self._lock:
                layout = self._layouts.get(group)
                codec = self._codecs[group] = GroupCodec.of(self.layout(group) if layout is None else layout)
        return codec

    def _codec_for(self, layout: RowLayout) -> GroupCodec:
        """Return the codec of a layout, which may be one from before the definition changed."""
        codec = self._codec(layout.name)
        return codec if codec.layout.schema == layout.schema else GroupCodec.of(layout)

    def _invalidate_layout(self, group: str) -> None:
        self._codecs.pop(group, None)

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put packed rows, each atomically; see :meth:`palette.online.OnlineStore.put`."""
        return self._put(self._codec(group), packed, resolved=resolved)

    def put_packed(self, layout: RowLayout, packed: Iterable[tuple[Any, Row]], *, resolved: bool = False) -> int:
        """Put rows that a layout packed, in the schema of that layout."""
        return self._put(self._codec_for(layout), packed, resolved=resolved)

    @abstractmethod
    def _put(self, codec: GroupCodec, packed: Iterable[tuple[Any, Row]], *, resolved: bool) -> int:
        """Put packed rows of a codec's layout."""

    @abstractmethod
    def _own_name(self, *, make: bool) -> str | None:
        """Return the random name that was written into this store once, see :meth:`identity`."""

    @abstractmethod
    def _schema_record(self, group: str, fingerprint: bytes) -> str | None:
        """Return the JSON of a schema that was recorded when its rows were put."""

    def _row(self, codec: GroupCodec, data: bytes | None) -> Row | None:
        """Return the row of bytes; a schema that is new to this process is looked up once."""
        if data is None:
            return None
        try:
            return codec.rows.decode(data)
        except UnknownSchemaError as error:
            self._learn(codec, error)
            return codec.rows.decode(data)

    def _learn(self, codec: GroupCodec, error: UnknownSchemaError) -> None:
        record = self._schema_record(codec.stored.group, error.fingerprint)
        stored = None if record is None else StoredSchema.parse(record)
        if stored is None or stored.fingerprint != error.fingerprint:
            raise error
        codec.rows.learn(stored)

    def _wins(self, codec: GroupCodec, new: Row | int, old: bytes, *, resolved: bool = False) -> bool:
        """Return whether a row, or a deletion at a time, replaces bytes; damaged ones are repaired so."""
        try:
            return codec.rows.wins(new, old, resolved=resolved)
        except UnknownSchemaError as error:
            self._learn(codec, error)
            return codec.rows.wins(new, old, resolved=resolved)
        except DamagedRowError:
            return True
