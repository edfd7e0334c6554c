"""Serving: one row and many, in memory and over Redis, against the alternatives; answers are compared first.

``python -m benchmarks.serving [--quick] [--only PART]``; ratios are taken within short turns, the median turn is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.scoring import AT, ORDER
from benchmarks.serving_eats import EatsWorld, same_answer
from benchmarks.serving_load import loads
from benchmarks.serving_models import Fitted, fitted, scores
from benchmarks.serving_stores import over_redis, reads
from benchmarks.table import Result, print_table
from benchmarks.turns import calling, in_turns
from palette.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARTS = ("hand", "batch", "redis", "reads", "models", "load")


def by_hand(world: EatsWorld) -> list[Result]:
    """One row against the same by hand: look-ups, ttl, fills and trees."""
    local, score, now = world.local, world.by_hand, world.snapshot.at
    assert all(
        same_answer(local.score_instance(order, now=AT), score(order, now)) for order in (ORDER, *world.orders(500))
    )
    arms = {
        "score_instance, eats pipeline with GBT, in memory": calling(lambda: local.score_instance(ORDER, now=AT), 500),
        "the same by hand": calling(lambda: score(ORDER, now), 500),
    }
    times = in_turns(arms, 8 if world.quick else 100)
    mine, its = times.values()
    what = "score_instance, eats pipeline with GBT"
    return [Result(what, "the same by hand in Python", mine.over(its), 1.5, slower=True, times=times)]


def batches(world: EatsWorld) -> list[Result]:
    """A batch against row by row, in memory."""
    local, orders = world.local, world.orders(1_000)
    assert local.score_instances(orders, now=AT) == [local.score_instance(order, now=AT) for order in orders]
    arms = {
        "score_instances of 1,000 in memory": calling(lambda: local.score_instances(orders, now=AT), 1),
        "1,000 times score_instance in memory": calling(
            lambda: [local.score_instance(order, now=AT) for order in orders], 1
        ),
    }
    times = in_turns(arms, 8 if world.quick else 100)
    together, apart = times.values()
    what = "score_instances, 1,000 rows in memory, eats pipeline with GBT"
    return [Result(what, "1,000 times score_instance", apart.over(together), 1.2, times=times)]


class _Models:
    """The pipelines over 22 columns, fitted if a part wants them."""

    def __init__(self, spark: SparkSession, *, quick: bool) -> None:
        self._spark, self._quick = spark, quick

    @cached_property
    def pipelines(self) -> list[Fitted]:
        return fitted(self._spark, quick=self._quick)


def run(spark: SparkSession, *, quick: bool = False, only: Iterable[str] = PARTS) -> list[Result]:
    """Measure all parts, or some."""
    world, models = EatsWorld(spark, quick), _Models(spark, quick=quick)
    parts = {
        "hand": lambda: by_hand(world),
        "batch": lambda: batches(world),
        "redis": lambda: over_redis(world),
        "reads": lambda: reads(quick=quick),
        "models": lambda: scores(world, models.pipelines),
        "load": lambda: loads(models.pipelines, quick=quick),
    }
    return [result for part in only for result in parts[part]()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    session = spark_session(**{"spark.log.level": "ERROR"})
    print_table(run(session, quick=arguments.quick, only=arguments.only or PARTS))
