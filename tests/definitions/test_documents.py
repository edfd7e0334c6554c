"""YAML and Python say the same."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import pytest

from palette.definitions import (
    Aggregate,
    BatchSource,
    Entity,
    Feature,
    FeatureGroup,
    RPCSource,
    StreamSource,
    dump_definitions,
    load_definitions,
)
from palette.errors import DefinitionError

ORDERS = BatchSource(
    sql="SELECT * FROM orders",
    every="1h",
    by=["start", "stop"],
    time="ordered_at",
    aggregates=[
        Aggregate("order_value", "sum", windows=["1h", "7d", "28d"]),
        Aggregate("order_value", "percentile", windows=["7d"], at=0.9),
        Aggregate("status", "last", windows=["24h"], dtype="string"),
        Aggregate("*", "count", windows=["1h"], name="orders"),
    ],
)
GROUP = "feature_groups:\n\n- name: g\n  entity: e\n  features: [{name: x, dtype: int}]"
DEFINITIONS = [
    Entity("route", keys={"origin": "string", "dest": "string"}, description="a pair of airports", tags=["air"]),
    FeatureGroup(
        "delays",
        entity="route",
        timestamp="hour",
        created="written",
        ttl=timedelta(hours=36),
        source=BatchSource(sql="SELECT 1", schedule="0 * * * *", lookback=timedelta(days=2)),
        features=[Feature("mean", "double", default=0.0), Feature("first", "timestamp", default="2026-01-01T00:00:00")],
    ),
    FeatureGroup(
        "live",
        entity="route",
        source=StreamSource(topic="t", schema={"a": "int"}, sql="SELECT 1", watermark=timedelta(minutes=1)),
        features=[Feature("v", "array<double>", default=[1.0])],
    ),
    FeatureGroup(
        "called",
        entity="route",
        source=RPCSource(url="http://localhost/{origin}", mapping={"lat": "pos.lat"}),
        features=[Feature("lat", "decimal(9,6)", default="1.5")],
    ),
    FeatureGroup("theirs", entity="route", table="s3a://bucket/trips", features=[Feature("v", "double")]),
    FeatureGroup("orders", entity="route", timestamp="window_end", source=ORDERS, features=ORDERS.features()),
]


def test_dump_then_load_is_identity():
    assert load_definitions(dump_definitions(DEFINITIONS)) == DEFINITIONS


def test_source_without_aggregates_says_nothing_of_them():
    assert "aggregates" not in dump_definitions(DEFINITIONS[:2])


def test_aggregates_are_written_as_people_write_them():
    text = dump_definitions(DEFINITIONS[-1:])
    assert "every: 1h" in text
    assert load_definitions(text)[0].source.aggregates[2].windows == ("24h",)


def test_folder_of_files_loads_entities_first(tmp_path):
    (tmp_path / "a.yaml").write_text(dump_definitions(DEFINITIONS[1:]))
    (tmp_path / "b.yml").write_text(dump_definitions(DEFINITIONS[:1]))
    assert load_definitions(tmp_path) == DEFINITIONS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("entities: [\n", "not YAML", id="syntax"),
        pytest.param("entitys:\n- {name: a}\n", "did you mean 'entities'", id="section"),
        pytest.param("entities:\n- {name: a}\n", "keys is missing", id="missing"),
        pytest.param("entities:\n- just text\n", "keys is missing", id="no-mapping"),
        pytest.param("entities: 3\n\n", "expected lists", id="no-list"),
        pytest.param("entities:\n- {name: a, keys: {k: int}, keys: {j: int}}\n", "duplicate key", id="double-key"),
        pytest.param("entities: &a\n- {name: a, keys: {k: int}}\nfeature_groups: *a\n", "anchors", id="anchor"),
        pytest.param(
            "feature_groups:\n- {name: g, entity: e, timestamp: t, features: [{name: x_sum_1h, dtype: double}], "
            "source: {kind: batch, sql: S, every: 1h, time: at, aggregates: [{column: x, windows: [1h]}]}}\n",
            "Aggregate 'x': function is missing",
            id="aggregate",
        ),
        pytest.param(f"{GROUP}\n  sorce: {{kind: batch}}", "line 3: .*'sorce'; did you mean 'source'", id="word"),
        pytest.param(GROUP.replace("dtype", "dtyp"), "dtype is missing; unknown key 'dtyp'; did you mean", id="typo"),
        pytest.param(
            f"{GROUP}\n  source: {{sql: S}}", r"'g': source: kind is missing .*write kind: batch", id="no-kind"
        ),
        pytest.param(f"{GROUP}\n  source: {{kind: bach, sql: S}}", "'bach'; did you mean 'batch'", id="kind"),
        pytest.param(f"{GROUP}\n  source: {{kind: batch, query: S}}", "BatchSource: unknown key 'query'", id="source"),
        pytest.param(f"{GROUP}\n  source: SELECT 1", "source: expected a mapping", id="source-text"),
        pytest.param(f"{GROUP}\n  tags: {{a: b}}", r"tags: expected a list such as \[a, b\], found \{'a'", id="list"),
        pytest.param(f"{GROUP}\n  tags: [3]", "tags.0: expected a string .*quotes.*, found 3", id="number-for-text"),
        pytest.param(f"{GROUP}\n  ttl: 30", "ttl: 30 has no unit: write 30d", id="no-unit"),
        pytest.param("entities:\n- {name: e, keys: [id]}", "keys: expected a mapping such as", id="no-words"),
        pytest.param("entities:\n\n- {name: e}\n- {name: f, keys: {k: int}}", "3: .*'e': keys is missing", id="line"),
        pytest.param("entities:\n- {name: !!python/name:os.system x, keys: {k: int}}\n", "not YAML", id="python-tag"),
    ],
)
def test_wrong_yaml_is_refused(text, message):
    with pytest.raises(DefinitionError, match=message):
        load_definitions(text)


@pytest.mark.parametrize(
    ("dtype", "written", "default"),
    [
        *(("int", "010", 10), ("int", "0o10", 8), ("int", "0x1F", 31), ("int", "+12", 12), ("double", "1e5", 1e5)),
        *(("double", ".5", 0.5), ("double", "-.inf", -math.inf), ("boolean", "True", True), ("string", "yes", "yes")),
        *(("string", "1:30", "1:30"), ("string", "2026-01-01", "2026-01-01"), ("date", "2026-01-01", date(2026, 1, 1))),
        *(("timestamp", "2026-01-01 10:30:00", datetime(2026, 1, 1, 10, 30)), ("int", "!!int 010", 10)),
    ],
)
def test_values_are_those_of_yaml_1_2(dtype, written, default):
    text = f"\nfeature_groups: [{{name: g, entity: e, features: [{{name: x, dtype: {dtype}, default: {written}}}]}}]"
    (group,) = load_definitions(text)
    assert repr(group.feature("x").default) == repr(default)
    assert load_definitions(dump_definitions([group])) == [group]


@pytest.mark.parametrize(
    ("dtype", "written"),
    [
        ("int", "1:30"),
        ("double", "1:30.5"),
        ("int", "1_000"),
        ("int", "0b11"),
        ("boolean", "yes"),
        ("int", "!!int 1:30"),
    ],
)
def test_values_of_yaml_1_1_are_no_others(dtype, written):
    text = f"\nfeature_groups: [{{name: g, entity: e, features: [{{name: x, dtype: {dtype}, default: {written}}}]}}]"
    with pytest.raises(DefinitionError, match=written.removeprefix("!!int ")):
        load_definitions(text)


def test_features_of_aggregates_need_not_be_written():
    """Those that are written add to them, and one may stand without a list."""
    text = """
