"""OpenAPI, and the types of JSON."""

from __future__ import annotations

import datetime as dt
import decimal

import pytest

from palette.errors import DataError
from palette.service.http.openapi import json_type
from palette.serving.json_rows import decoders_of, dumps
from tests.service.asked import Asked, saved, with_changes


def test_the_schema_holds_the_real_columns(tmp_path):
    told = Asked(saved(tmp_path)).get("/openapi.json").json()
    assert {"/v1/models/eta/score", "/v1/models/eta/features", "/metrics"} <= set(told["paths"])
    row = told["components"]["schemas"]["eta.row"]["properties"]
    assert list(row) == ["r_id", "city", "o", "num"]
    assert told["components"]["schemas"]["eta.row"]["required"] == ["r_id", "city", "o", "num"]
    assert row["num"]["anyOf"][0] == {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1}
    assert row["num"]["anyOf"][1] == {"type": "null"}
    assert "security" not in told
    assert told["paths"]["/v1/models/eta/score"]["post"]["responses"].keys() >= {"200", "422", "503"}


def test_tokens_are_in_the_schema(tmp_path):
    token = "a-token-of-sixteen-signs"
    asked = Asked(with_changes(saved(tmp_path), max_rows=7), (token,))
    told = asked.get("/openapi.json", headers={"authorization": f"Bearer {token}"}).json()
    assert told["security"] == [{"token": []}]
    (_, rows) = told["paths"]["/v1/models/eta/score"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "anyOf"
    ]
    assert rows["properties"]["rows"]["maxItems"] == 7


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("date", "2026-01-31", dt.date(2026, 1, 31)),
        ("date", None, None),
        ("decimal(10,2)", "12.50", decimal.Decimal("12.50")),
        ("decimal(10,2)", 12.5, decimal.Decimal("12.5")),
        ("decimal(10,2)", "1.239", decimal.Decimal("1.24")),
        ("decimal(10,2)", -1.005, decimal.Decimal("-1.01")),
        ("decimal(3,0)", 999, decimal.Decimal("999")),
        ("timestamp", "2026-01-31", dt.datetime(2026, 1, 31)),
        ("timestamp_ntz", "2026-01-31T01:00:00-01:00", dt.datetime(2026, 1, 31, 2)),
        ("float", "Infinity", float("inf")),
        ("double", "x", "x"),
        ("array<double>", [1, "-Infinity", None], [1, float("-inf"), None]),
        ("", ["NaN"], ["NaN"]),
        ("", {"a": 1}, {"a": 1}),
    ],
)
def test_values_come_in(dtype, value, expected):
    ((_, decode),) = decoders_of({"c": dtype})
    assert decode(value) == expected
    assert isinstance(json_type(dtype), dict)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("date", "2026-13-01"),
        ("timestamp", "9999-12-31T23:00-05:00"),
        *(("decimal(3,2)", value) for value in ("NaN", "x", "1_0", " 1", "1e99999", "9.995", 10, 1e300)),
    ],
)
def test_values_that_are_none_are_named(dtype, value):
    ((_, decode),) = decoders_of({"c": dtype})
    with pytest.raises(DataError, match="column 'c'"):
        decode(value)


def test_types_that_need_no_decoder_have_none():
    types = ("string", "bigint", "int", "boolean", "array<string>")
    assert decoders_of(dict.fromkeys(types, "string") | {name: name for name in types}) == ()


def test_values_go_out():
    day = {"d": dt.date(2026, 1, 31), "n": decimal.Decimal("1.50"), "t": dt.datetime(2026, 1, 1), "i": 1 << 62}
    assert dumps(day) == b'{"d":"2026-01-31","n":"1.50","t":"2026-01-01T00:00:00Z","i":4611686018427387904}'
    with pytest.raises(TypeError):
        dumps({"x": object()})
