"""What fit does: where it looks up, how often, at which versions, and what stays."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator
from pyspark.sql import functions as F

from dsl import DSLEstimator, mean, nFill, nVal, sFill, sVal
from palette import FeatureStore, MLPipeline, MLPipelineModel, PaletteTransformer
from palette.errors import DataError, LatestValuesWarning
from tests.eats import NOW, START, differences, orders, rows_of, write

pytestmark = pytest.mark.spark

PREP, ZONE = "restaurant:kitchen:prep:r_id", "restaurant:kitchen:zone:r_id"
AREA = DSLEstimator(lambdas={"area": sFill(sVal(ZONE), "z0")})
BUSY = DSLEstimator(lambdas={"busy": nFill(nVal("region:traffic:busy:area"), 0)})


@pytest.fixture
def fresh(spark, tmp_path) -> FeatureStore:
    """A store of one's own, to write to."""
    store = FeatureStore(tmp_path / "store")
    write(spark, store)
    return store


def test_look_ups_stand_where_their_keys_first_exist(eats):
    pipeline = MLPipeline(AREA, BUSY, store=eats.store, timestampCol="at")
    assert pipeline.explain().splitlines() == [
        "basis",
        "  time    'at': events up to then",
        "  lookup  r_id -> kitchen.zone",
        f"  dsl     area = sFill(sVal('{ZONE}'), 'z0')",
        "  lookup  area -> traffic.busy",
        "  dsl     busy = nFill(nVal('region:traffic:busy:area'), 0.0)",
    ]
    by_hand = eats.store.training_set(eats.orders, {"zone": ZONE}, timestamp="at")
    by_hand = by_hand.withColumn("area", F.coalesce("zone", F.lit("z0")))
    by_hand = eats.store.training_set(by_hand, {"busy": "region:traffic:busy:area"}, timestamp="at").drop("zone")
    expected = rows_of(by_hand.withColumn("busy", F.coalesce("busy", F.lit(0.0))))
    assert not differences(expected, rows_of(pipeline.fit(eats.orders).transform(eats.orders)))


def test_a_model_explains_itself(eats):
    assembler = VectorAssembler(inputCols=["busy", "size"], outputCol="vector")
    model = MLPipeline(AREA, BUSY, assembler, store=eats.store, timestampCol="at").fit(eats.orders)
    assert model.explain().splitlines() == [
        "basis",
        "  input   r_id: string",
        "  input   at: timestamp",
        "  input   size: bigint",
        "  time    'at': events up to then",
        "  time    single rows: the latest values in the store that is passed; ttl counts at now=",
        "  lookup  r_id -> restaurant:kitchen: zone (fitted on version 0, ttl 1d)",
        f"  dsl     area = sFill(sVal('{ZONE}'), 'z0')",
        "  lookup  area -> region:traffic: busy (fitted on version 0, ttl 1d)",
        "  dsl     busy = nFill(nVal('region:traffic:busy:area'), 0.0)",
        "  stage   VectorAssembler: busy, size -> vector",
        "  output  area, busy, vector",
    ]
    model.clear(model.timestampCol)
    assert model.explain().splitlines()[3].startswith("  time    none: the latest values of restaurant:kitchen, region")
    explicit = MLPipeline(PaletteTransformer(features=["restaurant:menu:dishes:r_id"]), store=eats.store)
    assert explicit.fit(eats.orders).explain().splitlines()[1:] == [
        "  input   r_id: string",
        "  time    none, not needed",
        "  time    single rows: the latest values in the store that is passed; ttl counts at now=",
        "  lookup  r_id -> restaurant:menu: dishes (fitted on version 0, no ttl)",
        "  output  dishes",
    ]


def test_one_feature_through_two_join_keys_and_a_composite_key(eats):
    there, back, ride = "region:traffic:busy:origin", "region:traffic:busy:dest", "route:trips:ride:origin,dest"
    stage = DSLEstimator(lambdas={"a": nVal(there), "b": nVal(back), "ride": nVal(ride)})
    basis = eats.orders
    found = rows_of(MLPipeline(stage, store=eats.store, timestampCol="at").fit(basis).transform(basis))
    names = {"a": there, "b": back, "ride": ride}
    assert not differences(rows_of(eats.store.training_set(basis, names, timestamp="at")), found)
    assert any(row["a"] != row["b"] for row in found.values())
    assert {row["ride"] for row in found.values() if row["at"]} == {12.5, 14.0}


