"""Which columns a Spark ML stage reads and adds, as its Params say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import DataType, DoubleType, FloatType, IntegerType, StructType

from palette.errors import SchemaError
from palette.pipeline.planning.nested_stages import parts_of

__all__ = ["INPUTS", "input_columns", "named_columns", "output_columns", "with_outputs"]

# The last two are of xgboost.spark.
INPUTS = ("inputCol", "featuresCol", "inputCols", "features_cols", "base_margin_col")
OUTPUTS = (
    *("outputCol", "outputCols", "topicDistributionCol", "rawPredictionCol", "probabilityCol", "predictionCol"),
    *("linkPredictionCol", "quantilesCol", "leafCol", "varianceCol"),
)
# What Spark's estimators add is known to Python only after fit. These are told beforehand.
ADDED: dict[str, DataType] = {
    **dict.fromkeys(("StringIndexer", "QuantileDiscretizer"), DoubleType()),
    **dict.fromkeys(
        ("CountVectorizer", "IDF", "MaxAbsScaler", "MinMaxScaler", "OneHotEncoder", "PCA", "RobustScaler",
         "StandardScaler", "VectorIndexer", "Word2Vec"), VectorUDT()
    ),
}  # fmt: skip
PREDICTED: dict[str, DataType] = {
    **dict.fromkeys(("BisectingKMeans", "GaussianMixture", "KMeans"), IntegerType()),
    "ALS": FloatType(),
}
# Where several columns may be named, one is not read, though it has a default.
INSTEAD = {"featuresCol": "features_cols"}


def input_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage reads."""
    return tuple(column for _, column in named_columns(stage, INPUTS))


def output_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage adds.

    Examples
    --------
    >>> from palette import PaletteTransformer
    >>> output_columns(PaletteTransformer(features=["restaurant:menu:dishes:r_id"]))
    ()
    """
    return tuple(column for _, column in named_columns(stage, OUTPUTS))


def with_outputs(stage: Any, schema: StructType) -> StructType:
    """Return a schema with the columns that a stage, fitted where need be, adds to it.

    Raises
    ------
    SchemaError
        If only ``fit`` tells which columns an estimator adds.
    """
    parts = parts_of(stage)
    if parts != [stage]:
        for part in parts:
            schema = with_outputs(part, schema)
        return schema
    if hasattr(stage, "transformSchema"):
        return stage.transformSchema(schema)
    if not isinstance(stage, Estimator):
        from palette.session import active_session

        # Spark checks and types the stage itself; of no rows it computes nothing.
        return stage.transform(active_session().createDataFrame([], schema)).schema
    name, added = type(stage).__name__, StructType(list(schema.fields))
    for param, column in named_columns(stage, OUTPUTS):
        if column in schema.names:
            raise SchemaError(f"{stage.uid} adds column {column!r}, which exists already: set {param}, or drop it")
        dtype = _added(name, param)
        if dtype is None:
            raise SchemaError(f"{stage.uid}: only fit tells of what type column {column!r} is")
        added.add(column, dtype)
    if not output_columns(stage):
        raise SchemaError(f"{stage.uid}: only fit tells which columns {name} adds")
    return added


def _added(name: str, param: str) -> DataType | None:
    if param == "predictionCol":
        return PREDICTED.get(name, DoubleType())
    if param in ("linkPredictionCol", "varianceCol"):
        return DoubleType()
    return ADDED.get(name) if param in ("outputCol", "outputCols") else VectorUDT()


def named_columns(stage: Any, params: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield those of a stage's Params that name columns, each with every column that it names."""
    for name in params:
        several = INSTEAD.get(name, f"{name}s")
        if stage.hasParam(several) and stage.isSet(several):
            continue  # one column or several; the default of the other names a column that nobody makes
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            yield from ((name, column) for column in ([value] if isinstance(value, str) else value) if column)
