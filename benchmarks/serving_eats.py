"""The eats pipeline with a GBT, fitted once for all serving benchmarks, and the same written by hand."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pyspark.ml.regression import GBTRegressor
from pyspark.sql import SparkSession

from benchmarks.scoring import AT, BATCHES, ORDER, hand_written
from examples import eats_eta
from palette import FeatureStore, MLPipeline
from palette.online import Snapshot
from palette.serving import LocalPipeline

__all__ = ["EatsWorld", "nested_ifs", "same_answer"]


@dataclass(frozen=True)
class EatsWorld:
    """A store with its history, and the pipeline fitted on orders of the first days."""

    spark: SparkSession
    quick: bool

    @cached_property
    def home(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="serving_"))

    @cached_property
    def store(self) -> FeatureStore:
        store = FeatureStore(self.home / "store")
        eats_eta.declare(store)
        return store

    @cached_property
    def model(self) -> Any:
        orders = eats_eta.generate(self.spark, self.store)
        known = orders[orders.ordered_at < eats_eta.START + dt.timedelta(days=10)]
        gbt = GBTRegressor(labelCol="minutes", maxIter=3 if self.quick else 20, maxDepth=5, seed=7)
        pipeline = MLPipeline(*eats_eta.stages(), gbt, store=self.store, timestampCol="ordered_at")
        return pipeline.fit(self.spark.createDataFrame(known.head(1_000 if self.quick else len(known))))

    @cached_property
    def snapshot(self) -> Snapshot:
        _ = self.model  # which writes the history
        return self.store.snapshot(at=AT)

    @cached_property
    def bundle(self) -> Path:
        self.model.save_bundle(self.home / "bundle")
        return self.home / "bundle"

    @cached_property
    def local(self) -> LocalPipeline:
        """What a service holds: the bundle, on a snapshot in memory."""
        return LocalPipeline.load(self.bundle, store=self.snapshot)

    @cached_property
    def row(self) -> Any:
        """The order as a DataFrame of one row."""
        columns = "r_id string, order_size bigint, ordered_at timestamp"
        return self.spark.createDataFrame([(*ORDER.values(), AT)], columns)

    @cached_property
    def by_hand(self) -> Callable[[dict, int], dict]:
        tables = (self.snapshot.table(group).rows for group in BATCHES)
        return hand_written(*tables, nested_ifs(self.model.stages[-1]))

    def orders(self, count: int) -> list[dict[str, Any]]:
        """Return orders at many kitchens."""
        return [
            {"r_id": f"r{number * 7 % eats_eta.RESTAURANTS:03d}", "order_size": 1 + number % 8}
            for number in range(count)
        ]


def nested_ifs(model: Any) -> Callable[..., float]:
    """Return a GBT as a script would write it from Spark's own text of the model: ifs within ifs, numbers in place."""
    text = model.toDebugString
    for old, new in (
        (r"^.*\n", ""),
        (r"  Tree (\d+) \(weight ([-\d.E]+)\):\n", r"    # \1 \2" + "\n"),
        (r"If \(feature (\d+) <= (\S+)\)", r"if f\1 <= \2:"),
        (r"Else \(.*\)", "else:"),
    ):
        text = re.sub(old, new, text, flags=re.MULTILINE, count=0 if old[0] != "^" else 1)
    body, weights = [], []
    for line in text.splitlines():
        if "#" in line:
            weights.append(line.split()[-1])
        else:
            body.append(line.replace("Predict: ", f"t{len(weights) - 1} = "))
    names = ", ".join(f"f{place}" for place in range(model.numFeatures))
    total = " + ".join(f"{weight} * t{place}" for place, weight in enumerate(weights))
    source = "\n".join([f"def predict({names}):", *body, f"    return {total}"])
    found: dict[str, Any] = {}
    exec(source, found)
    return found["predict"]


def same_answer(mine: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two answers are one, but for the last digits of the prediction: a plain sum is no fused one."""
    near = abs(mine["prediction"] - other["prediction"]) <= 1e-12 * abs(other["prediction"])
    return near and {**mine, "prediction": 0} == {**other, "prediction": 0}
