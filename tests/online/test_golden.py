"""Files and bytes of version 0.1 are read for good, and written the same."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from palette import Snapshot
from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.online.codec.codec import RowCodec
from palette.online.codec.schema import StoredSchema

SAVED = Path(__file__).parent / "golden" / "snapshot-0.1"
NOON = dt.datetime(2026, 1, 1, 12)
SHOP = Entity("shop", keys={"id": "string", "day": "date"})
TYPES = {"x": "double", "n": "int", "s": "string", "v": "array<double>", "t": "timestamp", "tags": "array<string>"}
SALES = FeatureGroup(
    "sales", SHOP, [Feature(name, dtype) for name, dtype in TYPES.items()], timestamp="ts", created="made", ttl="1h"
)
STORED = StoredSchema.from_definitions(GroupSchema(SHOP, SALES))
MICROS = int(NOON.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
FULL = (MICROS, MICROS, -0.0, None, "a\0b", [1.5, None], NOON, ["", None])
FULL_BYTES = (
    "0101d22d90d0b6a900064752550bf00000064752550bf000800000000000000000000000000000040000001300064752550bf0000000000c0274"
    "6100620101003ff800000000000000000000000000000000000200000000ffffffff"
)
BARE = (MICROS, None, 0.5, 7, None, None, None, None)
BARE_BYTES = (
    "0100d22d90d0b6a900064752550bf00000000000000000003fe00000000000000000000700000000000000000000000000000000000000003c"
)


def test_the_schema_of_stored_rows_is_the_same():
    assert STORED.json == (
        '["shop:sales", [["id", "string"], ["day", "date"]], "ts", "made", [["x", "double"], ["n", "int"], '
        '["s", "string"], ["v", "array<double>"], ["t", "timestamp"], ["tags", "array<string>"]]]'
    )
    assert STORED.fingerprint.hex() == "d22d90d0b6a9"
    assert StoredSchema.parse(STORED.json) == STORED


@pytest.mark.parametrize(
    ("row", "stored"), [pytest.param(FULL, FULL_BYTES, id="full"), pytest.param(BARE, BARE_BYTES, id="bare")]
)
def test_the_bytes_of_stored_rows_are_the_same(row, stored):
    codec = RowCodec(STORED)
    assert codec.encode(row).hex() == stored
    assert repr(codec.decode(bytes.fromhex(stored))) == repr(row)


def test_the_bytes_of_deletions_are_the_same():
    assert RowCodec(STORED).tombstone(5).hex() == "0102d22d90d0b6a900000000000000050000000000000000"


@pytest.mark.parametrize("memory_map", [False, True])
def test_a_saved_snapshot_loads(memory_map):
    snapshot = Snapshot.load(SAVED, memory_map=memory_map)
    assert (snapshot.time, snapshot.groups) == (NOON, ("shop:sales",))
    full, bare, missing = snapshot.read(
        {"shop:sales": [("ü", NOON.date()), ("", NOON.date()), ("x", NOON.date())]}, NOON
    )["shop:sales"]
    assert repr(full) == repr({**dict(zip(TYPES, FULL[2:], strict=True)), "ts": NOON, "made": NOON})
    assert repr(bare) == repr({**dict.fromkeys(TYPES), "x": float("nan"), "n": 7, "ts": NOON, "made": None})
    assert set(missing.values()) == {None}
