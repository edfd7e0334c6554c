"""Selection on generated orders, where it is known what leaks, what is noise and what is doubled."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F
from sklearn.metrics import mutual_info_score

from dsl.errors import RefError
from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.errors import (
    ArgumentError,
    DataError,
    FeatureNotFoundError,
    LatestValuesWarning,
    SchemaError,
)
from palette.selection import sample
from palette.selection.records import REASONS
from tests.selection.shops import ORDERS, H, R, shops

pytestmark = pytest.mark.spark
ALL = ["*", *(f"basis:{name}" for name in ("order_id", "at", "items", "minutes", "seconds", "late"))]
# The reason for everything that cannot be ranked, whatever the label.
ALWAYS = {
    H.format("unit"): "constant",
    H.format("never"): "missing",
    H.format("rarely"): "missing",
    H.format("noise"): "irrelevant",
    H.format("open_late"): "irrelevant",
    H.format("token"): "identifier",
    H.format("embedding"): "type",
    H.format("opened"): "type",
    R.format("today"): "late",
    R.format("yesterday"): "irrelevant",
    R.format("stars"): "irrelevant",
    "shop:place:size:shop_id": "irrelevant",
    "basis:order_id": "identifier",
    "basis:at": "type",
    "basis:items": "irrelevant",
}
PREP, SECONDS, ROUGH, KIND = (H.format(name) for name in ("prep", "prep_seconds", "prep_rough", "kind"))


@pytest.fixture(scope="module")
def world(spark, tmp_path_factory):
    return shops(spark, tmp_path_factory.mktemp("shops"))


@pytest.fixture(scope="module")
def of_minutes(world):
    return world.store.select_features(world.orders, "minutes", ALL, timestamp="at")


@pytest.fixture(scope="module")
def answers(world):
    """The values of the orders with a label, from the store's own training set."""
    names = {name.split(":")[2]: name for name in (PREP, ROUGH, KIND, R.format("stars"))}
    found = world.store.training_set(world.orders, names, timestamp="at").filter("minutes is not null")
    return found.drop("at").toPandas()


def reasons(selection):
    return {one.feature: one.reason for one in selection.left_out}


def test_what_was_planted_is_found(of_minutes):
    expected = ALWAYS | {"basis:minutes": "label", "basis:seconds": "leak", SECONDS: "duplicate"}
    assert reasons(of_minutes) == expected
    assert of_minutes.features == ["basis:late", PREP, KIND, ROUGH]
    assert (of_minutes.label.task, of_minutes.label.bins) == ("regression", 10)
    assert of_minutes.rows + of_minutes.label.nulls == ORDERS
    assert of_minutes.sampled == of_minutes.rows
    assert of_minutes.versions == {"shop:history": 0, "shop:reviews": 0, "shop:place": 0}


def test_every_reason_is_documented(of_minutes):
    guide = (Path(__file__).parents[2] / "docs/selection.md").read_text("utf-8")
    assert [reason for reason in REASONS if f"`{reason}`" not in guide] == []
    assert [one.reason for one in of_minutes.left_out] == sorted(reasons(of_minutes).values(), key=REASONS.index)


def test_reasons_are_sentences(of_minutes):
    why = {one.feature: one.why for one in of_minutes.left_out}
    assert why[H.format("unit")].endswith("of the rows have the value 'min'")
    assert why[H.format("never")] == "100% of the rows have no value"
    assert why["basis:seconds"] == "explains 100% of the label by itself"
    assert why[SECONDS] == f"its bins equal those of {PREP}"
    assert "distinct values in 5," in why["basis:order_id"]
    assert why[R.format("today")].startswith("known only afterwards: by event time it explains ")


def test_classes_and_a_threshold_that_leaks(world):
    found = world.store.select_features(world.orders, "late", ALL, timestamp="at")
    # The threshold of the label lies within a bin of the minutes, so that only finer ones show that they tell it.
    assert reasons(found) == ALWAYS | {
        "basis:late": "label", "basis:seconds": "leak", "basis:minutes": "leak", SECONDS: "duplicate"
    }  # fmt: skip
    assert set(found.features) == {PREP, KIND, ROUGH}
    assert (found.label.task, found.label.bins, found.label.nulls) == ("classification", 2, 0)


