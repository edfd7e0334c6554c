"""Hashes of strings, the same in every process and version."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

from dsl.dtypes import INT, STR, Var
from dsl.registry import REGISTRY, Arg

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Crc32", "HashBucket", "Sha256"]

_KEY = Var("K", frozenset({STR, INT}))


def _check_buckets(buckets: int) -> None:
    if buckets < 1:
        raise ValueError(f"must be at least 1, found {buckets}")


@REGISTRY.register("crc32", Arg("text", STR), returns=INT, examples=[(("abc",), 891568578), (("",), 0)])
class Crc32:
    """CRC-32 of the string in UTF-8, as in zlib. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.crc32(text)

    @staticmethod
    def row(text: str) -> int:
        return zlib.crc32(text.encode())


@REGISTRY.register(
    "sha256",
    Arg("text", STR),
    returns=STR,
    examples=[(("abc",), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")],
)
class Sha256:
    """SHA-256 of the string in UTF-8, in hexadecimal. Null when `text` is null."""

    @staticmethod
    def column(F: Any, text: Column) -> Column:
        return F.sha2(text, 256)

    @staticmethod
    def row(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()


@REGISTRY.register(
    "hashBucket",
    Arg("key", _KEY),
    Arg("buckets", INT, constant=True, check=_check_buckets),
    returns=INT,
    examples=[(("abc", 1000), 578), ((7, 10), zlib.crc32(b"7") % 10), ((None, 10), None)],
    edges={"buckets": [1, 2, 1000, 2**40]},
)
class HashBucket:
    """Bucket number from 0: CRC-32 of the key (of an integer its digits), modulo `buckets`. Null when `key` is null."""

    @staticmethod
    def column(F: Any, key: Column, buckets: int) -> Column:
        return F.crc32(key.cast("string")) % F.lit(buckets)

    @staticmethod
    def row(key: str | int, buckets: int) -> int:
        return zlib.crc32(str(key).encode()) % buckets
