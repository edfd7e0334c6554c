"""MurmurHash3, as Spark hashes strings."""

from __future__ import annotations

import struct
from functools import lru_cache

__all__ = ["SEED", "hash_index", "murmur3"]


SEED = 42


def murmur3(data: bytes, seed: int = SEED) -> int:
    """Return MurmurHash3 (x86, 32 bits) as a signed integer.

    Examples
    --------
    >>> murmur3(b""), murmur3(b"spark")
    (142593372, -226056714)
    """
    aligned = len(data) & ~3
    state = seed
    for (block,) in struct.iter_unpack("<I", data[:aligned]):
        state ^= _mixed(block)
        state = ((state << 13 | state >> 19) * 5 + 0xE6546B64) & 0xFFFFFFFF
    state ^= _mixed(int.from_bytes(data[aligned:], "little")) ^ len(data)
    state = ((state ^ state >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    state = ((state ^ state >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    state ^= state >> 16
    return state - 0x1_0000_0000 if state >= 0x8000_0000 else state


def _mixed(block: int) -> int:
    block = (block * 0xCC9E2D51) & 0xFFFFFFFF
    return ((block << 15 | block >> 17) & 0xFFFFFFFF) * 0x1B873593 & 0xFFFFFFFF


@lru_cache(maxsize=1 << 16)
def hash_index(text: str, size: int) -> int:
    """Return the index of a string in a vector of a size."""
    return murmur3(text.encode("utf-8", "replace")) % size
