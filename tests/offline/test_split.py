"""Rows are split by part: all of them, each into the part of its hash and time, whichever way the messages go."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.offline.prepared import split
from palette.offline.prepared.hashes import hash_keys
from palette.offline.prepared.layout import Layout
from palette.offline.prepared.search import part_numbers

if TYPE_CHECKING:
    from pathlib import Path

START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
SHOP = Entity("shop", keys={"id": "string", "day": "date"})
FEATURES = [Feature("x", "double"), Feature("tags", "array<string>")]
GROUP = FeatureGroup("sales", "shop", FEATURES, timestamp="ts", created="written")
ROWS, HOT = 5000, 7


@pytest.fixture
def table() -> pa.Table:
    random = np.random.default_rng(3)
    # Some rows lack a key or a time.
    numbers = [None if draw == 0 else int(draw) for draw in random.integers(0, 40, ROWS)]
    hours = [None if draw == 0 else int(draw) for draw in random.integers(0, 90, ROWS)]
    delays = [None if draw == 0 else int(draw) for draw in random.integers(0, 9, ROWS)]
    times = [None if hour is None else START + hour * dt.timedelta(hours=1) for hour in hours]
    stamps = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "id": pa.array([None if number is None else f"shop {number}" for number in numbers]),
            "day": pa.array([START.date() + dt.timedelta(days=int(day)) for day in random.integers(0, 3, ROWS)]),
            "ts": pa.array(times, stamps),
            "written": pa.array(
                [
                    None if delay is None or at is None else at + delay * dt.timedelta(days=1)
                    for at, delay in zip(times, delays, strict=True)
                ],
                stamps,
            ),
            "x": pa.array(random.integers(0, 9, ROWS).astype(float)),
            "tags": pa.array([["a"] * int(count) for count in random.integers(0, 4, ROWS)]),
        }
    )


@pytest.fixture
def groups(table: pa.Table, tmp_path: Path) -> list[pa.RecordBatch]:
    path = str(tmp_path / "rows.parquet")
    pq.write_table(table, path, row_group_size=2000)
    return pa.table({"path": [path] * 3, "group": [0, 1, 2]}).to_batches(max_chunksize=2)


def layout(*, by_created: bool) -> Layout:
    schema = GroupSchema(SHOP, GROUP)
    return Layout(schema, schema.columns, by_created=by_created, folder="")


def spread(folder: Path | None = None, **more: Any) -> dict[str, Any]:
    hot = hash_keys([pa.array(["shop 1"]), pa.array([(START.date() - dt.date(1970, 1, 1)).days])])[0]
    at = int(START.timestamp() * 1e6) + 40 * 3_600_000_000
    files = None if folder is None else str(folder)
    return {"parts": 8, "cuts": {int(hot): (8, [at])}, "only": None, "rows": 700, "files": files, "share": 1.0} | more


def contents(parts: dict[int, list[pa.RecordBatch]]) -> dict[int, Counter[str]]:
    return {
        part: Counter(str(row) for batch in batches for row in batch.to_pylist()) for part, batches in parts.items()
    }


@pytest.mark.parametrize("by_created", [False, True])
def test_each_row_that_counts_is_in_its_part(
    table: pa.Table, groups: list[pa.RecordBatch], tmp_path: Path, *, by_created: bool
) -> None:
    shape = layout(by_created=by_created).shape
    answers = []
    for folder in (None, tmp_path):
        messages = list(split.split_files(iter(groups), shape, spread(folder)))
        answers.append(split.read_messages(iter(messages), shape["schema"]))
    assert contents(answers[0]) == contents(answers[1])
    needed = ["id", "ts", *(["written"] if by_created else [])]
    expected = table.to_pandas().dropna(subset=needed)
    assert sum(len(batch) for batches in answers[0].values() for batch in batches) == len(expected)
    assert max(answers[0]) == 9
    for part, batches in answers[0].items():
        for batch in batches:
            times = batch.column("event").to_numpy()
            if by_created:
                times = np.maximum(times, batch.column("created").to_numpy())
            hashes = batch.column("hash").to_numpy()
            assert hashes.tolist() == hash_keys([batch.column("key0"), batch.column("key1")]).tolist()
            given = spread()
            assert set(part_numbers(hashes, times, given["parts"], given["cuts"]).tolist()) == {part}


def test_some_parts_only(groups: list[pa.RecordBatch]) -> None:
    shape = layout(by_created=False).shape

    def parts(**more: Any) -> dict[int, list[pa.RecordBatch]]:
        return split.read_messages(split.split_files(iter(groups), shape, spread(**more)), shape["schema"])

    whole = contents(parts())
    some = [*sorted(whole)[1:3], 9]
    assert contents(parts(only=some)) == {part: whole[part] for part in some}
    numbered = pa.Table.from_batches(list(split.number_files(iter(groups), shape, spread())))
    assert set(numbered.column("part").to_pylist()) == set(whole)


def test_a_sample_is_a_share_of_the_rows(groups: list[pa.RecordBatch]) -> None:
    shape = layout(by_created=False).shape

    def sample(share: float) -> Counter[tuple[int, int]]:
        sampled = pa.Table.from_batches(list(split.sample_files(iter(groups), shape, spread(share=share))))
        return Counter(zip(*(sampled.column(name).to_pylist() for name in ("hash", "effective")), strict=True))

    whole = sample(1.0)
    for share in (0.2, 0.05):
        some = sample(share)
        assert some <= whole
        assert 0.5 * share * whole.total() < some.total() < 1.5 * share * whole.total()
        assert some == sample(share)
