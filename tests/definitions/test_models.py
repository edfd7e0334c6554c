"""Entities, features and groups: what is taken, what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import math

import pytest

from palette.definitions import BatchSource, Entity, Feature, FeatureGroup, duration
from palette.errors import DefinitionError, FeatureNotFoundError

X = [Feature("x", "double")]


def test_entity_key_order_counts():
    assert Entity("route", keys={"a": "int", "b": "int"}) != Entity("route", keys={"b": "int", "a": "int"})
    assert Entity("route", keys={"a": "int", "b": "int"}) == Entity("route", keys={"a": "integer", "b": "INT"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Entity("basis", keys={"a": "int"}), "reserved", id="reserved"),
        pytest.param(lambda: Entity("palette", keys={"a": "int"}), "reserved", id="reserved-palette"),
        pytest.param(lambda: Entity("my entity", keys={"a": "int"}), "must match", id="name"),
        pytest.param(lambda: Entity("e", keys={}), "at least one key", id="no-key"),
        pytest.param(lambda: Entity("e", keys={"a": "double"}), "cannot be double", id="key-type"),
        pytest.param(lambda: Entity("e", keys={"a": "int", "A": "int"}), "differ only by case", id="key-case"),
        pytest.param(lambda: Feature("x", "doubel"), "did you mean 'double'", id="type"),
        pytest.param(lambda: Feature("x", "int", default=2.5), "default: expected int", id="default-type"),
        pytest.param(lambda: Feature("x", "tinyint", default=300), "expected tinyint", id="default-range"),
        pytest.param(lambda: Feature("x", "boolean", default=1), "expected boolean", id="default-boolean"),
        pytest.param(lambda: Feature("x;drop", "int"), "must match", id="feature-name"),
        pytest.param(lambda: FeatureGroup("g", entity="e", features=X[0]), "put it into a list", id="one-feature"),
        pytest.param(lambda: FeatureGroup("g", entity="e", features=[]), "at least one feature", id="no-feature"),
        pytest.param(lambda: FeatureGroup("g", entity="e", features=X, ttl="1d"), "static", id="static-ttl"),
        pytest.param(lambda: FeatureGroup("g", entity="e", features=X, timestamp="x"), "duplicate column", id="clash"),
        pytest.param(
            lambda: FeatureGroup("g", entity="e", features=X, timestamp="t", ttl=dt.timedelta(0)), "positive", id="ttl"
        ),
        pytest.param(
            lambda: FeatureGroup("g", entity="e", features=[*X, Feature("X", "int")]), "differ only by case", id="case"
        ),
        pytest.param(lambda: FeatureGroup("g", entity="e", features=X, owned_by="me"), "owned_by", id="unknown-word"),
        pytest.param(
            lambda: FeatureGroup("g", "e", X, table="data/orders"), "an absolute path or URI", id="table-path"
        ),
        pytest.param(lambda: FeatureGroup("g", "e", X, table="orders"), "neither schema.table nor", id="table-name"),
        pytest.param(
            lambda: FeatureGroup("g", "e", X, table="db.t", source=BatchSource(sql="TABLE t")),
            "not both",
            id="table-source",
        ),
    ],
)
def test_wrong_definition_is_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


@pytest.mark.parametrize(
    ("dtype", "default", "held"),
    [
        ("double", 3, 3.0),
        ("float", 0.1, 0.10000000149011612),
        ("timestamp", "2026-01-02T03:04:05+02:00", dt.datetime(2026, 1, 2, 1, 4, 5)),
        ("date", "2026-01-02", dt.date(2026, 1, 2)),
        ("decimal(5,2)", "1.5", decimal.Decimal("1.50")),
        ("array<float>", [1, 0.1], [1.0, 0.10000000149011612]),
    ],
)
def test_default_is_held_as_its_type(dtype, default, held):
    feature = Feature("x", dtype, default=default)
    assert feature.default == held
    assert type(feature.default) is type(held)


def test_nan_default_survives_json():
    assert Feature("x", "double", default=math.nan).constant == {"float": "nan"}


def test_group_reads_its_time_columns():
    group = FeatureGroup("g", entity="e", features=X, timestamp="t", created="c")
    assert group.readable == {"x": "double", "t": "timestamp", "c": "timestamp"}
    assert group.feature("t").dtype == "timestamp"
    with pytest.raises(FeatureNotFoundError, match="did you mean 'x'"):
        FeatureGroup("g", entity="e", features=[Feature("xs", "int"), *X]).feature("xx")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5h", 5400), ("2w", 1209600), ("250ms", 0.25)])
def test_duration(text, seconds):
    assert duration(text).total_seconds() == seconds


def test_duration_without_unit_is_refused():
    with pytest.raises(ValueError, match="not a duration"):
        duration("30")


@pytest.mark.parametrize(("text", "hours"), [("6h", 6), ("2d", 48), ("P1DT6H", 30)])
def test_lookbacks_are_texts_too(text, hours):
    assert BatchSource(sql="SELECT 1", lookback=text).lookback == dt.timedelta(hours=hours)


def test_a_lookback_that_is_no_span_is_told():
    with pytest.raises(DefinitionError, match="lookback: 'soon' is not a duration"):
        BatchSource(sql="SELECT 1", lookback="soon")
