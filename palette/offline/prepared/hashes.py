"""Spark's ``xxhash64`` of keys, in NumPy, so that tasks that read files themselves number parts as Spark does.

The functions here are pickled by value and refer to nothing else in this package, so that workers run them without it.
The algorithm is XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) with Spark's seed 42; of several
columns the hash of each is the seed of the next. Strings of one length are hashed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["hash_keys"]

SEED = 42
# Rows that are hashed at once: their intermediate results stay in the processor's cache.
BLOCK = 1 << 15
P1, P2, P3, P4, P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def hash_keys(keys: Sequence[pa.Array]) -> Any:
    """Return the hash of each row of key columns: strings, booleans or 64-bit integers, without nulls.

    Examples
    --------
    >>> hash_keys([pa.array([1, 2])]).tolist()
    [-7001672635703045582, -3341702809300393011]
    """
    hashes = np.full(len(keys[0]), SEED, np.uint64)
    for key in keys:
        if pa.types.is_string(key.type) or pa.types.is_large_string(key.type):
            hashes = _hash_strings(key, hashes)
        elif pa.types.is_boolean(key.type):
            words = key.cast(pa.uint8()).to_numpy().astype(np.uint64)
            hashes = _finish(_mix_4(hashes + P5 + np.uint64(4), words))
        else:
            words = key.to_numpy().view(np.uint64)
            hashes = _finish(_mix_8(hashes + P5 + np.uint64(8), words))
    return hashes.view(np.int64)


def _hash_strings(key: pa.Array, seeds: Any) -> Any:
    offset_type = np.int64 if pa.types.is_large_string(key.type) else np.int32
    _, offsets, data = key.buffers()
    starts = np.frombuffer(offsets, offset_type)[key.offset : key.offset + len(key) + 1].astype(np.int64)
    lengths = np.diff(starts)
    # Padded, so that each position begins a word.
    size = 0 if data is None else data.size
    text = np.zeros(size + 8, np.uint8)
    if size:
        text[:size] = np.frombuffer(data, np.uint8)
    words = np.ndarray((size + 1,), "<u8", buffer=text, strides=(1,))
    hashes = np.empty(len(key), np.uint64)
    # Most lengths fit into 16 bits, whose stable sort is one of radices.
    order = np.argsort(lengths.astype(np.uint16) if lengths.max(initial=0) < 1 << 16 else lengths, kind="stable")
    bounds = np.flatnonzero(np.diff(lengths[order])) + 1
    for same in np.split(order, bounds) if len(order) else ():
        length = int(lengths[same[0]])
        for block in range(0, len(same), BLOCK):
            rows = same[block : block + BLOCK]
            hashes[rows] = _hash_texts(words, starts[rows], length, seeds[rows])
    return hashes


def _hash_texts(words: Any, starts: Any, length: int, seeds: Any) -> Any:
    """Return the hashes of texts of one length, whose bytes begin at some positions."""
    at = 0
    if length >= 32:
        lanes = [seeds + P1 + P2, seeds + P2, seeds + np.uint64(0), seeds - P1]
        while at + 32 <= length:
            lanes = [_round(lane, words[starts + (at + 8 * index)]) for index, lane in enumerate(lanes)]
            at += 32
        turned = [_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)]
        hashes = turned[0] + turned[1] + turned[2] + turned[3]
        for lane in lanes:
            hashes = (hashes ^ _round(np.uint64(0), lane)) * P1 + P4
    else:
        hashes = seeds + P5
    hashes = hashes + np.uint64(length)
    while at + 8 <= length:
        hashes = _mix_8(hashes, words[starts + at])
        at += 8
    if at + 4 <= length:
        hashes = _mix_4(hashes, words[starts + at] & np.uint64(0xFFFFFFFF))
        at += 4
    while at < length:
        byte = words[starts + at] & np.uint64(0xFF)
        hashes = _rotate(hashes ^ (byte * P5), 11) * P1
        at += 1
    return _finish(hashes)


def _rotate(values: Any, bits: int) -> Any:
    return (values << np.uint64(bits)) | (values >> np.uint64(64 - bits))


def _round(lane: Any, words: Any) -> Any:
    return _rotate(lane + words * P2, 31) * P1


def _mix_8(hashes: Any, words: Any) -> Any:
    return _rotate(hashes ^ (_rotate(words * P2, 31) * P1), 27) * P1 + P4


def _mix_4(hashes: Any, words: Any) -> Any:
    return _rotate(hashes ^ (words * P1), 23) * P2 + P3


def _finish(hashes: Any) -> Any:
    hashes = (hashes ^ (hashes >> np.uint64(33))) * P2
    hashes = (hashes ^ (hashes >> np.uint64(29))) * P3
    return hashes ^ (hashes >> np.uint64(32))
