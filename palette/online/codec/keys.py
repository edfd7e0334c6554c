"""Keys of entities as bytes: two keys are the same bytes only if they are the same typed values."""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from palette.errors import DefinitionError
from palette.online.codec.values import encode_string
from palette.times import to_micros
from palette.types import INTEGERS

__all__ = ["KeySet", "is_absent", "key_encoder", "key_hash"]


def is_absent(key: Any) -> bool:
    """Return whether a key is null, or has a null part: no row has such a key."""
    return key is None or (key.__class__ is tuple and None in key)


def key_encoder(types: Iterable[str]) -> Callable[[Any], bytes]:
    """Return a function from keys, as :meth:`palette.online.GroupTable.key` returns them, to bytes.

    The bytes begin with a letter for each type (widths of integers are one: they may widen), then come the values;
    of several all but the last with their length.

    Examples
    --------
    >>> encode = key_encoder(["string", "bigint"])
    >>> encode(("1", 23)), encode(("12", 3))
    (b'si:1:1:23', b'si:2:12:3')
    >>> key_encoder(["string"])("")
    b's:'
    """
    forms = [_form(dtype) for dtype in types]
    head = "".join(letter for letter, _ in forms).encode() + b":"
    if len(forms) == 1:
        only = forms[0][1]
        return lambda key: head + only(key)
    *firsts, (_, last) = forms

    def encode(key: tuple[Any, ...]) -> bytes:
        parts = [head]
        for (_, form), value in zip(firsts, key[:-1], strict=True):
            part = form(value)
            parts.append(b"%d:%b:" % (len(part), part))
        parts.append(last(key[-1]))
        return b"".join(parts)

    return encode


def _form(dtype: str) -> tuple[str, Callable[[Any], bytes]]:
    if dtype in INTEGERS:
        return "i", lambda value: b"%d" % value
    if dtype == "string":
        return "s", encode_string
    if dtype == "boolean":
        return "b", lambda value: b"1" if value else b"0"
    if dtype == "timestamp":
        return "t", lambda value: b"%d" % to_micros(value)
    if dtype == "date":
        return "d", _day
    raise DefinitionError(f"no key can be {dtype}")


def _day(value: dt.date) -> bytes:
    return value.isoformat().encode()


def key_hash(key: bytes) -> int:
    """Return eight bytes of a hash as a number."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big", signed=True)


class KeySet:
    """Many keys as hashes, eight bytes each: a false positive occurs once in some 2^64 / count keys.

    Examples
    --------
    >>> b"a" in KeySet([b"a", b"b"]), b"c" in KeySet([b"a", b"b"]), b"c" in KeySet([])
    (True, False, False)
    """

    def __init__(self, keys: Iterable[bytes]) -> None:
        import numpy as np  # heavy, and few processes need it here

        hashes = np.fromiter((key_hash(key) for key in keys), np.int64)
        hashes.sort()
        self._hashes = hashes.data

    def __contains__(self, key: bytes) -> bool:
        hashed = key_hash(key)
        index = bisect_left(self._hashes, hashed)
        return index < len(self._hashes) and self._hashes[index] == hashed
