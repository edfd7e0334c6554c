"""The usual feature stages one after the other, out of a pipeline that Spark saved."""

from __future__ import annotations

import math

from pyspark.ml import Pipeline
from pyspark.ml.feature import (
    Bucketizer,
    Imputer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
)

from palette.serving import LocalPipeline

NAN, INF = math.nan, math.inf
ROWS = [
    ("a", 1.5, 7.0),
    ("b", None, -2.0),
    ("a", NAN, 0.0),
    (None, -0.0, 3.5),
    (" ", 2.25, NAN),
    ("ß", 1e9, 1e-3),
]
NEW = [("zebra", None, 100.0), (None, NAN, None), ("a", INF, -INF)]


def test_equals_sparks(spark, tmp_path):
    schema = "s string, x double, y double"
    df = spark.createDataFrame(ROWS, schema)
    stages = [
        StringIndexer(inputCol="s", outputCol="i", handleInvalid="keep"),
        OneHotEncoder(inputCol="i", outputCol="o", handleInvalid="keep"),
        Imputer(inputCols=["x", "y"], outputCols=["xf", "yf"], strategy="median"),
        Bucketizer(inputCol="yf", outputCol="b", splits=[-INF, -1.0, 1.0, INF]),
        VectorAssembler(inputCols=["o", "xf", "yf", "b", "i"], outputCol="v"),
        StandardScaler(inputCol="v", outputCol="w", withMean=True),
        MinMaxScaler(inputCol="v", outputCol="m"),
    ]
    model = Pipeline(stages=stages).fit(df)
    model.save(str(tmp_path / "model"))
    local = LocalPipeline.load(tmp_path / "model")
    columns = [column for column in model.transform(df).columns if column not in df.columns]
    for row in model.transform(df.union(spark.createDataFrame(NEW, schema))).collect():
        found = local.score_instance({column: row[column] for column in ("s", "x", "y")})
        assert list(found) == columns
        for column in columns:
            value = row[column].toArray().tolist() if hasattr(row[column], "toArray") else [row[column]]
            pairs = zip(found[column] if isinstance(found[column], list) else [found[column]], value, strict=True)
            assert all(one == other or (one != one and other != other) for one, other in pairs), (row, column, found)
