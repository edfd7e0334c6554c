"""What a plan tells of a definition that changes."""

from __future__ import annotations

import datetime as dt

import pytest

from palette.catalog.definitions.field_diff import Difference, differences
from palette.definitions import Aggregate, BatchSource, Feature, FeatureGroup, RPCSource

LONG = "SELECT id, ts, {} AS x FROM orders WHERE city = 'Amsterdam' AND NOT cancelled AND courier IS NOT NULL AND {}"
SUM, MAX = Aggregate("value", "sum", ["1h", "7d"]), Aggregate("value", "max", ["1h"])


def batch(**words):
    return BatchSource(**{"sql": "SELECT 1", **words})


def events(*aggregates, **words):
    return batch(every="1h", time="at", aggregates=aggregates, **words)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        pytest.param(batch(), batch(), (), id="same"),
        pytest.param(batch(), batch(schedule="0 3 * * *"), ("source.schedule: null -> '0 3 * * *'",), id="set"),
        pytest.param(batch(lookback="1d"), batch(lookback="36h"), ("source.lookback: '1d' -> '36h'",), id="span"),
        pytest.param(events(SUM), events(SUM, by="r"), ('source.by: [] -> ["r"]',), id="by"),
        pytest.param(
            batch(sql=LONG.format("a", "p = 1")),
            batch(sql=LONG.format("a", "p = 2")),
            ("source.sql: ...'IS NOT NULL AND p = 1' -> ...'IS NOT NULL AND p = 2'",),
            id="end-of-long-line",
        ),
        pytest.param(
            batch(sql="SELECT a\nFROM t\nWHERE b"),
            batch(sql="SELECT a\nFROM s\nWHERE b\nLIMIT 3"),
            ("source.sql: - 'FROM t'", "source.sql: + 'FROM s'", "source.sql: + 'LIMIT 3'"),
            id="lines",
        ),
        pytest.param(
            batch(sql="SELECT a\nFROM t"),
            batch(sql="SELECT a\nFROM t\n"),
            ("source.sql: 'SELECT a\\nFROM t' -> 'SELECT a\\nFROM t\\n'",),
            id="line-break",
        ),
        pytest.param(
            events(SUM),
            events(SUM, MAX),
            ('source.aggregates: + {"column": "value", "function": "max", "windows": ["1h"]}',),
            id="aggregate",
        ),
        pytest.param(
            RPCSource(url="http://a/{id}", mapping={"x": "a"}),
            RPCSource(url="http://a/{id}", mapping={"x": "b"}, timeout=dt.timedelta(seconds=1)),
            ("source.mapping.x: 'a' -> 'b'", "source.timeout: '100ms' -> '1s'"),
            id="mapping",
        ),
        pytest.param(None, batch(), ("source.kind: null -> 'batch'", "source.sql: null -> 'SELECT 1'"), id="new"),
        pytest.param(
            batch(),
            RPCSource(url="http://a", mapping={"x": "a"}),
            (
                "source.kind: 'batch' -> 'rpc'",
                "source.sql: 'SELECT 1' -> null",
                "source.url: null -> 'http://a'",
                "source.mapping.x: null -> 'a'",
                "source.timeout: null -> '100ms'",
            ),
            id="kind",
        ),
        pytest.param(
            batch(), batch(sql="SELECT '\x1b[2J'"), ("source.sql: 'SELECT 1' -> \"SELECT '\\x1b[2J'\"",), id="hostile"
        ),
    ],
)
def test_source_is_told_by_its_fields(was, now, told):
    groups = [FeatureGroup("g", "e", [Feature("x", "int")]).model_copy(update={"source": one}) for one in (was, now)]
    assert tuple(line for one in differences(*groups, set()) for line in one.lines) == told


def test_machines_are_given_the_whole_values():
    texts = [LONG.format("a", f"p = {number}") for number in (1, 2)]
    assert differences(*(batch(sql=text) for text in texts), set()) == (Difference("sql", *texts),)