def test_latest_values_in_training_data_warn(eats):
    """Who forgets the time is warned; groups without event times, and inference, have none to forget."""
    dishes = "restaurant:menu:dishes:r_id"
    for stage in (AREA, PaletteTransformer(features={"zone": ZONE}), PaletteTransformer(features=[dishes, ZONE])):
        pipeline = MLPipeline(stage, store=eats.store)
        told = "  time    none: the latest values of restaurant:kitchen; to train, set timestampCol"
        assert pipeline.explain().splitlines()[1] == told
        with pytest.warns(LatestValuesWarning, match=r"restaurant:kitchen .*Pass timestampCol=") as warned:
            model = pipeline.fit(eats.orders)
        assert warned[0].filename == __file__
        model.transform(eats.orders)
        MLPipeline(stage, store=eats.store, timestampCol="at").fit(eats.orders)
    with pytest.warns(
        LatestValuesWarning, match=r"of restaurant:kitchen are .*Pass timestamp= \(--timestamp\)"
    ) as warned:
        eats.store.training_set(eats.orders, {"n": dishes, "zone": ZONE})
    assert warned[0].filename == __file__
    assert "the latest values of restaurant:kitchen; to train" in eats.store.explain(eats.orders, [dishes, ZONE])
    static = MLPipeline(PaletteTransformer(features=[dishes]), store=eats.store)
    assert static.explain().splitlines()[1] == "  time    none, not needed"
    static.fit(eats.orders)
    eats.store.training_set(eats.orders, [dishes])


@pytest.mark.parametrize("keep", [False, True])
def test_looked_up_values_are_dropped_unless_kept(eats, keep):
    model = MLPipeline(AREA, BUSY, store=eats.store, timestampCol="at", keepFeatures=keep).fit(eats.orders)
    added = [column for column in model.transform(eats.orders).columns if column not in eats.orders.columns]
    assert added == ([ZONE, "area", "region:traffic:busy:area", "busy"] if keep else ["area", "busy"])
    snapshot = eats.store.snapshot(at=NOW)
    assert sorted(model.score_instance({"r_id": "r1"}, store=snapshot, now=NOW)) == sorted(added)


def test_fit_looks_each_row_up_once(spark, eats, tmp_path):
    """Statistics, indexer and regression each run the data; the rows of the basis are made once."""
    log = tmp_path / "rows"

    @F.udf("double")
    def logged(number):
        with Path(log).open("a") as file:
            file.write(f"{number}\n")
        return float(number)

    basis = orders(spark, rows=15).withColumn("size", logged(F.col("id").cast("int")))
    stages = [
        DSLEstimator(lambdas={"prep": nFill(nVal(PREP), mean(nVal(PREP))), "area": sFill(sVal(ZONE), "z0")}),
        StringIndexer(inputCol="area", outputCol="place"),
        DSLEstimator(lambdas={"busy": nFill(nVal("region:traffic:busy:area"), mean(nVal("basis:prep")))}),
        VectorAssembler(inputCols=["prep", "place", "busy", "size"], outputCol="vector"),
        LinearRegression(featuresCol="vector", labelCol="minutes", maxIter=5),
    ]
    MLPipeline(*stages, store=eats.store, timestampCol="at").fit(basis)
    assert sorted(int(line) for line in log.read_text().split()) == list(range(15))


def test_pins_rebuild_the_training_set_after_later_writes(spark, fresh):
    basis = orders(spark)
    pipeline = MLPipeline(AREA, BUSY, store=fresh, timestampCol="at", keepFeatures=True)
    model = pipeline.fit(basis)
    assert model.getPins() == {"region:traffic": 0, "restaurant:kitchen": 0}
    names = {ZONE: ZONE, PREP: PREP}
    before = rows_of(fresh.training_set(basis, names, timestamp="at"))
    late = [(f"r{r}", START + timedelta(hours=h, minutes=1), None, -1.0, 0, "x", True, "z9")
            for r in range(5) for h in range(30)]  # fmt: skip
    fresh.write("restaurant:kitchen", spark.createDataFrame(late, fresh.history("restaurant:kitchen").schema))
    after = rows_of(fresh.training_set(basis, names, timestamp="at"))
    rebuilt = rows_of(fresh.training_set(basis, names, timestamp="at", version=model.getPins()))
    assert differences(before, after)
    assert not differences(before, rebuilt)
    assert differences(rows_of(model.transform(basis)), before), "transform reads what is known now"


def test_fit_reads_explicit_look_ups_at_the_pins_too(spark, fresh):
    basis = orders(spark)
    stage = PaletteTransformer(features={"dishes": "restaurant:menu:dishes:r_id"})
    model = MLPipeline(stage, store=fresh).fit(basis)
    assert model.getPins() == {"restaurant:menu": 0}
    assert model.stages[0].getFeatures() == stage.getFeatures()


