"""What is wrong is refused, as early as can be, by a message that names it and says what to do."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import Binarizer, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator
from pyspark.sql import functions as F

from dsl import DslError, DSLEstimator, DslSyntaxError, DslTypeError, RefError, bVal, iVal, nFill, nVal, sFill, sVal
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, PaletteTransformer
from palette.definitions import GroupSchema
from palette.errors import (
    ArgumentError,
    DataError,
    DefinitionError,
    FeatureNotFoundError,
    MissingColumnError,
    PlanError,
    SchemaError,
    SnapshotError,
)
from tests.eats import NOW, orders

pytestmark = pytest.mark.spark

PREP = "restaurant:kitchen:prep:r_id"


def pipeline(eats, *lambdas, **options):
    return MLPipeline(*(DSLEstimator(lambdas=each) for each in lambdas), store=eats.store, **options)


@pytest.fixture
def entry_points(eats):
    """Every way to ask for features; each refuses a bad name before anything is read."""
    return [
        lambda name: eats.store.training_set(eats.orders, {"x": name}, timestamp="at"),
        lambda name: PaletteTransformer(store=eats.store, features={"x": name}),
        lambda name: pipeline(eats, {"x": nVal(name)}),
        lambda name: MLPipeline(PaletteTransformer(features=[name]), store=eats.store),
        lambda name: eats.store.select_features(eats.orders, "minutes", [name], timestamp="at"),
    ]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        pytest.param("restaurant:kitchen:prepp:r_id", FeatureNotFoundError, "did you mean 'prep'", id="feature"),
        pytest.param("restaurant:kitchn:prep:r_id", FeatureNotFoundError, "'restaurant:kitchen'", id="group"),
        pytest.param("restorant:kitchen:prep:r_id", FeatureNotFoundError, "did you mean 'restaurant'", id="entity"),
        pytest.param("restaurant:kitchen:prep:r_id,region", SchemaError, "needs 1 join keys", id="too-many-keys"),
        pytest.param("route:trips:ride:origin", SchemaError, "origin, dest", id="too-few-keys"),
        pytest.param(
            "route:trips:ride:dest,origin", SchemaError, r"expected origin,dest, found dest,origin", id="swapped"
        ),
        pytest.param("route:trips:ride:dest,region", SchemaError, r"expected region,dest, found", id="partly-swapped"),
        pytest.param("route:trips:ride:region,Origin", SchemaError, r"expected Origin,region, found", id="other-case"),
        pytest.param("restaurant:kitchen:prep", RefError, "found 3 parts", id="three-parts"),
        pytest.param("restaurant:kitchen::r_id", RefError, "the feature is empty", id="empty-part"),
        pytest.param("restaurant:kitchen:prep:r-id", RefError, "the join key 'r-id'", id="bad-join-key"),
        pytest.param("basis:kitchen:prep:r_id", RefError, "basis", id="reserved"),
    ],
)
def test_bad_names_are_refused_everywhere(entry_points, name, error, message):
    for ask in entry_points:
        with pytest.raises(error, match=message):
            ask(name)


@pytest.mark.parametrize(
    ("lambdas", "error", "message"),
    [
        pytest.param({"x": sVal(PREP)}, DslTypeError, r"prep:r_id' is double.*read it with nVal", id="feature-type"),
        pytest.param({"x": nFill(nVal("restaurant:menu:dishes:r_id"))}, DslTypeError, "no declared default",
                     id="no-default"),
        pytest.param({"x": nFill(nVal("basis:size"))}, DslTypeError, "no declared default", id="basis-default"),
        pytest.param({"x": iVal("basis:size"), "y": bVal("basis:size")}, DslTypeError, "basis:size", id="two-types"),
    ],
)  # fmt: skip
def test_types_are_checked_at_construction(eats, lambdas, error, message):
    with pytest.raises(error, match=rf"stage 1 \(DSLEstimator_\w+\): .*{message}"):
        pipeline(eats, lambdas)


def test_types_of_derived_columns_are_checked_at_construction(eats):
    with pytest.raises(DslTypeError, match=r"stage 2 .*'basis:area' is string"):
        pipeline(eats, {"area": sVal("basis:region")}, {"x": nVal("basis:area")})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("nFil(nVal('basis:size'), 1)", DslError, r"did you mean 'nFill'.*line 1, column 1", id="function"),
        pytest.param("nFill(nVal('basis:size'), 1", DslSyntaxError, r"line 1.*\n[^\n]*\n *\^", id="syntax"),
        pytest.param("sFill(nVal('basis:size'), 'x')", DslTypeError, "sFill: .*string.*number", id="argument"),
    ],
)
def test_expressions_are_checked_at_construction(text, error, message):
    with pytest.raises(error, match=rf"lambdas\['x'\].*{message}"):
        DSLEstimator(lambdas={"x": text})


def test_cycles_are_refused_at_construction(eats):
    busy = nVal("region:traffic:busy:area")
    with pytest.raises(PlanError, match=r"cycle: stage 1 .* needs 'region:traffic:busy:area'.*'area' it derives"):
        pipeline(eats, {"area": sVal("basis:region"), "busy": busy})
    with pytest.raises(PlanError, match=r"cycle: stage 1 .*comes from stage 2"):
        pipeline(eats, {"busy": busy}, {"area": "if(nVal('basis:busy') > 1, 'z0', 'z1')"})
    with pytest.raises(PlanError, match=r"put stage 2 .* before it"):
        pipeline(eats, {"busy": busy}, {"area": sVal("basis:region")})


def test_a_pipeline_with_features_needs_a_store():
    with pytest.raises(PlanError, match=rf"needs '{PREP}': pass store="):
        MLPipeline(DSLEstimator(lambdas={"x": nVal(PREP)}))
    with pytest.raises(DataError, match=r"no feature store; pass store="):
        PaletteTransformer(features=[PREP]).store  # noqa: B018
    with pytest.raises(DataError, match=r"no feature store; pass store="):
        MLPipeline(PaletteTransformer(features=[PREP]))
    with pytest.raises(PlanError, match=r"stage 1 is a str, not a Spark ML stage"):
        MLPipeline("nFill(1)")


def test_stages_are_passed_as_elsewhere(eats):
    first, second = (DSLEstimator(lambdas={name: nVal("basis:size")}) for name in ("x", "y"))
    for same in (
        MLPipeline(first, second),
        MLPipeline([first, second]),
        MLPipeline((first, second)),
        MLPipeline(stages=[first, second]),
        MLPipeline().setStages((first, second)),
        MLPipeline().setParams(stages=[first, second]),
    ):
        assert same.getStages() == [first, second]
    assert MLPipeline([]).getStages() == MLPipeline(stages=[]).getStages() == []
    with pytest.raises(PlanError, match="not both: pass the stages as arguments, or all of them in one list"):
        MLPipeline(first, stages=[second])
    with pytest.raises(PlanError, match="found a list among the stages"):
        MLPipeline(first, [second])
    for wrong in (first, "abc", {first: second}):
        for ask in (
            lambda wrong=wrong: MLPipeline(stages=wrong),
            lambda wrong=wrong: MLPipeline().setStages(wrong),
            lambda wrong=wrong: MLPipeline().setParams(stages=wrong),
        ):
            with pytest.raises(PlanError, match=rf"stages is a list of stages, found {type(wrong).__name__}"):
                ask()


def test_point_in_time_is_checked_at_construction(eats):
    with pytest.raises(DefinitionError, match=r"pointInTime is 'event' or 'created', found 'creation'"):
        PaletteTransformer(pointInTime="creation")
    for ask in (
        lambda: PaletteTransformer(store=eats.store, features=["region:traffic:busy:region"], pointInTime="created"),
        lambda: pipeline(eats, {"x": nVal("region:traffic:busy:region")}, pointInTime="created"),
    ):
        with pytest.raises(ArgumentError, match=r"region:traffic.*no created column"):
            ask()


def test_two_features_of_one_name_are_refused():
    with pytest.raises(SchemaError, match=r"both fill column 'prep'; pass a mapping"):
        PaletteTransformer(features=[PREP, "restaurant:kitchen:prep:other"])
    with pytest.raises(SchemaError, match=r"expected a mapping or a list of names"):
        PaletteTransformer(features=PREP)


@pytest.mark.parametrize("column", ["r_id", "area"])
def test_a_missing_column_is_told_before_anything_runs(eats, column):
    """The basis would fail if it were executed; the look-up that misses its key stands behind a statistic."""
    bad = F.when(F.col("id") >= 0, F.raise_error(F.lit("the basis was executed"))).cast("double")
    basis = eats.orders.withColumn("minutes", bad).drop(column)
    first = {"m": "nFill(nVal('basis:minutes'), mean(nVal('basis:minutes')))"}
    second = {"x": nVal("region:traffic:busy:area"), "y": nFill(nVal(PREP))}
    if column == "r_id":
        basis = basis.withColumn("area", F.lit("z0"))
    with pytest.raises(SchemaError, match=rf"stage 2 .*no column '{column}', the join key of '[a-z_:]+{column}'"):
        pipeline(eats, first, second, timestampCol="at").fit(basis)


def test_a_missing_basis_column_is_told_before_anything_runs(eats):
    with pytest.raises(SchemaError, match=r"no column 'sise', 'basis:sise'; did you mean 'size'"):
        pipeline(eats, {"x": nVal("basis:sise")}).fit(eats.orders)
    with pytest.raises(DslError, match=r"column 'sise' is missing; did you mean 'size'"):
        DSLEstimator(lambdas={"x": nVal("basis:sise")}).fit(eats.orders)


def assembled(*columns, **options):
    return [
        VectorAssembler(inputCols=[*columns], outputCol="vector"),
        LinearRegression(**{"featuresCol": "vector", "labelCol": "minutes", "maxIter": 1, **options}),
    ]


def tuned(label, evaluated):
    first, second = assembled("size", labelCol=label)
    evaluator = RegressionEvaluator(labelCol=evaluated)
    return [first, CrossValidator(estimator=second, estimatorParamMaps=[{}], evaluator=evaluator, numFolds=2)]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        pytest.param(lambda: assembled("size", "minuts"), r"1 \(Vec\w+\): .* 'minuts', which its inputCols names; "
                     "did you mean 'minutes'", id="inputCols"),
        pytest.param(lambda: assembled("size", labelCol="minuts"), "'minuts', which its labelCol", id="labelCol"),
        pytest.param(lambda: assembled("size", featuresCol="vec"), "'vec', which its featuresCol names; did you mean "
                     "'vector'", id="featuresCol"),
        pytest.param(lambda: assembled("size", weightCol="wait"), "'wait', which its weightCol", id="weightCol"),
        pytest.param(lambda: [StringIndexer(inputCol="orign", outputCol="i")], "did you mean 'origin'", id="inputCol"),
        pytest.param(lambda: assembled("size")[::-1], r"1 .* no column 'vector', .*; stage 2 \(Vec\w+\) adds it: "
                     "put that stage before", id="order"),
        pytest.param(lambda: tuned("minuts", "minutes"), r"2 \(C\w+\): .*'minuts', which its labelCol", id="tuned"),
        pytest.param(lambda: tuned("minutes", "minuts"), r"2 \(C\w+\): .*'minuts', which its labelCol", id="evaluator"),
        pytest.param(lambda: [SQLTransformer(statement="SELECT *, size AS more FROM __THIS__"),
                              *assembled("more", "sise")], r"2 \(Vec\w+\): .*'sise'.*more", id="after-sql"),
    ],
)  # fmt: skip
def test_a_column_that_a_stage_names_wrongly_is_told(eats, stages, message):
    with pytest.raises(SchemaError, match=rf"stage {message}" if message[0].isdigit() else message):
        MLPipeline(*stages()).fit(eats.orders)


def test_columns_that_spark_resolves_are_not_refused(eats):
    basis = eats.orders.withColumn("point", F.struct("size"))
    added = SQLTransformer(statement="SELECT *, size AS more FROM __THIS__")
    read = DSLEstimator(lambdas={"twice": "nVal('basis:more') * 2"})
    model = MLPipeline(Binarizer(inputCol="MINUTES", outputCol="long"), added, read).fit(basis)
    assert model.transform(basis).columns[-3:] == ["long", "more", "twice"]
    for ask in (model.transform, lambda frame: model.transformSchema(frame.schema)):
        with pytest.raises(SchemaError, match=r"Binarizer_\w+: there is no column 'MINUTES', which its inputCol names"):
            ask(basis.drop("minutes"))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        pytest.param(lambda: assembled("size", "gap"), r"1 \(Vec\w+\) does not accept null in column 'gap' in 5 of "
                     r"20 rows; NaN in column 'gap' in 5 of 20 rows; .*nFill .*Imputer.*'keep' or 'skip'", id="vector"),
        pytest.param(lambda: assembled("size", labelCol="gap"), r"2 \(Lin\w+\) does not accept null in column 'gap' "
                     "in 5 of 20 rows.*leave such rows out", id="label"),
        pytest.param(lambda: [StringIndexer(inputCol="r_id", outputCol="i"), *assembled("i", "size")],
                     r"stage 1 \(StringI\w+\) does not accept null in column 'r_id' in 1 of 20 rows", id="text"),
        pytest.param(lambda: [DSLEstimator(lambdas={"prep": nVal(PREP)}), *assembled("prep", "size")],
                     r"stage 2 \(Vec\w+\) does not accept null in column 'prep' in \d+ of 20 rows", id="looked-up"),
    ],
)  # fmt: skip
def test_values_that_a_stage_cannot_take_are_told_by_column(eats, stages, message):
    gap = F.when(F.col("id") % 4 == 1, F.lit(math.nan)).when(F.col("id") % 4 > 1, F.col("minutes"))
    pipeline = MLPipeline(*stages(), store=eats.store, timestampCol="at")
    with pytest.raises(DataError, match=message) as told:
        pipeline.fit(eats.orders.withColumn("gap", gap))
    assert len(str(told.value.__cause__).splitlines()) == 1
    assert told.value.__suppress_context__


def test_a_join_key_of_the_wrong_type_is_refused(eats):
    with pytest.raises(SchemaError, match=r"join key 'id' is bigint, key 'restaurant_uuid' .* is string: cast"):
        pipeline(eats, {"x": nVal("restaurant:kitchen:prep:id")}, timestampCol="at").fit(eats.orders)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        pytest.param("minutes", "timestamp column 'minutes' is double: cast it", id="number"),
        pytest.param("r_id", "timestamp column 'r_id' is string: cast it", id="text"),
        pytest.param("att", r"timestamp column 'att'.*; did you mean 'at'", id="missing"),
    ],
)
def test_a_timestamp_that_is_none_is_refused(eats, column, message):
    without = pipeline(eats, {"x": nVal("basis:size")}, timestampCol=column)
    for check in (without.fit, lambda frame: without.transformSchema(frame.schema)):
        with pytest.raises(SchemaError, match=message):
            check(eats.orders)
    with pytest.raises(SchemaError, match=message):
        pipeline(eats, {"x": nVal(PREP)}, timestampCol=column).fit(eats.orders)
    with pytest.raises(SchemaError, match=message):
        PaletteTransformer(store=eats.store, features=[PREP], timestampCol=column).transform(eats.orders)


def test_an_output_column_that_exists_is_refused(eats):
    with pytest.raises(SchemaError, match=r"'size' already"):
        PaletteTransformer(store=eats.store, features={"size": PREP}).transform(eats.orders)
    with pytest.raises(DslError, match=r"output column 'size' exists already"):
        pipeline(eats, {"size": nFill(nVal(PREP))}, timestampCol="at").fit(eats.orders)
    with pytest.raises(PlanError, match=r"stage 2 .* adds column 'x', which stage 1 .* adds already"):
        pipeline(eats, {"x": nVal(PREP)}, {"x": nVal("basis:size")})
    with pytest.raises(PlanError, match=r"'X', which stage"):
        pipeline(eats, {"x": nVal(PREP)}, {"X": nVal("basis:size")})
    assembler = VectorAssembler(inputCols=["size"], outputCol="vector")
    with pytest.raises(PlanError, match=r"'vector', which stage"):
        MLPipeline(assembler, assembler.copy())


def test_an_empty_basis_is_refused_by_fit_alone(eats):
    nobody = eats.orders.filter("id < 0")
    learning = [
        pipeline(eats, {"x": "nFill(nVal('basis:size'), mean(nVal('basis:size')))"}),
        MLPipeline(VectorAssembler(inputCols=["size"], outputCol="features"), LinearRegression(labelCol="minutes")),
    ]
    for stage in learning:
        with pytest.raises(DataError, match=r"the basis has no rows, so .* cannot be fitted"):
            stage.fit(nobody)
    model = pipeline(eats, {"x": nFill(nVal(PREP))}, timestampCol="at").fit(nobody)
    assert model.transform(nobody).count() == 0
    assert model.transform(eats.orders).count() == eats.orders.count()


def test_a_group_that_was_never_written_is_told(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    store.apply(Entity("cook", keys={"cook": "string"}), FeatureGroup("skills", "cook", [Feature("stars", "int")]))
    stage = DSLEstimator(lambdas={"x": nVal("cook:skills:stars:r_id")})
    with pytest.raises(DataError, match=r"cook:skills: nothing is written yet; write rows with store\.write"):
        MLPipeline(stage, store=store).fit(orders(spark))


def test_a_drifted_table_is_refused(spark, tmp_path):
    """Somebody changed the table behind the store's back."""
    store = FeatureStore(tmp_path / "store")
    group = FeatureGroup("skills", "cook", [Feature("stars", "int"), Feature("soups", "int")], timestamp="day")
    store.apply(Entity("cook", keys={"cook": "string"}), group)
    day = dt.datetime(2026, 1, 1)
    columns = "cook string, day timestamp, stars int, soups int"
    store.write("cook:skills", spark.createDataFrame([("r0", day, 3, 1)], columns))
    table = store.tables.read(spark, GroupSchema(store.entity("cook"), group))
    path = next(file.parent.parent for file in (tmp_path / "store").rglob("_delta_log/*0.json"))
    drifted = table.withColumn("stars", F.lit("many")).withColumn("soups", F.lit(1))
    drifted.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(str(path))
    stage = DSLEstimator(lambdas={"x": nVal("cook:skills:stars:r_id")})
    with pytest.raises(SchemaError, match=r"cook:skills: column 'stars' is declared int, .* has string: change"):
        MLPipeline(stage, store=store, timestampCol="at").fit(orders(spark)).transform(orders(spark)).collect()
    with pytest.raises(SchemaError, match=r"'stars' is string in the table"):
        store.write("cook:skills", spark.createDataFrame([("r1", day, 4, 1)], columns))
    with pytest.raises(SchemaError, match=r"'stars'"):
        store.snapshot(at=NOW)


