"""``python -m benchmarks.catalog [URL]``: apply and search over 20,000 features and 8,000 models."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time

from palette.catalog import ModelRecord, SqlCatalog
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup

WORDS = (
    *("order", "prep", "time", "meal", "courier", "trip", "fare", "rating", "basket"),
    *("menu", "delay", "cancel", "refund", "surge", "demand", "supply", "wait"),
)
SHAPES = ("mean", "sum", "max", "count", "last", "p90", "rate", "share")
ALL = dict.fromkeys(("entity", "group", "dtype", "kind", "owner", "tag", "model", "fresher_than", "curated"))
QUESTIONS = {
    "rare words": ("surge refund p90 28d", {}),
    "two words": ("prep time", {}),
    "a word in all": ("generated", {}),
    "words and filters": ("prep time", {"entity": "entity_3", "dtype": "double", "kind": "batch"}),
    "words and model": ("time", {"model": "model_17"}),
    "filters only": (None, {"owner": "team_3", "tag": "tag_5"}),
    "nothing asked": (None, {}),
    "any of the words": ("prep xyzzy", {}),
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
                source=BatchSource(sql="SELECT 1") if number % 2 else None,
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
    catalog.apply([*entities, *groups])
    applied = time.perf_counter() - start
    known = [f"{group.full_name}:{feature.name}" for group in groups for feature in group.features]
    start = time.perf_counter()
    catalog.record_models(
        ModelRecord(f"model_{n}", dict.fromkeys(drawn.sample(known, min(30, len(known))))) for n in range(models)
    )
    return applied, time.perf_counter() - start


def run(url: str, *, quick: bool = False) -> dict[str, float]:
    """Return milliseconds of each question: the median and, beside it, the slowest."""
    catalog = SqlCatalog(url)
    features, models = (200, 50) if quick else (20_000, 8_000)
    applied, recorded = generate(catalog, features=features, models=models)
    print(f"{features:,} features applied in {applied:.1f} s, {models:,} models in {recorded:.1f} s")
    slowest = {}
    for name, (text, filters) in QUESTIONS.items():
        taken = []
        for _ in range(15):
            start = time.perf_counter()
            found = catalog.search(text, **{**ALL, **filters}, limit=50)
            taken.append((time.perf_counter() - start) * 1000)
        slowest[name] = max(taken[1:])
        median = statistics.median(taken)
        print(f"{name:20} {len(found):3} found, median {median:6.1f} ms, slowest {slowest[name]:6.1f} ms")
    return slowest


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        run(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{home}/catalog.db")