def test_only_what_was_written_in_time(world):
    found = world.store.select_features(
        world.orders, "minutes", [R.format("*"), H.format("prep")], timestamp="at", point_in_time="event"
    )
    assert reasons(found)[R.format("today")] == "late"
    found = world.store.select_features(
        world.orders, "minutes", [R.format("*"), "basis:late"], timestamp="at", point_in_time="created"
    )
    assert set(reasons(found).values()) == {"irrelevant"}, "as of that time there is nothing to see"
    everything = world.store.select_features(world.orders, "minutes", ALL, timestamp="at", point_in_time="created")
    assert reasons(everything)[PREP] == "unreadable"
    with pytest.raises(ArgumentError, match="no created column"):
        world.store.select_features(world.orders, "minutes", [PREP], timestamp="at", point_in_time="created")


def codes(values):
    """Bin values by other means: deciles and twentieths of sorted values, counted by rank."""
    if values.dtype == object:
        return values.fillna("?").astype("category").cat.codes.to_numpy()
    bins = 10 if values.name == "minutes" else 20
    known = values.dropna().to_numpy(dtype=float)
    if values.nunique() <= 2 * bins and values.name != "minutes":
        return values.fillna(-1).astype("category").cat.codes.to_numpy()
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.where(values.isna(), -1, np.searchsorted(edges, values.fillna(0).to_numpy(dtype=float)))


def information(one, other):
    """Miller and Madow's correction of scikit-learn's estimate, in bits."""
    cells = [len(set(map(tuple, np.atleast_2d(values).T.tolist()))) for values in (one, other, np.stack([one, other]))]
    plain = mutual_info_score(one, other)
    return max(0.0, plain + (cells[0] + cells[1] - cells[2] - 1) / (2 * len(one))) / math.log(2)


def test_figures_are_those_of_scikit_learn(of_minutes, answers):
    label = codes(answers["minutes"])
    columns = {PREP: "prep", ROUGH: "prep_rough", KIND: "kind", "basis:late": "late"}
    found = {one.feature: one for one in of_minutes.ranked}
    coded = {name: codes(answers[column]) for name, column in columns.items()}
    left, chosen = set(columns), []
    for place in of_minutes.ranked:
        assert place.relevance == pytest.approx(information(coded[place.feature], label), abs=1e-9)
    while left:
        shared = {name: np.mean([information(coded[name], coded[one]) for one in chosen] or [0.0]) for name in left}
        best = max(left, key=lambda name: found[name].relevance - shared[name])
        assert found[best].rank == len(chosen) + 1
        assert found[best].redundancy == pytest.approx(shared[best], abs=1e-9)
        chosen.append(best)
        left.discard(best)
    counts = np.bincount(label) / len(label)
    assert of_minutes.label.entropy == pytest.approx(-(counts @ np.log2(counts)) + 9 / (2 * len(label) * math.log(2)))
    assert found[ROUGH].nulls == pytest.approx(answers["prep_rough"].isna().mean())
    assert found[KIND].distinct == 6


def test_rows_in_another_order_and_other_partitions(world, of_minutes):
    shuffled = world.orders.orderBy(F.desc("items"), "minutes").repartition(7, "order_id")
    assert world.store.select_features(shuffled, "minutes", ALL, timestamp="at") == of_minutes


def test_a_sample_is_enough_and_the_same_each_time(world, of_minutes, monkeypatch):
    monkeypatch.setattr(sample, "ROWS", 3000)
    found = world.store.select_features(world.orders, "minutes", ALL, timestamp="at")
    assert 2700 < found.sampled < 3300
    assert found.rows == of_minutes.rows
    assert reasons(found) == reasons(of_minutes)
    exact = {one.feature: one.relevance for one in of_minutes.ranked}
    for one in found.ranked:
        assert one.relevance == pytest.approx(exact[one.feature], rel=0.05)
    shuffled = world.orders.orderBy("items").repartition(5, "order_id")
    assert world.store.select_features(shuffled, "minutes", ALL, timestamp="at") == found


def test_count_and_relevance_alone(world, of_minutes):
    found = world.store.select_features(world.orders, "minutes", ALL, timestamp="at", count=2, method="relevance")
    assert len(found.features) == 2
    assert [one.rank for one in found.ranked] == list(range(1, len(found.ranked) + 1))
    relevances = [one.relevance for one in found.ranked]
    assert relevances == sorted(relevances, reverse=True)
    assert [one.score for one in found.ranked] == relevances
    assert of_minutes.passes <= 2


def test_limits_are_the_callers(world):
    found = world.store.select_features(
        world.orders, "late", ALL, timestamp="at", constant=1.5, missing=1.5, identifier=1.5, leak=1.5
    )
    assert not {"constant", "missing", "identifier", "leak"} & set(reasons(found).values())
    assert {"basis:minutes", "basis:seconds"} & set(found.features)


