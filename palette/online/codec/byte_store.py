"""What stores that keep rows as bytes have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palette.online.codec.codec import DamagedRowError, RowCodec, UnknownSchemaError
from palette.online.codec.keys import key_encoder
from palette.online.codec.schema import Schema
from palette.online.remote import Definitions, RemoteReader, Row
from palette.online.table import GroupTable
from palette.times import MICROSECOND

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup

__all__ = ["IDENTITY", "CodedStore", "Shelf"]

# Where a store keeps its identity; no group is called so.
IDENTITY = b"#identity"


@dataclass(frozen=True)
class Shelf:
    """How one feature group is kept.

    Attributes
    ----------
    entity, group : Entity, FeatureGroup
        The definitions of the table whose rows these are.
    schema, codec : Schema, RowCodec
        Of these definitions.
    encode_key : callable
        Returns a key as bytes, see :func:`palette.online.codec.keys.key_encoder`.
    ttl : int or None
        Microseconds.
    """

    entity: Entity
    group: FeatureGroup
    schema: Schema
    codec: RowCodec
    encode_key: Callable[[Any], bytes]
    ttl: int | None


def _shelf_of(table: GroupTable) -> Shelf:
    schema = table.schema
    ttl = None if table.group.ttl is None else table.group.ttl // MICROSECOND
    return Shelf(table.entity, table.group, schema, RowCodec(schema), key_encoder(table.entity.keys.values()), ttl)


class CodedStore(RemoteReader):
    """A remote store of bytes, which keeps a note of every schema in which it holds rows."""

    @property
    def place(self) -> str:
        """Where this store is, without passwords."""
        return repr(self)

    def target(self, *, make: bool = False) -> str | None:
        """Return what tells this store from others, also from another machine's at the same address.

        That is its place and an identity that it keeps itself: one that was emptied is another store.

        Parameters
        ----------
        make : bool
            Whether a store without identity is given one; else there is None.
        """
        identity = self._identity(make=make)
        return None if identity is None else f"{self.place} {identity}"

    def holds(self, group: str) -> bool:
        """Tell whether rows of a group, as it is defined now, were put here, and not everything was lost since."""
        return self._note(group, self.table(group).schema.fingerprint) is not None

    def __init__(self, definitions: Definitions) -> None:
        super().__init__(definitions)
        self._shelves: dict[str, Shelf] = {}

    def _shelf(self, group: str) -> Shelf:
        """Return how rows of a group are kept, by the table that :meth:`table` returned last."""
        found = self._shelves.get(group)
        if found is None:
            # Under the lock, so that no shelf of the table before is kept after it was replaced.
            with self._lock:
                table = self._shapes.get(group)
                found = self._shelves[group] = _shelf_of(self.table(group) if table is None else table)
        return found

    def _shelf_for(self, table: GroupTable) -> Shelf:
        """Return how the rows of a table are kept, which may be one of before the definition changed."""
        found = self._shelf(table.group.full_name)
        return found if found.entity == table.entity and found.group == table.group else _shelf_of(table)

    def _forget(self, group: str) -> None:
        self._shelves.pop(group, None)

    @abstractmethod
    def _identity(self, *, make: bool) -> str | None:
        """Return the identity that was written into this store once, see :meth:`target`."""

    @abstractmethod
    def _note(self, group: str, fingerprint: bytes) -> str | None:
        """Return the text of a schema that was noted when its rows were put."""

    def _row(self, shelf: Shelf, data: bytes | None) -> Row | None:
        """Return the row of bytes; a schema that is new to this process is looked up once."""
        if data is None:
            return None
        try:
            return shelf.codec.decode(data)
        except UnknownSchemaError as error:
            self._learn(shelf, error)
            return shelf.codec.decode(data)

    def _learn(self, shelf: Shelf, error: UnknownSchemaError) -> None:
        text = self._note(shelf.schema.group, error.fingerprint)
        schema = None if text is None else Schema.parse(text)
        if schema is None or schema.fingerprint != error.fingerprint:
            raise error
        shelf.codec.learn(schema)

    def _wins(self, shelf: Shelf, new: Row | int, old: bytes, *, settled: bool = False) -> bool:
        """Tell whether a row, or a deletion at a moment, takes the place of bytes; damaged ones are mended so."""
        try:
            return shelf.codec.wins(new, old, settled=settled)
        except UnknownSchemaError as error:
            self._learn(shelf, error)
            return shelf.codec.wins(new, old, settled=settled)
        except DamagedRowError:
            return True
