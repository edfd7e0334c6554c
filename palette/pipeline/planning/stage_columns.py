"""Input and output columns of Spark ML stages, by their Params."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import DataType, DoubleType, FloatType, IntegerType, StructType

from palette.errors import SchemaError
from palette.pipeline.planning.nested_stages import tuned_stages

__all__ = ["INPUTS", "input_columns", "named_columns", "output_columns", "with_outputs"]

# The last two are of xgboost.spark.
INPUTS = ("inputCol", "featuresCol", "inputCols", "features_cols", "base_margin_col")
OUTPUTS = (
    *("outputCol", "outputCols", "topicDistributionCol", "rawPredictionCol", "probabilityCol", "predictionCol"),
    *("linkPredictionCol", "quantilesCol", "leafCol", "varianceCol"),
)
# Python knows what Spark's estimators add only after fit; for these the type is known before.
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
# If the Param of several columns is set, that of one column is ignored, though it has a default.
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
    """Return a schema with the columns that a stage, fitted if necessary, adds to it.

    Raises
    ------
    SchemaError
        If the columns that an estimator adds are known only after fit.
    """
    parts = tuned_stages(stage)
    if parts != [stage]:
        for part in parts:
            schema = with_outputs(part, schema)
        return schema
    if hasattr(stage, "transformSchema"):
        return stage.transformSchema(schema)
    if not isinstance(stage, Estimator):
        from palette.session import active_session

        # Spark validates the stage itself; without rows it computes nothing.
        return stage.transform(active_session().createDataFrame([], schema)).schema
    name, added = type(stage).__name__, StructType(list(schema.fields))
    for param, column in named_columns(stage, OUTPUTS):
        if column in schema.names:
            raise SchemaError(f"{stage.uid} adds column {column!r}, which exists already: set {param}, or drop it")
        dtype = _added(name, param)
        if dtype is None:
            raise SchemaError(f"{stage.uid}: the type of column {column!r} is known only after fit")
        added.add(column, dtype)
    if not output_columns(stage):
        raise SchemaError(f"{stage.uid}: the columns that {name} adds are known only after fit")
    return added


def _added(name: str, param: str) -> DataType | None:
    if param == "predictionCol":
        return PREDICTED.get(name, DoubleType())
    if param in ("linkPredictionCol", "varianceCol"):
        return DoubleType()
    return ADDED.get(name) if param in ("outputCol", "outputCols") else VectorUDT()


def named_columns(stage: Any, params: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each Param of a stage that names columns, with every column that it names."""
    for name in params:
        several = INSTEAD.get(name, f"{name}s")
        if stage.hasParam(several) and stage.isSet(several):
            continue  # one column or several; the default of the other names a column that does not exist
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            yield from ((name, column) for column in ([value] if isinstance(value, str) else value) if column)
