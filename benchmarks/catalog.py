"""The catalog: applying 20,000 features, and searching them beside 8,000 models, on both databases.

``python -m benchmarks.catalog [--quick]``; each kind of question is asked in turn with the others.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import random
import tempfile
import time
from typing import Any

from benchmarks.table import Result, print_table
from benchmarks.turns import Times, Turn, calling, in_turns
from palette.catalog import ModelRecord, SqlCatalog
from palette.catalog.feeds.state import FeedState
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup, RPCSource
from palette.times import utc
from tests.servers.postgres import PostgresServer

WORDS = (
    *("order", "prep", "time", "meal", "courier", "trip", "fare", "rating", "basket"),
    *("menu", "delay", "cancel", "refund", "surge", "demand", "supply", "wait"),
)
SHAPES = ("mean", "sum", "max", "count", "last", "p90", "rate", "share")
# Half of the groups have no source; a few ask a service.
SOURCES = [None] * 5 + [BatchSource(sql="SELECT 1")] * 4 + [RPCSource(url="http://x/{id}", mapping={"a": "a"})]
SEVERAL = {"entity": "entity_3", "dtype": "double", "kind": "batch"}
QUESTIONS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "a rare word": ("641", {}),
    "a common word": ("time", {}),
    "a word in all": ("generated", {}),
    "a letter": ("g", {}),
    "two common words": ("prep time", {}),
    "five common words": ("order prep time meal courier", {}),
    "words, and one that is nowhere": ("generated xyzzy time", {}),
    "five words that never meet": ("count share rate sum last", {}),
    "words that never meet, one in all": ("generated count share", {}),
    "a word that is nowhere": ("xyzzy", {}),
    "nothing asked": (None, {}),
    "entity": (None, {"entity": "entity_3"}),
    "group": (None, {"group": "order_5"}),
    "type": (None, {"dtype": "double"}),
    "kind": (None, {"kind": "rpc"}),
    "kind without a feature": (None, {"kind": "stream"}),
    "owner": (None, {"owner": "team_3"}),
    "tag": (None, {"tag": "tag_5"}),
    "used by a model": (None, {"used_by": "model_17"}),
    "freshness": (None, {"fresher_than": "1d"}),
    "curated": (None, {"curated": True}),
    "not curated": (None, {"curated": False}),
    "a word in all, entity": ("generated", {"entity": "entity_3"}),
    "a word in all, type": ("generated", {"dtype": "double"}),
    "a word in all, kind": ("generated", {"kind": "batch"}),
    "a word in all, owner": ("generated", {"owner": "team_3"}),
    "a word in all, tag": ("generated", {"tag": "tag_5"}),
    "a word in all, used by a model": ("generated", {"used_by": "model_17"}),
    "a word in all, freshness": ("generated", {"fresher_than": "1d"}),
    "a word in all, not curated": ("generated", {"curated": False}),
    "two words, entity, type, kind": ("prep time", SEVERAL),
    "two words and every filter": (
        "prep time",
        {**SEVERAL, "owner": "team_3", "tag": "tag_5", "used_by": "model_17", "fresher_than": "1d", "curated": False},
    ),
}


def generate(catalog: SqlCatalog, *, features: int, models: int) -> tuple[float, float]:
    """Fill a catalog; return the seconds that the features and the models took."""
    drawn = random.Random(7)
    entities = [Entity(f"entity_{n}", keys={"id": "string"}) for n in range(20)]
    groups = []
    for number in range(features // 20):
        names = {f"{'_'.join(drawn.sample(WORDS, 2))}_{drawn.choice(SHAPES)}_{n}d" for n in range(1, 21)}
        groups.append(
            FeatureGroup(
                f"{drawn.choice(WORDS)}_{number}",
                entity=drawn.choice(entities),
                owner=f"team_{number % 50}",
                tags=[f"tag_{number % 30}"],
                source=SOURCES[number % 10],
                features=[
                    Feature(
                        name,
                        drawn.choice(("double", "bigint", "string")),
                        description=f"generated {' '.join(drawn.sample(WORDS, 6))}",
                    )
                    for name in sorted(names)
                ],
            )
        )
    start = time.perf_counter()
    catalog.definitions.apply([*entities, *groups])
    applied = time.perf_counter() - start
    known = [f"{group.full_name}:{feature.name}" for group in groups for feature in group.features]
    start = time.perf_counter()
    catalog.models.record_all(
        ModelRecord(f"model_{n}", dict.fromkeys(drawn.sample(known, min(30, len(known))))) for n in range(models)
    )
    recorded = time.perf_counter() - start
    for group in groups[::5]:
        catalog.feeds.set_state(group.full_name, FeedState(utc(dt.datetime.now(dt.UTC))))
    catalog.features.curate(groups[0].full_name)
    return applied, recorded


def run(*, quick: bool) -> list[Result]:
    """Fill a catalog on each database, and ask it."""
    results = []
    with tempfile.TemporaryDirectory() as home:
        results += measured("SQLite", f"sqlite:///{home}/catalog.db", quick=quick)
    with contextlib.closing(PostgresServer().start()) as server:
        results += measured("PostgreSQL", server.database(), quick=quick)
    return results


def measured(database: str, url: str, *, quick: bool) -> list[Result]:
    """Return what applying takes, and of the slowest kind of question the p95."""
    catalog = SqlCatalog(url)
    features, models = (200, 50) if quick else (20_000, 8_000)
    applied, _ = generate(catalog, features=features, models=models)

    def asking(text: str | None, filters: dict[str, Any]) -> Turn:
        return calling(lambda: catalog.features.search(text, **filters), 1)

    arms = {f"search, {database}: {name}": asking(*question) for name, question in QUESTIONS.items()}
    times = in_turns(arms, 2 if quick else 40)
    catalog.close()
    slowest = max(map(p95, times.values()))
    what = f"search of {features:,} features and {models:,} models, {database}"
    return [
        Result(f"apply of {features:,} features, {database}", "", applied, 60, slower=True, unit=" s"),
        Result(what, "p95 of the slowest kind of question", slowest * 1e3, 50, slower=True, unit=" ms", times=times),
    ]


def p95(times: Times) -> float:
    """Return the 95th percentile of all calls, in seconds, as :class:`Times` shows it."""
    taken = sorted(one for turn in times.turns for one in turn)
    return taken[min(int(len(taken) * 0.95), len(taken) - 1)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    print_table(run(quick=parser.parse_args().quick))