feature_groups:
- name: orders
  entity: route
  timestamp: window_end
  tags: money
  features: [{name: order_value_p90_7d, description: dear ones}]
  source:
    kind: batch
    sql: SELECT * FROM orders
    every: 1h
    by: place
    time: ordered_at
    aggregates:
    - {column: order_value, function: sum, windows: [1h, 7d, 28d]}
    - {column: order_value, function: percentile, windows: 7d, at: 0.9, by: [place]}
"""
    (found,) = load_definitions(text)
    assert [one.name for one in found.features] == [one.name for one in found.source.features()]
    assert found.feature("order_value_p90_7d").description == "dear ones"
    assert (found.tags, found.source.by) == (("money",), ("place",))
    (bare,) = load_definitions("\n".join(line for line in text.splitlines() if "features:" not in line))
    assert bare.features == found.source.features()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DefinitionError, match=r"absent\.yaml"):
        load_definitions(tmp_path / "absent.yaml")


def test_error_names_the_file(tmp_path):
    (tmp_path / "bad.yaml").write_text("entities: [{name: basis, keys: {a: int}}]")
    with pytest.raises(DefinitionError, match=r"bad\.yaml.*reserved"):
        load_definitions(tmp_path)


@pytest.mark.parametrize("second", [DEFINITIONS[0], Entity("route", keys={"origin": "string"})], ids=["same", "other"])
def test_name_defined_in_two_files_is_refused_with_both(tmp_path, second):
    (tmp_path / "a.yaml").write_text(dump_definitions(DEFINITIONS[:1]))
    (tmp_path / "b.yaml").write_text(dump_definitions([second]))
    for sources in ([tmp_path], [tmp_path / "a.yaml", tmp_path / "b.yaml"]):
        with pytest.raises(DefinitionError, match=r"entity 'route' is defined twice, in \S+a\.yaml and in \S+b\.yaml"):
            load_definitions(*sources)


def test_name_defined_twice_in_one_text_is_refused():
    group = dump_definitions(DEFINITIONS[-1:])
    with pytest.raises(DefinitionError, match="feature group 'route:orders' is defined twice, in the text;"):
        load_definitions(group + group.partition("\n")[2])


def test_file_named_twice_is_read_once(tmp_path):
    (tmp_path / "a.yaml").write_text(dump_definitions(DEFINITIONS))
    assert load_definitions(tmp_path, tmp_path / "a.yaml") == DEFINITIONS