def test_a_saved_model_keeps_its_versions_until_it_is_replaced_or_released(spark, fresh, tmp_path):
    model = MLPipeline(AREA, store=fresh, timestampCol="at").fit(orders(spark))
    assert fresh.catalog.pins.all() == {}
    path = str(tmp_path / "model")
    model.save(path)
    assert fresh.catalog.pins.all() == {f"model:{path}": {"restaurant:kitchen": 0}}
    busy = BUSY.copy().setLambdas({"b": nVal("region:traffic:busy:region")})
    newer = MLPipeline(busy, store=fresh, timestampCol="at").fit(orders(spark))
    with pytest.raises(Exception, match="exist"):
        newer.save(path)
    assert fresh.catalog.pins.all() == {f"model:{path}": {"restaurant:kitchen": 0}}, (
        "a save that failed changes no pins"
    )
    newer.write().overwrite().save(path)
    assert fresh.catalog.pins.all() == {f"model:{path}": {"region:traffic": 0}}
    fresh.release(f"model:{path}")
    assert fresh.catalog.pins.all() == {}


def test_vacuum_spares_the_versions_of_a_saved_model(spark, fresh, tmp_path):
    basis = orders(spark)
    model = MLPipeline(AREA, store=fresh, timestampCol="at").fit(basis)
    model.save(str(tmp_path / "model"))
    before = rows_of(fresh.training_set(basis, {"zone": ZONE}, timestamp="at"))
    fresh.optimize("restaurant:kitchen")
    fresh.vacuum("restaurant:kitchen", hours=0)
    again = fresh.training_set(basis, {"zone": ZONE}, timestamp="at", version=model.getPins())
    assert not differences(before, rows_of(again))


def test_what_only_a_statistic_reads_is_not_needed_any_more(eats):
    label = nVal("basis:minutes") * 0 + nVal("region:traffic:busy:region")
    stage = DSLEstimator(lambdas={"prep": nFill(nVal(PREP), mean(label))})
    model = MLPipeline(stage, store=eats.store, timestampCol="at", keepFeatures=True).fit(eats.orders)
    assert model.looked_up == {PREP: PREP}
    unlabelled = eats.orders.drop("minutes", "region")
    expected = rows_of(model.transform(eats.orders).drop("minutes", "region"))
    assert not differences(expected, rows_of(model.transform(unlabelled)))
    snapshot = eats.store.snapshot(at=NOW, groups=["restaurant:kitchen"])
    assert model.score_instance({"r_id": "r0"}, store=snapshot, now=NOW)["prep"] == 16.0


def test_explicit_look_ups_are_used_by_the_expressions_after_them(eats):
    explicit = PaletteTransformer(store=eats.store, features={"p": f"@palette:{PREP}"}, timestampCol="at")
    stage = DSLEstimator(lambdas={"prep": nFill(nVal(PREP))})
    pipeline = MLPipeline(explicit, stage, store=eats.store, timestampCol="at")
    assert "lookup" not in pipeline.explain()
    model = pipeline.fit(eats.orders)
    found = rows_of(model.transform(eats.orders))
    planned = rows_of(MLPipeline(stage, store=eats.store, timestampCol="at").fit(eats.orders).transform(eats.orders))
    assert not differences(
        planned, {key: {name: row[name] for name in row if name != "p"} for key, row in found.items()}
    )
    snapshot = eats.store.snapshot(at=NOW)
    assert model.score_instance({"r_id": "r4"}, store=snapshot, now=NOW) == {"p": 20.0, "prep": 20.0}


