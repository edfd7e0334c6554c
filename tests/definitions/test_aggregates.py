"""Declarations of windowed aggregates: derived names and types, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from palette.definitions import Aggregate, BatchSource, Feature, FeatureGroup
from palette.errors import DefinitionError


def source(*aggregates, **rest):
    return BatchSource(**{"sql": "SELECT 1", "every": "1h", "time": "at", "aggregates": aggregates, **rest})


@pytest.mark.parametrize(
    ("aggregate", "names", "dtype"),
    [
        pytest.param(Aggregate("x", "sum", ["1h", "7d"]), ["x_sum_1h", "x_sum_7d"], "double", id="sum"),
        pytest.param(Aggregate("x", "count", ["24h"]), ["x_count_24h"], "bigint", id="count"),
        pytest.param(Aggregate("*", "count", "1h", name="orders"), ["orders_count_1h"], "bigint", id="events"),
        pytest.param(Aggregate("x", "mean", [timedelta(days=28)]), ["x_mean_28d"], "double", id="timedelta"),
        pytest.param(Aggregate("x", "min", ["1 d"], dtype="long"), ["x_min_1d"], "bigint", id="min"),
        pytest.param(Aggregate("x", "last", ["1d"], dtype="string", name="y"), ["y_last_1d"], "string", id="last"),
        pytest.param(Aggregate("x", "distinct", ["1d"]), ["x_distinct_1d"], "bigint", id="distinct"),
        pytest.param(Aggregate("x", "percentile", ["1d"]), ["x_p50_1d"], "double", id="median"),
        pytest.param(Aggregate("x", "percentile", ["1d"], at=0.999), ["x_p99_9_1d"], "double", id="p999"),
        pytest.param(Aggregate("x", "percentile", ["1d"], at=0.29), ["x_p29_1d"], "double", id="p29"),
    ],
)
def test_features_are_derived(aggregate, names, dtype):
    assert [(feature.name, feature.dtype) for feature in aggregate.features] == [(name, dtype) for name in names]


X = Aggregate("x", "sum", ["1h"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Aggregate("x", "summ", ["1h"]), "Aggregate 'x'.*did you mean 'sum'", id="function"),
        pytest.param(lambda: Aggregate("x", "sum", []), "at least one window", id="no-window"),
        pytest.param(lambda: Aggregate("x", "sum", ["1y"]), "not a duration", id="unit"),
        pytest.param(lambda: Aggregate("x", "sum", ["1.5h"]), "90m for 1.5h", id="point"),
        pytest.param(lambda: Aggregate("x", "sum", ["0h"]), "at least one second", id="zero"),
        pytest.param(lambda: Aggregate("x", "sum", ["24h", "1d"]), "'24h' and '1d' are the same", id="same-window"),
        pytest.param(lambda: Aggregate("x y", "sum", ["1h"]), "must match", id="column"),
        pytest.param(lambda: Aggregate("x", "sum", ["1h"], name="a-b"), "must match", id="name"),
        pytest.param(lambda: Aggregate("*", "count", ["1h"]), "name='orders'", id="events-without-name"),
        pytest.param(lambda: Aggregate("*", "sum", ["1h"], name="all"), "counts events", id="sum-of-events"),
        pytest.param(lambda: Aggregate("x", "percentile", ["1h"], at=1.5), "from 0 to 1", id="at-range"),
        pytest.param(lambda: Aggregate("x", "sum", ["1h"], at=0.9), "at is for percentile", id="at"),
        pytest.param(lambda: Aggregate("x", "sum", ["1h"], dtype="int"), "dtype is for", id="dtype"),
        pytest.param(lambda: Aggregate("x", "max", ["1h"], dtype="doubel"), "did you mean 'double'", id="type"),
        pytest.param(lambda: source(X, every=None), "aggregates need every=", id="no-grid"),
        pytest.param(lambda: source(X, time=None), "time=, the timestamp column", id="no-time"),
        pytest.param(lambda: source(X, every="1ms"), "at least one second", id="fine-grid"),
        pytest.param(lambda: source(X, every="7m"), "'1h' of 'x' is not a multiple of every='7m'", id="off-grid"),
        pytest.param(lambda: source(X, every="1d"), "'1h' of 'x' is not a multiple of every='1d'", id="below-grid"),
        pytest.param(lambda: source(X, X), "duplicate feature 'x_sum_1h'", id="twice"),
        pytest.param(lambda: source(X, Aggregate("X", "max", ["1h"])), "differ only by case", id="column-case"),
        pytest.param(lambda: source(X, by=3), "by: expected a list", id="by-number"),
        pytest.param(lambda: source(X, by=[["a"]]), "by.0: expected a string", id="by-list"),
        pytest.param(lambda: source(X, by=["a", "a"]), "duplicate key column 'a'", id="by"),
        pytest.param(lambda: source(X, by=["a b"]), "must match", id="by-name"),
        pytest.param(lambda: source(X, time="a;b"), "must match", id="time-name"),
        pytest.param(lambda: source(every="1h"), "add aggregates", id="grid-alone"),
        pytest.param(lambda: source("x"), "aggregates.0", id="no-aggregate"),
        pytest.param(
            lambda: source(Aggregate("x", "max", ["1h"]), Aggregate("x", "min", ["1h"], dtype="int")),
            "'x' cannot be both double and int",
            id="two-types",
        ),
        pytest.param(
            lambda: source(Aggregate("x", "sum", ["1h"], by=["a"]), Aggregate("y", "sum", ["1h"], by=["b"])),
            r"same keys, found by=\['a'\] of 'x', \['b'\] of 'y': declare one source for each",
            id="by-of-two",
        ),
        pytest.param(
            lambda: source(Aggregate("x", "sum", ["1h"], by=["b"]), by="a"), "'a'.* of the source", id="by-of-source"
        ),
        pytest.param(lambda: source(X, every=3600), "3600 has no unit: write 30d", id="every-number"),
        pytest.param(lambda: source(X, lookback=2), "lookback: 2 has no unit", id="lookback-number"),
        pytest.param(lambda: source(X, sql=" ; "), "a query is missing", id="empty-query"),
        pytest.param(lambda: BatchSource(), "BatchSource: .*either sql or function", id="no-query"),
    ],
)
def test_wrong_declaration_is_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


ORDERS = source(X, Aggregate("x", "count", ["1h", "2h"]))
DESCRIBED = Feature("x_count_1h", "bigint", description="how many")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param([], ["x_sum_1h", "x_count_1h", "x_count_2h"], id="none"),
        pytest.param([DESCRIBED], ["x_sum_1h", "x_count_1h", "x_count_2h"], id="one"),
        pytest.param([DESCRIBED, *ORDERS.features()[::2]], ["x_count_1h", "x_sum_1h", "x_count_2h"], id="all"),
    ],
)
def test_group_takes_the_features_of_its_source(given, names):
    group = FeatureGroup("orders", entity="e", timestamp="window_end", features=given, source=ORDERS)
    assert [feature.name for feature in group.features] == names
    assert group.feature("x_sum_1h").dtype == "double"
    assert group.feature("x_count_1h").description == ("how many" if given else "")


def test_keys_may_stand_with_an_aggregate():
    """They are the source's; another order or column is another source."""
    keyed = Aggregate("x", "sum", ["1h"], by="r_id")
    assert source(keyed) == source(X, by=["r_id"]) == source(keyed, by="r_id")
    assert source(keyed, Aggregate("y", "sum", ["1h"])).by == ("r_id",)


@pytest.mark.parametrize(
    ("features", "timestamp", "message"),
    [
        pytest.param([Feature("x_sum_1h", "double")], None, "timestamp='window_end'", id="static"),
        pytest.param([Feature("x_sum_2h", "double")], "t", "'x_sum_2h' is not.*did you mean 'x_sum_1h'", id="unknown"),
        pytest.param([Feature("x_sum_1h", "double")] * 2, "t", "duplicate column 'x_sum_1h'", id="twice"),
        pytest.param(["x_sum_1h"], "t", "expected Feature, in YAML {name: .*}, found 'x_sum_1h'", id="text"),
        pytest.param([Feature("x_sum_1h", "float")], "t", "is float, but the source computes double", id="type"),
    ],
)
def test_group_with_a_feature_that_its_source_does_not_compute_is_refused(features, timestamp, message):
    with pytest.raises(DefinitionError, match=message):
        FeatureGroup(
            "orders",
            entity="e",
            timestamp=timestamp,
            features=features,
            source=source(X, Aggregate("y", "sum", ["1h"])),
        )
