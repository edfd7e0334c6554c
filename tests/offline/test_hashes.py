"""Hashes of keys in NumPy are those of Spark."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from palette.offline.prepared.hashes import hash_keys

LONG = [0, 1, -1, 42, (1 << 63) - 1, -(1 << 63), 1_700_000_000_000_000]
RANDOM = random.Random(5)
# Each length up to more than two blocks of 32 bytes, and characters of up to four bytes.
TEXTS = ["", *("".join(RANDOM.choice("aZ9 _ßλ漢😀") for _ in range(length)) for length in range(1, 75))]
COLUMNS = {
    "integers": pa.array(LONG * 11)[:75],
    "strings": pa.array(TEXTS),
    "booleans": pa.array([True, False, True] * 25),
}


@pytest.mark.parametrize(
    "names",
    [
        ["integers"],
        ["strings"],
        ["booleans"],
        ["strings", "integers"],
        ["integers", "strings"],
        ["booleans", "strings"],
    ],
    ids=" and ".join,
)
def test_hashes_are_those_of_spark(spark, names):
    table = pa.table({name: COLUMNS[name] for name in names})
    expected = spark.createDataFrame(table).select(F.xxhash64(*names).alias("hash")).toArrow().column("hash")
    assert hash_keys([COLUMNS[name] for name in names]).tolist() == expected.to_pylist()


def test_slices_and_long_offsets_hash_alike():
    texts = COLUMNS["strings"]
    whole = hash_keys([texts])
    assert hash_keys([texts[10:20]]).tolist() == whole[10:20].tolist()
    assert hash_keys([texts.cast(pa.large_string())]).tolist() == whole.tolist()
    assert hash_keys([pa.array([], pa.string())]).tolist() == []
    assert hash_keys([pa.array(["", ""])]).tolist() == [whole[0]] * 2