def test_explicit_look_ups_take_the_times_of_the_pipeline_unless_they_have_their_own(eats):
    at = F.lit(START + timedelta(hours=6, minutes=2))
    basis = eats.orders.withColumn("at", at).withColumn("before", at - F.expr("INTERVAL 6 HOURS"))
    stages = [
        PaletteTransformer(features={"inherited": PREP}),
        PaletteTransformer(features={"shared": PREP}, store=eats.store),
        PaletteTransformer(features={"event": PREP}, pointInTime="event"),
        PaletteTransformer(features={"earlier": PREP}, timestampCol="before", pointInTime="event"),
    ]
    times = {"timestampCol": "at", "pointInTime": "created"}
    pipeline = MLPipeline(*stages, DSLEstimator(lambdas={"m": mean(nVal(PREP))}), store=eats.store, **times)
    assert pipeline.explain().splitlines()[1:4] == [
        "  time    'at': events up to then that were also written by then (inherited, shared)",
        "  time    'at': events up to then (event)",
        "  time    'before': events up to then (earlier)",
    ]
    model = pipeline.fit(basis)
    row = next(row for row in rows_of(model.transform(basis)).values() if row["r_id"] == "r0")
    told = {"inherited": 10.0, "shared": 10.0, "event": 11.5, "earlier": 10.0}
    assert {name: row[name] for name in told} == told
    # What fit saw, too: the mean is of the values at each row's time.
    known = [found["earlier"] for found in rows_of(model.transform(basis)).values() if found["earlier"] is not None]
    assert row["m"] == pytest.approx(sum(known) / len(known))
    with pytest.raises(TypeError, match=r"no timestamp column 'at'.*clear"):
        model.transform(basis.drop("at"))
    model.clear(model.timestampCol)
    # ttl counts from now: expired.
    assert {row["inherited"] for row in rows_of(model.transform(basis)).values()} == {None}


def test_an_explicit_look_up_keeps_its_column_whatever_its_name(eats):
    explicit = PaletteTransformer(features={PREP: PREP})
    pipeline = MLPipeline(explicit, AREA, store=eats.store, timestampCol="at")
    model = pipeline.fit(eats.orders)
    assert model.transform(eats.orders).columns == [*eats.orders.columns, PREP, "area"]
    assert model.transformSchema(eats.orders.schema).names == [*eats.orders.columns, PREP, "area"]
    assert pipeline.transformSchema(eats.orders.schema).names == [*eats.orders.columns, PREP, "area"]
    assert model.looked_up == {ZONE: ZONE}


class Mine(DSLEstimator):
    """A stage of one's own."""


