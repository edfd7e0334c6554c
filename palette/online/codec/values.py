"""Bytes of the values of each type in a stored row."""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from palette.times import to_datetime, to_micros

__all__ = ["FIXED", "PLAIN", "encode_string", "tail_form"]

# Type to struct's letter, and the value that is stored for a null.
PLAIN: dict[str, tuple[str, Any]] = {
    "tinyint": ("b", 0),
    "smallint": ("h", 0),
    "int": ("i", 0),
    "bigint": ("q", 0),
    "float": ("f", 0.0),
    "double": ("d", 0.0),
    "boolean": ("?", False),
}
EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
# The same, with functions to and from the number that is stored.
FIXED: dict[str, tuple[str, Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "timestamp": ("q", 0, to_micros, to_datetime),
    "date": ("i", 0, lambda day: day.toordinal() - EPOCH_DAY, lambda number: dt.date.fromordinal(number + EPOCH_DAY)),
}
ARRAY = re.compile(r"array<([a-z]+)>")
NONE = b"\x00"
SOME = b"\x01"
COUNT = struct.Struct(">I")
NULL = 0xFFFFFFFF


def tail_form(dtype: str) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Return functions to and from the bytes of a value of variable length; no value is empty bytes."""
    if dtype == "string":
        return lambda value: b"t" + encode_string(value), lambda data: str(data[1:], "utf-8", "surrogatepass")
    if match := ARRAY.fullmatch(dtype):
        return _strings_form() if match[1] == "string" else _numbers_form(PLAIN[match[1]])
    return lambda number: str(number).encode(), lambda data: Decimal(data.decode())


def encode_string(value: str) -> bytes:
    """Return UTF-8; an unpaired surrogate, which Python accepts and UTF-8 does not, is encoded as well."""
    return value.encode("utf-8", "surrogatepass")


def _numbers_form(plain: tuple[str, Any]) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    letter, blank = plain
    width = struct.calcsize(f">{letter}")

    def put(values: list[Any]) -> bytes:
        if None not in values:
            return NONE + struct.pack(f">{len(values)}{letter}", *values)
        present = bytes(value is not None for value in values)
        filled = [blank if value is None else value for value in values]
        return SOME + present + struct.pack(f">{len(values)}{letter}", *filled)

    def get(data: bytes) -> list[Any]:
        if data[0] == 0:
            return list(struct.unpack(f">{(len(data) - 1) // width}{letter}", data[1:]))
        count = (len(data) - 1) // (width + 1)
        values = struct.unpack(f">{count}{letter}", data[1 + count :])
        return [value if known else None for value, known in zip(values, data[1 : 1 + count], strict=True)]

    return put, get


def _strings_form() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    def put(values: list[str | None]) -> bytes:
        parts = [None if value is None else encode_string(value) for value in values]
        lengths = [NULL if part is None else len(part) for part in parts]
        return b"".join([struct.pack(f">{1 + len(parts)}I", len(parts), *lengths), *(part or b"" for part in parts)])

    def get(data: bytes) -> list[str | None]:
        (count,) = COUNT.unpack_from(data)
        values: list[str | None] = []
        offset = 4 + 4 * count
        for length in struct.unpack_from(f">{count}I", data, 4):
            if length == NULL:
                values.append(None)
                continue
            values.append(str(data[offset : offset + length], "utf-8", "surrogatepass"))
            offset += length
        if offset != len(data):
            raise ValueError(f"{len(data)} bytes where {offset} were announced")
        return values

    return put, get
