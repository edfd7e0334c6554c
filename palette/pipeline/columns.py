"""Which columns a Spark ML stage reads and adds, as its Params say."""

from __future__ import annotations

from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import DataType, DoubleType, FloatType, IntegerType, StructType

from palette.errors import SchemaError

__all__ = ["input_columns", "output_columns", "with_outputs"]

# The last two are of xgboost.spark.
INPUTS = ("inputCol", "featuresCol", "inputCols", "features_cols", "base_margin_col")
OUTPUTS = ("outputCol", "outputCols", "rawPredictionCol", "probabilityCol", "predictionCol")
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


def input_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage reads."""
    return _columns(stage, INPUTS)


def output_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage adds.

    Examples
    --------
    >>> from palette import PaletteTransformer
    >>> output_columns(PaletteTransformer(features=["restaurant:menu:dishes:r_id"]))
    ()
    """
    return _columns(stage, OUTPUTS)


def with_outputs(stage: Any, schema: StructType) -> StructType:
    """Return a schema with the columns that a stage, fitted where need be, adds to it.

    Raises
    ------
    SchemaError
        If only ``fit`` tells which columns an estimator adds.
    """
    if hasattr(stage, "transformSchema"):
        return stage.transformSchema(schema)
    if not isinstance(stage, Estimator):
        from palette.session import active_session

        # Spark checks and types the stage itself; of no rows it computes nothing.
        return stage.transform(active_session().createDataFrame([], schema)).schema
    name, added = type(stage).__name__, StructType(list(schema.fields))
    for param in OUTPUTS:
        for column in _columns(stage, (param,)):
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
    return ADDED.get(name) if param in ("outputCol", "outputCols") else VectorUDT()


def _columns(stage: Any, params: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in params:
        if stage.hasParam(f"{name}s") and stage.isSet(f"{name}s"):
            continue  # one column or several; the default of the other names a column that nobody makes
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            found.extend([value] if isinstance(value, str) else value)
    return tuple(column for column in found if column)
