"""Files of a new project."""

from __future__ import annotations

__all__ = ["FILES", "INSTALL"]

INSTALL = "palette-features[spark,lmdb,server]"

CONFIG = """\
# The store of this project. Further keys: catalog (PostgreSQL), tables, cache, feeds, models.
path: store
# The online store for serving; for more than one machine redis://HOST:PORT/DB.
online: lmdb:store/online
"""

DEFINITIONS = """\
entities:
- name: restaurant
  description: a place that cooks
  keys: {restaurant_uuid: string}

feature_groups:
- name: order_history
  entity: restaurant
  description: what a kitchen did on the day before
  timestamp: day          # event time: when a value becomes valid
  ttl: 7d                 # an older value is null
  tags: [sample]
  features:
  - {name: prep_time, dtype: double, default: 15.0, description: mean minutes a meal took}
  - {name: n_meal, dtype: bigint, default: 0, description: meals cooked}
  source:
    kind: batch
    schedule: "15 3 * * *"
    lookback: 7d          # days that each run recomputes, for meals that are reported late
    sql: |-
      SELECT restaurant_uuid, date_trunc('day', finished_at) + INTERVAL 1 DAY AS day,
             avg(minutes) AS prep_time, count(*) AS n_meal
      FROM parquet.`data/meals.parquet`
      GROUP BY ALL
"""

TRAIN = '''\
"""Train on history, save, deploy, and score one order without Spark: python train.py"""

from datetime import datetime

from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression

import palette
from dsl import DSLEstimator, nFill, nVal
from palette import FeatureStore, MLPipeline
from palette.serving import LocalPipeline

spark = palette.spark_session()
store = FeatureStore.from_config("palette.yaml")
orders = spark.read.parquet("data/orders.parquet")

model = MLPipeline(
    DSLEstimator(
        lambdas={
            "prep_time": nFill(nVal("restaurant:order_history:prep_time:r_id")),
            "n_meal": nFill(nVal("restaurant:order_history:n_meal:r_id")),
            "size": nVal("basis:order_size"),
        }
    ),
    VectorAssembler(inputCols=["prep_time", "n_meal", "size"], outputCol="features"),
    LinearRegression(labelCol="minutes"),
    store=store,
    timestampCol="ordered_at",
).fit(orders)

model.write().overwrite().save("model")  # for the job that scores tables
deployed = model.deploy("eta", training=orders)
print(f"eta, version {deployed.version}: {deployed.uri}")

now = datetime(2026, 3, 29, 12)
store.snapshot(at=now).save("snapshot")
local = LocalPipeline.load(deployed.uri, store="snapshot")
print(local.score_instance({"r_id": "r07", "order_size": 2}, now=now))
'''

README = """\
# Features of this project

`definitions/` contains the features, `palette.yaml` the configuration of the store. Needs Java 17 and
`pip install 'palette-features[spark,lmdb,server]'`.

```sh
palette plan                                        # what apply would change
palette apply
palette materialize restaurant:order_history        # computes missing intervals, writes them, puts them online
palette search "prep time"
palette select data/orders.parquet --label minutes -t ordered_at --join restaurant=r_id --report report.html
palette training-set data/orders.parquet training_set/ -t ordered_at \\
    -f prep_time=restaurant:order_history:prep_time:r_id
python train.py                                     # trains, deploys version 1 of the model eta, scores an order
palette models eta
palette lineage restaurant:order_history:prep_time  # from the file to the model
palette promote eta 1
python -m palette.jobs score model data/orders.parquet scores/
palette jobs package                                # packages the same jobs for spark-submit on a cluster
palette score model:eta --row '{"r_id": "r07", "order_size": 2}' --now 2026-03-29T12:00:00
palette serve model:eta                             # the version in production, over the online store
```

From another terminal, at a time of the generated data; without `now` the values are older than their `ttl`, and the
model uses the defaults:

```sh
curl -s localhost:8080/v1/models/eta/score \\
    -d '{"row": {"r_id": "r07", "order_size": 2}, "now": "2026-03-29T12:00:00Z"}'
```
"""

FILES = {
    "palette.yaml": CONFIG,
    "definitions/eats.yaml": DEFINITIONS,
    "train.py": TRAIN,
    "README.md": README,
    ".gitignore": "store/\nsnapshot/\ntraining_set/\nmodel/\nscores/\njobs/\nspark-warehouse/\n",
}
