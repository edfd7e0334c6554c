"""Training sets and scores from table to table."""

from __future__ import annotations

import pytest
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression

from dsl import DSLEstimator
from palette import MLPipeline, MLPipelineModel
from palette.errors import ArgumentError, DataError, DefinitionError
from palette.offline.files.dataframes import read_frame, write_frame
from palette.pipeline.batch_jobs import score_table
from tests.eats import rows_of

pytestmark = pytest.mark.spark
NAMES = {"prep": "restaurant:kitchen:prep:r_id"}


@pytest.fixture(scope="module")
def basis(eats, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("basis") / "orders")
    assert write_frame(eats.orders, path) == eats.orders.count()
    return path


def test_a_training_set_is_what_the_store_gives(spark, eats, basis, tmp_path):
    told = eats.store.write_training_set(basis, NAMES, str(tmp_path / "out"), timestamp="at", status=True)
    found = read_frame(spark, str(tmp_path / "out"))
    expected = eats.store.training_set(eats.orders, NAMES, timestamp="at", status=True)
    assert rows_of(found) == rows_of(expected)
    assert told.rows == eats.orders.count()
    assert told.versions == eats.store.pins(expected)
    assert told.columns == tuple(expected.columns)


def test_a_basis_without_rows_is_no_harm(spark, eats, tmp_path):
    empty = str(tmp_path / "empty")
    write_frame(eats.orders.limit(0), empty)
    told = eats.store.write_training_set(empty, NAMES, str(tmp_path / "out"), timestamp="at")
    assert (told.rows, told.missing) == (0, {"restaurant:kitchen:prep:r_id": 0.0})


def test_scores_are_what_transform_gives(spark, eats, basis, tmp_path):
    pipeline = MLPipeline(
        DSLEstimator(lambdas={"prep_full": "nFill(nVal('restaurant:kitchen:prep:r_id'), 1)"}),
        VectorAssembler(inputCols=["prep_full", "size"], outputCol="features"),
        LinearRegression(labelCol="minutes", maxIter=2),
        store=eats.store,
        timestampCol="at",
    )
    model = pipeline.fit(eats.orders)
    model.save(str(tmp_path / "model"))
    told = score_table(spark, str(tmp_path / "model"), basis, f"parquet:{tmp_path / 'scores'}")
    assert "features" not in told.columns
    expected = {key: row["prediction"] for key, row in rows_of(model.transform(eats.orders)).items()}
    found = rows_of(read_frame(spark, f"parquet:{tmp_path / 'scores'}"))
    assert {key: row["prediction"] for key, row in found.items()} == pytest.approx(expected, nan_ok=True)
    # Out of a CSV file and into one: the same numbers, of columns typed as the model was fitted.
    write_frame(eats.orders, str(tmp_path / "orders.csv"))
    orders, few = str(tmp_path / "orders.csv"), str(tmp_path / "few.csv")
    kept = score_table(spark, str(tmp_path / "model"), orders, few, keep=["id", "prediction"], store=eats.store)
    assert (kept.columns, kept.rows, kept.rows_read) == (("id", "prediction"), told.rows, told.rows_read)
    answers = {row["id"]: row["prediction"] for row in read_frame(spark, few).collect()}
    assert answers == pytest.approx({row["id"]: row["prediction"] for row in found.values()}, nan_ok=True)

    # By its name: what was deployed from that directory, not what is saved there later.
    model.deploy("night", stage="production")
    named = score_table(spark, "model:night", basis, f"parquet:{tmp_path / 'named'}", store=eats.store)
    assert (named.rows, rows_of(read_frame(spark, f"parquet:{tmp_path / 'named'}"))) == (told.rows, found)
    again = model.setStages(model.stages)
    assert again.saved_at == ""
    MLPipelineModel(model.stages).write().overwrite().save(str(tmp_path / "model"))
    with pytest.raises(DefinitionError, match=f"contains another fit, .* instead of {model.uid}"):
        score_table(spark, "model:night@1", basis, str(tmp_path / "none"), store=eats.store)
    with pytest.raises(DefinitionError, match="pass its store"):
        score_table(spark, "model:night", basis, str(tmp_path / "none"))


def test_rows_that_a_model_cannot_take_are_told_by_column(spark, eats, basis, tmp_path):
    few = eats.orders.filter("r_id IN ('r0', 'r1')")
    MLPipeline(StringIndexer(inputCol="r_id", outputCol="place")).fit(few).save(str(tmp_path / "model"))
    message = (
        r"StringIndexer_\w+ does not accept null in column 'r_id' in 1 of 20 rows; "
        r"labels in column 'r_id' that fit did not see in 11 of 20 rows; .*handleInvalid"
    )
    with pytest.raises(DataError, match=message):
        score_table(spark, str(tmp_path / "model"), basis, f"parquet:{tmp_path / 'scores'}")


def test_rows_that_are_there_are_not_lost(spark, tmp_path):
    target, df = str(tmp_path / "t"), spark.range(3)
    assert write_frame(df, target) == 3
    with pytest.raises(ArgumentError, match=r"set mode to append or overwrite \(mode=, --mode\)"):
        write_frame(df, target)
    assert write_frame(df, target, "append") == 3
    assert read_frame(spark, target).count() == 6
    assert write_frame(df, target, "overwrite") == 3
    assert read_frame(spark, target).count() == 3
    with pytest.raises(ArgumentError, match="mode must be one of error, append, overwrite"):
        write_frame(df, target, "replace")


@pytest.mark.parametrize("source", ["", "a b", "x; DROP TABLE y", "a.b.c.d", "delta:", "../etc", "`x`"])
def test_what_is_no_source_is_refused(spark, source):
    with pytest.raises(ArgumentError, match="is not a source of rows"):
        read_frame(spark, source)


@pytest.mark.parametrize(
    "source",
    [
        *("no_such_table", "/no/such.parquet", "delta:/no/such", "a.b.c", "parquet:/etc/hostname", "orc:/etc/hostname"),
        *("parquet:[", "parquet:none://x", "delta:none://u:hunter2@x/y", "parquet:\0", "parquet:" + "x" * 5000),
    ],
    ids=lambda source: ascii(source[:24]),
)
def test_what_is_not_there_is_told(spark, source):
    with pytest.raises(DataError, match=r"cannot be read: .+") as told:
        read_frame(spark, source)
    assert "hunter2" not in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "An error occurred while calling" not in str(told.value)
