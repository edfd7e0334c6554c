"""Rows and keys as bytes: what goes in comes out, and no two things are the same bytes."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import math
import re
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.errors import DataError, StoreError
from palette.online.codec.codec import RowCodec, UnknownSchemaError
from palette.online.codec.keys import is_absent, key_encoder
from palette.online.codec.schema import StoredSchema
from palette.online.table import STATIC, newer
from palette.types import check_value, widens

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["", "\x00", "\ud800", "é", "\uffff", "\U0001f600"])


def integers(bits):
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


DATETIMES = st.datetimes().map(lambda time: time.replace(fold=0))
SCALARS = {
    **{dtype: integers(bits) for dtype, bits in INTEGERS.items()},
    "float": st.floats(width=32),
    "double": st.floats(),
    "boolean": st.booleans(),
    "string": TEXT,
}
VALUES = {
    **SCALARS,
    "timestamp": DATETIMES,
    "date": st.dates(),
    "decimal(10,2)": st.decimals(-(10**7), 10**7, places=2),
    **{f"array<{dtype}>": st.lists(st.none() | values, max_size=6) for dtype, values in SCALARS.items()},
}
TIMES = st.integers(-(1 << 55), 1 << 58)


def schema(types, *, timestamp="ts", created="made", group="e:g"):
    return StoredSchema(
        group, (("id", "string"),), timestamp, created, tuple((f"f{n}", t) for n, t in enumerate(types))
    )


def rows(types):
    return st.tuples(TIMES | st.just(STATIC), st.none() | TIMES, *(st.none() | VALUES[dtype] for dtype in types))


@st.composite
def schemas_and_rows(draw, count=1):
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=9))
    if draw(st.booleans()):
        types = types + ["double"] * draw(st.integers(0, 140))
    return schema(types), [draw(rows(types)) for _ in range(count)]


def same(found, wanted):
    return repr(found) == repr(wanted)


@given(schemas_and_rows())
def test_row_survives(case):
    found, (row,) = case
    codec = RowCodec(found)
    assert same(codec.decode(codec.encode(row)), row)


@given(st.lists(st.sampled_from(["double", "bigint", "boolean", "float"]), min_size=1, max_size=70).flatmap(rows))
def test_row_of_numbers_is_no_larger_than_its_numbers(row):
    types = ["bigint" if isinstance(value, int) and not isinstance(value, bool) else "double" for value in row[2:]]
    row = (*row[:2], *(float(v) if t == "double" and v is not None else v for t, v in zip(types, row[2:], strict=True)))
    codec = RowCodec(schema(types))
    data = codec.encode(row)
    assert same(codec.decode(data), row)
    assert len(data) <= 24 + 8 * len(types) + max(8 if len(types) > 32 else 4, (len(types) + 7) // 8)


@given(schemas_and_rows(count=2), st.booleans())
def test_bytes_win_as_rows_do(case, tie):
    found, (old, new) = case
    new = (*old[:2], *new[2:]) if tie else new
    codec = RowCodec(found)
    assert codec.wins(new, codec.encode(old)) == newer(new, old)


@given(schemas_and_rows(), st.data())
def test_damaged_bytes_are_an_error_or_another_row(case, data):
    found, (row,) = case
    codec = RowCodec(found)
    good = codec.encode(row)
    cut = data.draw(st.integers(0, len(good) - 1))
    with pytest.raises(StoreError, match="e:g"):
        codec.decode(good[:cut])
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    with contextlib.suppress(StoreError):  # no other error
        assert codec.decode(bad) is None or len(codec.decode(bad)) == len(row)


def test_rows_of_older_schemas_decode_by_name():
    older = schema(["double", "string", "bigint"])
    data = RowCodec(older).encode((5, 6, 1.5, "a", 7))
    today = StoredSchema("e:g", older.keys, "ts", "made", (("new", "string"), ("f2", "bigint"), ("f0", "double")))
    codec = RowCodec(today)
    with pytest.raises(UnknownSchemaError, match=older.fingerprint.hex()) as raised:
        codec.decode(data)
    assert raised.value.fingerprint == older.fingerprint
    codec.learn(StoredSchema.parse(older.json))
    assert codec.decode(data) == (5, 6, None, 7, 1.5)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"types": ["double"], "timestamp": "other"}, id="timestamp"),
        pytest.param({"types": ["double"], "group": "e:h"}, id="group"),
    ],
)
def test_nothing_is_left_of_rows_with_other_keys_or_times(changed):
    older, codec = schema(["double"]), RowCodec(schema(**changed))
    codec.learn(older)
    data = RowCodec(older).encode((5, 6, 1.5))
    assert codec.decode(data) is None
    assert codec.wins((0, None, None), data)
    assert codec.wins((0, None, None), RowCodec(older).tombstone(9))


@given(st.data())
def test_widened_rows_decode_exactly_and_back(data):
    """Whatever the types: the wider value equals the narrower one, and comes back as that."""
    pairs = [(one, other) for one in VALUES for other in VALUES if one != other and widens(one, other)]
    narrow, wide = data.draw(st.sampled_from(pairs))
    below, above = schema([narrow], created=None), schema([wide])
    up, down = RowCodec(above), RowCodec(below)
    up.learn(below)
    down.learn(above)
    row = data.draw(rows([narrow]))
    row = (row[0], None, row[2])
    widened = up.decode(down.encode(row))
    assert same(widened[2], check_value(row[2], wide, ""))
    assert same(down.decode(up.encode(widened)), row)


@pytest.mark.parametrize(
    ("narrow", "wide", "value"),
    [
        ("int", "bigint", 1 << 40), ("int", "double", 2.5), ("tinyint", "float", math.inf), ("float", "double", 1e300),
        ("date", "timestamp", dt.datetime(2026, 1, 1, 1)), ("array<int>", "array<bigint>", [1, None, 1 << 40]),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_an_error_for_who_reads_it(narrow, wide, value):
    codec, other = RowCodec(schema([narrow, "string"])), schema([wide, "string"])
    codec.learn(other)
    row = codec.decode(RowCodec(other).encode((5, 6, value, "beside")))
    assert (row[0], row[1], row[3], len(row)) == (5, 6, "beside", 4)
    for read in (lambda: row[2], lambda: [*row], lambda: row.only([2])):
        with pytest.raises(DataError, match=f"e:g: 'f0' is .*, a {re.escape(wide)} that does not fit into"):
            read()
    assert row.only([3]) == (5, 6, value, "beside")
    assert codec.wins((6, None, None, None), RowCodec(other).encode((5, 6, value, "beside")))


def test_rows_of_a_newer_release_are_refused():
    codec = RowCodec(schema(["double"]))
    with pytest.raises(StoreError, match="version 2; this release reads 1"):
        codec.decode(b"\x02" + codec.encode((5, 6, 1.5))[1:])
    with pytest.raises(StoreError, match="version 2"):
        codec.wins((9, 9, 9.0), b"\x02" + codec.encode((5, 6, 1.5))[1:])


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((1, None, "text"), id="type"),
        pytest.param((1, None, 1 << 80), id="size"),
        pytest.param((1, None), id="few"),
        pytest.param((1, None, 1, 2), id="many"),
        pytest.param((None, None, 1), id="time"),
    ],
)
def test_what_is_no_row_of_the_group_is_refused(row):
    with pytest.raises(DataError, match="e:g: not a packed row"):
        RowCodec(schema(["bigint"])).encode(row)


def test_bytes_of_this_release_stay_readable():
    """Bytes as the first release with stores wrote them; if this test fails, stores in use become unreadable."""
    first = schema(["double", "string", "array<double>", "decimal(10,2)", "timestamp", "boolean"])
    row = (10, 20, 0.5, "é", [1.0, None], Decimal("1.50"), dt.datetime(2026, 1, 1), None)
    golden = bytes.fromhex(GOLDEN)
    assert RowCodec(first).decode(golden) == row
    assert RowCodec(first).encode(row) == golden


GOLDEN = (
    "0101ec154f2ec0b6000000000000000a00000000000000143fe0000000000000000000030000001300000004000647484620"
    "4000002074c3a90101003ff00000000000000000000000000000312e3530"
)

KEYS = {
    **{dtype: integers(bits) for dtype, bits in INTEGERS.items()},
    "string": TEXT | st.text(":0123456789", max_size=6),
    "boolean": st.booleans(),
    "timestamp": DATETIMES,
    "date": st.dates(),
}


@st.composite
def typed_keys(draw):
    types = tuple(draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3)))
    key = tuple(draw(KEYS[dtype]) for dtype in types)
    return types, key if len(key) > 1 else key[0]


def classes(types):
    return ["int" if dtype in INTEGERS else dtype for dtype in types]


@given(typed_keys(), typed_keys())
def test_keys_are_the_same_bytes_only_if_they_are_the_same(one, other):
    encoded = [key_encoder(types)(key) for types, key in (one, other)]
    equal = (classes(one[0]), one[1]) == (classes(other[0]), other[1])
    assert (encoded[0] == encoded[1]) == equal


def test_no_two_short_composite_keys_are_the_same_bytes():
    parts = ["".join(signs) for size in range(4) for signs in itertools.product("1:", repeat=size)]
    encode = key_encoder(["string", "string"])
    assert len({encode(pair) for pair in itertools.product(parts, repeat=2)}) == len(parts) ** 2


@pytest.mark.parametrize(
    ("key", "absent"), [(None, True), (("a", None), True), ("", False), (0, False), (("", 0), False)]
)
def test_absent_keys(key, absent):
    assert is_absent(key) == absent


def test_nan_is_kept_and_ties_with_itself():
    codec = RowCodec(schema(["double"]))
    other = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
    assert math.isnan(codec.decode(codec.encode((1, None, other)))[2])
    assert not codec.wins((1, None, other), codec.encode((1, None, math.nan)))
