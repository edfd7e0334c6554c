"""Feast's side of the feature reads: a script that runs in Feast's own environment.

``python feast_reads.py HOST:PORT ENTITIES`` writes the features to that Redis, checks an answer, says ``ready``, and
then answers each line ``ROWS CALLS`` with the seconds of each call, as JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

GROUPS, WIDTH = 5, 10


def value_of(entity: int, group: int, feature: int) -> float:
    """Return the value of a feature, the same here and there."""
    return entity + group / 8 + feature / 128


def entity_of(number: int) -> str:
    """Return the key of an entity."""
    return f"driver{number:05d}"


def keys_of(calls: int, rows: int, entities: int) -> list[list[int]]:
    """Return the entities that each call asks for, the same here and there."""
    return [[(call * 37 + row * 101) % entities for row in range(rows)] for call in range(calls)]


def store_of(address: str, home: str) -> Any:
    """Return Feast's store, its features declared."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float64
    from feast.value_type import ValueType

    online = {"type": "redis", "connection_string": address}
    config = RepoConfig(
        project="reads",
        provider="local",
        registry=f"{home}/registry.db",
        online_store=online,
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=f"group{group}",
            entities=[driver],
            ttl=timedelta(days=36_500),
            schema=[Field(name=f"f{group}_{feature}", dtype=Float64) for feature in range(WIDTH)],
            source=FileSource(name=f"source{group}", path=f"{home}/group{group}.parquet", timestamp_field="at"),
            online=True,
        )
        for group in range(GROUPS)
    ]
    _files(home)
    store.apply([driver, *views])
    return store


def _files(home: str) -> None:
    import pandas as pd

    for group in range(GROUPS):
        columns = {f"f{group}_{feature}": [0.0] for feature in range(WIDTH)}
        frame = pd.DataFrame({"driver_id": [entity_of(0)], "at": [datetime(2026, 1, 1)], **columns})
        frame.to_parquet(f"{home}/group{group}.parquet")


def fill(store: Any, entities: int) -> None:
    """Write all values."""
    import pandas as pd

    names = [entity_of(number) for number in range(entities)]
    for group in range(GROUPS):
        columns = {
            f"f{group}_{feature}": [value_of(number, group, feature) for number in range(entities)]
            for feature in range(WIDTH)
        }
        frame = pd.DataFrame(
            {"driver_id": names, "at": datetime(2026, 1, 1), "created": datetime(2026, 1, 1), **columns}
        )
        store.write_to_online_store(f"group{group}", df=frame)


def main(arguments: Sequence[str]) -> None:
    """Take turns as told."""
    address, entities = arguments[0], int(arguments[1])
    features = [f"group{group}:f{group}_{feature}" for group in range(GROUPS) for feature in range(WIDTH)]
    with tempfile.TemporaryDirectory() as home:
        store = store_of(address, home)
        fill(store, entities)

        def read(numbers: Sequence[int]) -> dict[str, list[Any]]:
            rows = [{"driver_id": entity_of(number)} for number in numbers]
            return store.get_online_features(features=features, entity_rows=rows).to_dict()

        found = read([3, 5])
        for group, feature in itertools.product(range(GROUPS), range(WIDTH)):
            assert found[f"f{group}_{feature}"] == [value_of(number, group, feature) for number in (3, 5)], found
        print("ready", flush=True)
        for line in sys.stdin:
            rows, calls = map(int, line.split())
            times = []
            for numbers in keys_of(calls, rows, entities):
                start = time.perf_counter()
                read(numbers)
                times.append(time.perf_counter() - start)
            print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