def test_rows_that_cannot_be_stored_are_counted_and_nothing_is_written(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    group = FeatureGroup("skills", "cook", [Feature("stars", "int")], timestamp="day")
    store.apply(Entity("cook", keys={"cook": "string"}), group)
    rows = [("r0", NOW, 1), (None, NOW, 2), ("r2", None, 3)]
    with pytest.raises(DataError, match=r"cook:skills: 2 rows have a null in cook, day, nothing was written"):
        store.write("cook:skills", spark.createDataFrame(rows, "cook string, day timestamp, stars int"))
    with pytest.raises(SchemaError, match=r"'stars' is declared int, found string: cast"):
        store.write("cook:skills", spark.createDataFrame([("r", NOW, "1")], "cook string, day timestamp, stars string"))
    with pytest.raises(SchemaError, match=r"column 'star' is not declared; did you mean 'stars'"):
        store.write("cook:skills", spark.createDataFrame([("r", NOW, 1)], "cook string, day timestamp, star int"))
    with pytest.raises(SchemaError, match=r"'day' \(timestamp\) is missing"):
        store.write("cook:skills", spark.createDataFrame([("r", 1)], "cook string, stars int"))
    with pytest.raises(DataError, match="rows is a stream: write each micro-batch"):
        store.write("cook:skills", spark.readStream.format("rate").load())
    assert store.tables.version(spark, group) is None


@pytest.fixture(scope="module")
def model(eats):
    lambdas = {"prep": nFill(nVal(PREP)), "size": nVal("basis:size"), "place": sFill(sVal("basis:region"), "?")}
    return MLPipeline(DSLEstimator(lambdas=lambdas), store=eats.store, timestampCol="at").fit(eats.orders)


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        pytest.param({"size": "3"}, TypeError, r"basis:size: expected number .*found '3'", id="number"),
        pytest.param({"size": True}, TypeError, "basis:size: expected number", id="boolean-as-number"),
        pytest.param({"region": 3}, TypeError, "basis:region: expected string .*found 3", id="string"),
        pytest.param({"r_id": 1}, ValueError, "join key 'r_id'.*expected string, found int 1", id="key"),
    ],
)
def test_wrong_values_of_a_request_are_named(eats, model, row, error, message):
    snapshot = eats.store.snapshot(at=NOW, groups=["restaurant:kitchen"])
    with pytest.raises(error, match=message):
        model.score_instance({"r_id": "r1", "size": 3, "region": "z1"} | row, store=snapshot, now=NOW)


