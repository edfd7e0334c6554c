"""A packed row as bytes: what stores outside this process keep.

A value begins with 24 bytes that a store's script can compare::

    version 1 | mark 1 | fingerprint of the schema 6 | event 8 | created 8

all big-endian. The mark distinguishes a row without (0) and with (1) created time, and a deletion by event (2) and by
created time (3), which ends there. Fixed-width values follow, the lengths of strings and arrays among them, then a
bitmap of nulls, then the strings and arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from dsl.compilers.generated import define
from palette.errors import DataError, StoreError
from palette.online.codec.schema import StoredSchema
from palette.online.codec.values import FIXED, PLAIN, tail_form
from palette.online.layout import STATIC, Row
from palette.online.order import newer, not_older

__all__ = ["DamagedRowError", "RowCodec", "UnknownSchemaError", "is_deletion"]

VERSION = 1
HEAD = struct.Struct(">BB6sqq")
BARE, STAMPED, DEAD, DEAD_STATIC = range(4)


class UnknownSchemaError(StoreError):
    """A stored row has a schema that this codec does not know."""

    def __init__(self, group: str, fingerprint: bytes) -> None:
        super().__init__(
            f"{group}: unknown schema fingerprint {fingerprint.hex()}: the row was not written by palette, or its "
            "schema record was deleted; materialize the group again, with full_refresh"
        )
        self.fingerprint = fingerprint


class DamagedRowError(StoreError):
    """Stored bytes are not a row."""


def is_deletion(data: bytes) -> bool:
    """Return whether stored bytes are a deletion, not a row."""
    return len(data) >= HEAD.size and data[1] in (DEAD, DEAD_STATIC)


class RowCodec:
    """Packs rows of one feature group into bytes, and back.

    Parameters
    ----------
    schema : StoredSchema
        Of the group by its definition of now. Rows of other schemas decode after :meth:`learn`.

    Attributes
    ----------
    decode : callable
        Returns the packed row ``(event, created, *features)`` of bytes, or None for a deleted row and for a row of
        which the group as it is defined now keeps nothing.

    Examples
    --------
    >>> codec = RowCodec(StoredSchema("r:fg", (("id", "string"),), "ts", None, (("x", "double"), ("s", "string"))))
    >>> codec.decode(codec.encode((7, None, 2.5, "ü")))
    (7, None, 2.5, 'ü')
    """

    def __init__(self, schema: StoredSchema) -> None:
        self.schema = schema
        self._older: dict[bytes, Callable[[bytes], Row | None]] = {}
        # Schemas whose rows and deletions have no meaning for rows of this one.
        self._foreign: set[bytes] = set()
        self._bare, self._stamped, self._dead = (
            bytes((VERSION, mark)) + schema.fingerprint for mark in (BARE, STAMPED, DEAD)
        )
        self._layout()
        self._body = self._plain if not self._tails and not self._converted else self._mixed
        self.decode = self._decoder()

    def _layout(self) -> None:
        forms, blanks = [], []
        self._tails: list[tuple[int, Callable[[Any], bytes], Callable[[bytes], Any]]] = []
        self._converted: list[tuple[int, Callable[[Any], Any], Callable[[Any], Any]]] = []
        for position, (_, dtype) in enumerate(self.schema.features, 2):
            if dtype in PLAIN:
                form, blank = PLAIN[dtype]
            elif dtype in FIXED:
                form, blank, put, get = FIXED[dtype]
                self._converted.append((position, put, get))
            else:
                form, blank = "I", 0
                self._tails.append((position, *tail_form(dtype)))
            forms.append(form)
            blanks.append(blank)
        width = len(forms)
        self._wide = width > 64
        bitmap = (
            f"{(width + 7) // 8}s"
            if self._wide
            else next(form for form, bits in (("B", 8), ("H", 16), ("I", 32), ("Q", 64)) if width <= bits)
        )
        self._struct = struct.Struct(">8sqq" + "".join(forms) + bitmap)
        self._values = struct.Struct(">8xqq" + "".join(forms) + bitmap)
        self._blanks = blanks

    # --- to bytes

    def encode(self, row: Row) -> bytes:
        """Return the bytes of a packed row.

        Raises
        ------
        DataError
            If it is not a row of this group.
        """
        try:
            return self._encode(row)
        except (struct.error, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DataError(f"{self.schema.group}: not a packed row of this group: {row!r:.200} ({error})") from error

    def _encode(self, row: Row) -> bytes:
        event, created, *values = row
        if len(values) != len(self._blanks):
            raise ValueError(f"{len(self._blanks)} features expected")
        nulls, tails = 0, []
        if None in values:
            for at, value in enumerate(values):
                if value is None:
                    nulls |= 1 << at
        for position, put, _ in self._tails:
            tail = b"" if values[position - 2] is None else put(values[position - 2])
            values[position - 2] = len(tail)
            tails.append(tail)
        for position, put, _ in self._converted:
            if values[position - 2] is not None:
                values[position - 2] = put(values[position - 2])
        if nulls:
            values = [self._blanks[at] if value is None else value for at, value in enumerate(values)]
        head = self._bare if created is None else self._stamped
        bitmap = nulls.to_bytes((len(values) + 7) // 8, "little") if self._wide else nulls
        return self._struct.pack(head, event, created or 0, *values, bitmap) + b"".join(tails)

    def tombstone(self, at: int) -> bytes:
        """Return the bytes of a deletion at a time in microseconds."""
        if self.schema.timestamp is None:
            return HEAD.pack(VERSION, DEAD_STATIC, self.schema.fingerprint, STATIC, at)
        return HEAD.pack(VERSION, DEAD, self.schema.fingerprint, at, 0)

    # --- from bytes

    def _decoder(self) -> Callable[[bytes], Row | None]:
        """Return a function that takes the usual case first: this schema, with the created time it declares."""
        if self._body == self._mixed or self._wide:
            return self._careful
        bare = self.schema.created is None
        values = [f"v{index}" for index in range(len(self.schema.features))]
        lines = [
            "if data[:8] != usual: return careful(data)",
            f"try: {', '.join(['event', 'created', *values, 'nulls'])} = unpack(data)",
            "except error: return careful(data)",
            "if nulls: return careful(data)",
            f"return ({', '.join(['event', 'None' if bare else 'created', *values])})",
        ]
        constants = {"usual": self._bare if bare else self._stamped, "careful": self._careful}
        constants |= {"unpack": self._values.unpack, "error": struct.error}
        return define("decode", ["data"], lines, constants)

    def _careful(self, data: bytes) -> Row | None:
        head = data[:8]
        try:
            if head in (self._bare, self._stamped):
                return self._body(data)
            version, mark, fingerprint, _, _ = HEAD.unpack_from(data)
        except (struct.error, ValueError, IndexError, ArithmeticError) as error:
            raise self._damaged(data) from error
        if version > VERSION:
            raise StoreError(f"{self.schema.group}: a stored row has version {version}; this release reads {VERSION}")
        if mark in (DEAD, DEAD_STATIC):
            return None
        if version != VERSION or mark not in (BARE, STAMPED) or fingerprint == self.schema.fingerprint:
            raise self._damaged(data)
        older = self._older.get(fingerprint)
        if older is None:
            raise UnknownSchemaError(self.schema.group, fingerprint)
        return older(data)

    def _damaged(self, data: bytes) -> DamagedRowError:
        return DamagedRowError(f"{self.schema.group}: a stored row is damaged: {data!r:.80}; write it again")

    def _plain(self, data: bytes) -> Row:
        return self._finish(data[1], list(self._values.unpack(data)))

    def _mixed(self, data: bytes) -> Row:
        row, offset = list(self._values.unpack_from(data)), self._values.size
        for position, _, get in self._tails:
            end = offset + row[position]
            row[position] = get(data[offset:end]) if end > offset else None
            offset = end
        if offset != len(data):
            raise self._damaged(data)
        for position, _, get in self._converted:
            row[position] = get(row[position])
        return self._finish(data[1], row)

    def _finish(self, mark: int, row: list[Any]) -> Row:
        nulls = row.pop()
        if mark == BARE:
            row[1] = None
        nulls = int.from_bytes(nulls, "little") if self._wide else nulls
        while nulls:
            lowest = nulls & -nulls
            row[lowest.bit_length() + 1] = None
            nulls ^= lowest
        return tuple(row)

    def learn(self, schema: StoredSchema) -> None:
        """Learn another schema in which rows of this group were written."""
        read, older = self.schema.reader_of(schema), RowCodec(schema)

        def decode(data: bytes) -> Row | None:
            row = older.decode(data)
            return None if row is None or read is None else read(row)

        if read is None:
            self._foreign.add(schema.fingerprint)
        self._older[schema.fingerprint] = decode

    # --- which of two wins

    def wins(self, new: Row | int, old: bytes, *, resolved: bool = False) -> bool:
        """Return whether a row, or a deletion at a time, replaces stored bytes.

        Raises
        ------
        UnknownSchemaError
            If the bytes have a schema that was not learned.
        """
        row = self.decode(old)
        if row is None:
            event, created = self._death(old)
            if event is None:
                return True
            if isinstance(new, int):
                return new > (event if created is None else created)
            if created is None:
                return bool(new[0] > event)
            return new[1] is not None and bool(new[1] > created)
        if isinstance(new, int):
            return bool(new >= row[0]) if self.schema.timestamp is not None else row[1] is None or bool(new >= row[1])
        return not_older(new, row) if resolved else newer(new, row)

    def _death(self, data: bytes) -> tuple[int | None, int | None]:
        """Return event and created of a deletion; no event if it, or the row, has no meaning for rows of today."""
        _, mark, fingerprint, event, created = HEAD.unpack_from(data)
        if fingerprint != self.schema.fingerprint and fingerprint not in self._older:
            raise UnknownSchemaError(self.schema.group, fingerprint)
        if mark not in (DEAD, DEAD_STATIC) or fingerprint in self._foreign or self.schema.without_times:
            return None, None
        return event, created if mark == DEAD_STATIC else None