def test_a_saved_class_is_never_imported(eats, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "pipeline"
    MLPipeline(Pipeline(stages=[Mine(lambdas={"y": "1"})])).save(str(path))
    assert isinstance(MLPipeline.load(str(path)).getStages()[0].getStages()[0], Mine)
    (file,) = path.glob("stages/*/stages/*/metadata/part-*")
    file.write_text(file.read_text().replace(f"{Mine.__module__}.Mine", "stranger.Mine"))
    (file.parent / f".{file.name}.crc").unlink()
    with pytest.raises(DataError, match=r"class 'stranger\.Mine' .*import its module first"):
        MLPipeline.load(str(path))


def test_a_class_that_tuning_saved_is_never_imported(eats, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    tuner = CrossValidator(
        estimator=Pipeline(stages=[Mine(lambdas={"y": "1"})]), estimatorParamMaps=[{}], evaluator=RegressionEvaluator()
    )
    MLPipeline(tuner).save(str(tmp_path / "pipeline"))
    assert isinstance(MLPipeline.load(str(tmp_path / "pipeline")).getStages()[0], CrossValidator)
    (file,) = tmp_path.glob("pipeline/stages/*/estimator/stages/*/metadata/part-*")
    file.write_text(file.read_text().replace(f"{Mine.__module__}.Mine", "stranger.Mine"))
    (file.parent / f".{file.name}.crc").unlink()
    with pytest.raises(DataError, match=r"class 'stranger\.Mine' .*import its module first"):
        MLPipeline.load(str(tmp_path / "pipeline"))


def test_a_column_of_the_basis_may_be_replaced_by_itself(eats):
    stage = DSLEstimator(lambdas={"size": nVal("basis:size") * 2, "half": nVal("basis:size") / 2})
    model = MLPipeline(stage).fit(eats.orders)
    before, after = rows_of(eats.orders), rows_of(model.transform(eats.orders))
    assert model.transform(eats.orders).columns == [*eats.orders.columns, "half"]
    for key, row in after.items():
        assert (row["size"], row["half"]) == (before[key]["size"] * 2.0, before[key]["size"] / 2), (
            "both see the old one"
        )
    assert model.score_instance({"size": 3}) == {"size": 6.0, "half": 1.5}


def test_a_plain_pipeline_finds_features_by_metadata(eats, tmp_path):
    look_up = PaletteTransformer(store=eats.store, features={"p": PREP, "zone": ZONE}, timestampCol="at")
    dsl = DSLEstimator(lambdas={"prep": nFill(nVal(PREP)), "area": sFill(sVal(ZONE), "z0")})
    second = PaletteTransformer(store=eats.store, features={"b": "region:traffic:busy:area"}, timestampCol="at")
    plain = Pipeline(stages=[look_up, dsl, second, BUSY]).fit(eats.orders).transform(eats.orders)
    planned = MLPipeline(dsl, BUSY, store=eats.store, timestampCol="at").fit(eats.orders).transform(eats.orders)
    assert not differences(rows_of(planned), rows_of(plain.drop("p", "zone", "b")))


def test_without_metadata_the_planned_pipeline_still_works(spark, eats):
    """A union loses metadata; MLPipeline binds names to columns itself."""
    basis = eats.orders.filter("id < 5").union(eats.orders.filter("id >= 5"))
    model = MLPipeline(AREA, BUSY, store=eats.store, timestampCol="at").fit(basis)
    assert not differences(rows_of(model.transform(basis)), rows_of(model.transform(eats.orders)))


def test_batch_inference_takes_the_latest_values_once_the_time_is_cleared(spark, eats, tmp_path):
    model = MLPipeline(AREA, BUSY, store=eats.store, timestampCol="at").fit(eats.orders)
    today = orders(spark).drop("at", "minutes")
    with pytest.raises(TypeError, match=r"no timestamp column 'at'.*stage\.clear\(stage\.timestampCol\)"):
        model.transform(today)
    model.clear(model.timestampCol)
    # ttl counts from now, long after these values: all expired.
    assert {row["busy"] for row in rows_of(model.transform(today)).values()} == {0.0}
    menu = MLPipeline(DSLEstimator(lambdas={"n": nVal("restaurant:menu:dishes:r_id")}), store=eats.store)
    assert {row["n"] for row in rows_of(menu.fit(today).transform(today)).values()} == {12.0, 7.0, None}
    explicit = PaletteTransformer(store=eats.store, features=["restaurant:menu:dishes:r_id"], timestampCol="at")
    with pytest.raises(TypeError, match="clear"):
        explicit.transform(today)
    explicit.clear(explicit.timestampCol)
    assert {row["dishes"] for row in rows_of(explicit.transform(today)).values()} == {12, 7, None}


def test_created_counts_only_what_was_written(eats):
    basis = eats.orders.withColumn("at", F.lit(START + timedelta(hours=6, minutes=2)))
    stage = DSLEstimator(lambdas={"prep": nVal(PREP)})
    prep = {}
    for mode in ("event", "created"):
        model = MLPipeline(stage, store=eats.store, timestampCol="at", pointInTime=mode).fit(basis)
        prep[mode] = {row["r_id"]: row["prep"] for row in rows_of(model.transform(basis)).values()}
    assert (prep["event"]["r0"], prep["created"]["r0"]) == (11.5, 10.0)


def test_a_loaded_model_reads_the_store_it_is_given(spark, eats, fresh, tmp_path):
    path = str(tmp_path / "model")
    explicit = PaletteTransformer(store=eats.store, features={"dishes": "restaurant:menu:dishes:r_id"})
    MLPipeline(explicit, AREA, store=eats.store, timestampCol="at").fit(eats.orders).save(path)
    later = START + timedelta(hours=1)
    other = [("r0", later, later, 1.0, 1, "x", True, "elsewhere")]
    fresh.write("restaurant:kitchen", spark.createDataFrame(other, fresh.history("restaurant:kitchen").schema))
    fresh.write(
        "restaurant:menu",
        spark.createDataFrame([("r0", 99, None)], "restaurant_uuid string, dishes int, taste array<float>"),
    )
    asked = spark.createDataFrame([("r0", later)], "r_id string, at timestamp")
    before = MLPipelineModel.load(path).transform(asked).first()
    after = MLPipelineModel.load(path, store=fresh).transform(asked).first()
    assert (before["dishes"], after["dishes"]) == (12, 99)
    assert (before["area"], after["area"]) == ("z0", "elsewhere")
    assert MLPipelineModel.load(path, store=fresh.uri).store.uri == fresh.uri
    eats.store.release(f"model:{path}")


def test_times_with_a_zone_and_dates_are_read_as_utc(spark, eats):
    stage = DSLEstimator(lambdas={"prep": nVal(PREP)})
    model = MLPipeline(stage, store=eats.store, timestampCol="at").fit(eats.orders)
    at = dt.datetime(2026, 3, 2, 0, 0)
    rows = [("r0", at)]
    answers = [
        model.transform(spark.createDataFrame(rows, f"r_id string, at {kind}")).first()["prep"]
        for kind in ("timestamp", "timestamp_ntz")
    ]
    answers.append(model.transform(spark.createDataFrame([("r0", at.date())], "r_id string, at date")).first()["prep"])
    assert answers == [13.0, 13.0, 13.0]