@pytest.mark.parametrize("row", [[], None], ids=["list", "none"])
def test_what_is_no_row_is_named(eats, model, row):
    with pytest.raises(ValueError, match="a row is a mapping"):
        model.score_instance(row, store=eats.store.online, now=NOW)


def test_a_request_with_a_null_key_has_a_missing_feature_and_one_without_is_refused(eats, model):
    snapshot = eats.store.snapshot(at=NOW, groups=["restaurant:kitchen"])
    nulls = {"r_id": None, "size": None, "region": None}
    assert model.score_instance(nulls, store=snapshot, now=NOW) == {"prep": 15.0, "size": None, "place": "?"}
    for column in nulls:
        row = {name: value for name, value in nulls.items() if name != column}
        with pytest.raises(MissingColumnError, match=f"lacks column '{column}'"):
            model.score_instance(row, store=snapshot, now=NOW)
        with pytest.raises((KeyError, TypeError), match=column):
            model.transform(eats.orders.drop(column))


def test_a_snapshot_without_the_group_is_told(eats, model):
    snapshot = eats.store.snapshot(at=NOW, groups=["restaurant:menu"])
    with pytest.raises(SnapshotError, match=r"no group 'restaurant:kitchen'.*store\.snapshot\(groups="):
        model.score_instance({"r_id": "r1"}, store=snapshot, now=NOW)
    with pytest.raises(FeatureNotFoundError, match=r"'restaurant:kitchn'"):
        eats.store.snapshot(at=NOW, groups=["restaurant:kitchn"])


def test_a_snapshot_with_another_type_is_told(spark, eats, model, tmp_path):
    other = FeatureStore(tmp_path / "other")
    group = FeatureGroup("kitchen", "restaurant", [Feature("prep", "string")], timestamp="event_time")
    other.apply(Entity("restaurant", keys={"restaurant_uuid": "string"}), group)
    with pytest.raises(SnapshotError, match=r"model reads 'prep' \(double\), the store has it as string"):
        model.score_instance({"r_id": "r1"}, store=other.online, now=NOW)