def test_join_keys_of_other_names(world):
    orders = world.orders.withColumnsRenamed({"shop_id": "here"}).withColumn("there", F.lit("s1"))
    with pytest.raises(ArgumentError, match=r"there are no candidates: name columns .* \(join="):
        world.store.select_features(orders, "minutes", timestamp="at")
    found = world.store.select_features(
        orders, "minutes", timestamp="at", join={"shop": ["here", "there"]}, count=1, method="relevance"
    )
    assert found.features == ["shop:history:prep:here"]
    assert reasons(found)["shop:place:size:there"] == "constant"
    assert world.store.training_set(orders, found.columns, timestamp="at").columns[-1] == "prep"


def test_looked_up_by_the_label(world):
    orders = world.orders.withColumn("sold_by", F.col("shop_id"))
    names = ["shop:history:prep:sold_by", "shop:history:prep:shop_id"]
    found = world.store.select_features(orders, "sold_by", names, timestamp="at")
    assert reasons(found)[names[0]] == "leak"


def test_without_time_it_is_told_that_values_are_of_now(world):
    with pytest.warns(LatestValuesWarning, match="the latest values of shop:history") as warned:
        found = world.store.select_features(world.orders, "late", [H.format("*")])
    assert warned[0].filename == __file__
    assert found.notes[0].startswith("No timestamp was named")
    assert found.features == [], "the latest values tell nothing here"


@pytest.mark.parametrize(
    ("label", "candidates", "options", "error", "message"),
    [
        ("minuts", None, {}, SchemaError, "label 'minuts'.*did you mean 'minutes'"),
        ("at", None, {}, SchemaError, "label 'at' is timestamp: expected a number"),
        ("minutes", [], {}, ArgumentError, "there are no candidates"),
        ("minutes", ["basis:minutes"], {}, ArgumentError, "none of the 1 candidates can be ranked"),
        ("minutes", ["basis:itemz"], {}, SchemaError, "did you mean 'items'"),
        ("minutes", ["shop:history:perp:shop_id"], {}, FeatureNotFoundError, "did you mean 'prep'"),
        ("minutes", ["shop:histry:*:shop_id"], {}, FeatureNotFoundError, "did you mean 'shop:history'"),
        ("minutes", ["shop:history:prep"], {}, RefError, "found 3 parts"),
        ("minutes", "basis:items", {}, ArgumentError, "expected a list of names"),
        ("minutes", [PREP], {"timestamp": "att"}, SchemaError, "timestamp column 'att'"),
        ("minutes", [PREP], {"method": "best"}, ArgumentError, "method: expected one of"),
        ("minutes", [PREP], {"count": 0}, ArgumentError, "count: expected an integer from 1, found 0"),
        ("minutes", [PREP], {"bins": 1}, ArgumentError, "bins: expected an integer from 2 to 1000, found 1"),
        ("minutes", [PREP], {"leak": -1.0}, ArgumentError, "leak: expected a share above 0, found -1.0"),
        ("late", [PREP], {"task": "regression"}, SchemaError, "label 'late' is boolean, which is not a quantity"),
        ("minutes", None, {"join": {"shoop": "shop_id"}}, FeatureNotFoundError, "did you mean 'shop'"),
        ("minutes", None, {"join": {"shop": "shop"}}, SchemaError, "join key 'shop'"),
        ("minutes", None, {"join": {"shop": "shop_id,at"}}, SchemaError, "has the keys shop_id"),
        ("minutes", ["shop:history:prep:items"], {}, SchemaError, "join key 'items' is bigint"),
        ("minutes", [PREP], {"version": {"shop:history": 9}}, DataError, "there is no version 9"),
        ("minutes", [PREP], {"hint": "fly"}, ArgumentError, "hint must be"),
    ],
)
def test_what_cannot_be_is_told(world, label, candidates, options, error, message):
    with pytest.raises(error, match=message):
        world.store.select_features(world.orders, label, candidates, **{"timestamp": "at", **options})


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("1.5D", "is the same in all of"),
        ("CAST(NULL AS DOUBLE)", "is null in all of 6,000 rows"),
        ("double('NaN')", "is null in all of 6,000 rows"),
    ],
)
def test_labels_that_tell_nothing(world, label, message):
    with pytest.raises(DataError, match=message):
        world.store.select_features(world.orders.withColumn("y", F.expr(label)), "y", ["basis:items"])


def test_no_rows(world):
    with pytest.raises(DataError, match="the basis is empty"):
        world.store.select_features(world.orders.limit(0), "minutes", ["basis:items"])


def test_a_rare_class_that_no_sample_has(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "ROWS", 100)
    rows = spark.range(20_000).selectExpr("id % 97 AS x", "id < 5 AS fraud", "id * 1D AS id", "if(id < 5, 7.5D, 0D) z")
    found = FeatureStore(tmp_path).select_features(rows, "fraud", ["basis:x", "basis:z"])
    assert reasons(found) == {"basis:x": "irrelevant", "basis:z": "constant"}
    assert found.label.bins == 2
    found = FeatureStore(tmp_path).select_features(rows, "fraud", ["basis:x", "basis:z"], constant=1.1)
    assert reasons(found) == {"basis:x": "irrelevant", "basis:z": "leak"}


def written(spark, tmp_path, when):
    """Return a store with a feature that tells the label of its day, and rows; ``when`` it was written is SQL."""
    store = FeatureStore(tmp_path / "store")
    features = [Feature("x", "double")]
    group = FeatureGroup("g", entity="e", timestamp="t", created="c", features=features)
    store.apply(Entity("e", keys={"k": "bigint"}), group)
    day = "timestamp_micros(1770000000000000 + id DIV 20 * 86400000000)"
    rows = spark.range(2000).selectExpr("id % 20 AS k", f"{day} AS t", "rand(3) AS x").cache()
    store.write("e:g", rows.selectExpr("*", f"{when} AS c"))
    return store, rows.selectExpr("k", "t + INTERVAL 1 HOUR AS at", "x + rand(4) AS y")


def test_a_backfill_is_no_leak_and_is_told(spark, tmp_path):
    store, rows = written(spark, tmp_path, "TIMESTAMP '2027-01-01'")
    found = store.select_features(rows, "y", timestamp="at")
    assert found.features == ["e:g:x:k"]
    (note,) = found.notes
    assert note.startswith("Nothing of e:g was written before the last row of the basis")


def test_a_backfill_in_between_is_no_leak(spark, tmp_path):
    store, rows = written(spark, tmp_path, "greatest(t, TIMESTAMP '2026-04-01')")
    found = store.select_features(rows, "y", timestamp="at")
    assert (found.features, found.notes) == (["e:g:x:k"], ())


def test_what_is_written_only_after_each_row_is_late(spark, tmp_path):
    store, rows = written(spark, tmp_path, "t + INTERVAL 26 HOURS")
    (told,) = store.select_features(rows, "y", timestamp="at").left_out
    assert (told.reason, told.why[:21]) == ("late", "known only afterwards")


def test_what_was_never_written_in_time_is_late(spark, tmp_path):
    store, rows = written(spark, tmp_path, "t + INTERVAL 1 HOUR")
    (told,) = store.select_features(rows.filter("at < '2026-02-03'"), "y", timestamp="at").left_out
    assert told.reason in ("late", "irrelevant")


def test_groups_that_cannot_be_read_are_left_out_unless_named(world, spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    store.apply(
        Entity("shop", keys={"shop_id": "string"}),
        FeatureGroup("new", entity="shop", features=[Feature("x", "double")]),
        FeatureGroup("old", entity="shop", features=[Feature("y", "double")]),
    )
    store.write("shop:old", spark.sql("SELECT 's' || id AS shop_id, id * 1D AS y FROM range(40)"))
    store.apply(FeatureGroup("old", entity="shop", features=[Feature("y", "double"), Feature("z", "double")]))
    store.catalog.features.deprecate("shop:old:y", "use z")
    found = store.select_features(world.orders, "late", ALL, timestamp="at")
    why = {one.feature: (one.reason, one.why) for one in found.left_out}
    assert why["shop:old:y:shop_id"] == ("deprecated", "use z")
    assert why["shop:new:x:shop_id"][0] == why["shop:old:z:shop_id"][0] == "unreadable"
    assert "nothing is written yet" in why["shop:new:x:shop_id"][1]
    with pytest.raises(DataError, match="nothing is written yet"):
        store.select_features(world.orders, "late", ["shop:new:x:shop_id"])


def test_steps_are_told_and_nothing_stays_cached(world, spark):
    cached = spark.sparkContext._jsc.getPersistentRDDs
    before, steps = cached().size(), []
    world.store.select_features(world.orders, "late", [KIND], timestamp="at", progress=steps.append)
    assert [one.phase for one in steps] == ["label", "sample", "relevance", "redundancy", "done"]
    assert [one.step for one in steps] == [0, 1, 2, 3, 4]
    assert cached().size() == before
