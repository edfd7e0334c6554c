"""Sorted arrays and their look-up against the oracle, without Spark: many small worlds."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.definitions import Entity, FeatureGroup, arrow_type
from palette.offline.prepared.arrays import HistoryArrays, build_arrays
from palette.offline.prepared.run_files import open_run, write_run
from palette.offline.prepared.search import look_up_batches, part_numbers
from tests.offline.worlds import GROUPS, INTEGERS, TEXTS, TIMES, histories
from tests.pit_oracle import answer as expected_answer
from tests.pit_oracle import canonical, winner

if TYPE_CHECKING:
    from pathlib import Path


def micros(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    return value


# One hash is hot, and cut at some of the times.
CUTS = st.lists(TIMES, min_size=1, max_size=3, unique=True).map(lambda at: (2, sorted(map(micros, at))))
KEYS = {"shop": [TEXTS], "seat": [TEXTS, INTEGERS]}
STATUS = {"missing": 0, "expired": 1, "present": 2, "null": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


@pytest.mark.parametrize(("entity", "group"), GROUPS, ids=[group.name for _, group in GROUPS])
@pytest.mark.parametrize("mode", ["event", "created"])
@given(data=st.data())
def test_look_up_equals_oracle(
    folder: Path, entity: Entity, group: FeatureGroup, mode: str, data: st.DataObject
) -> None:
    if mode == "created" and group.created is None:
        return
    rows = data.draw(histories(entity, group, 12))
    asked = data.draw(
        st.lists(st.tuples(*(st.none() | key for key in KEYS[entity.name]), st.none() | TIMES), max_size=8)
    )
    usable = [row for row in rows if mode == "event" or row[group.created] is not None]
    hash_of = data.draw(st.sampled_from([collides, spreads]))
    cuts = data.draw(st.just({}) | CUTS.map(lambda cut: {hash_of(["a"]): cut})) if group.timestamp is not None else {}
    runs = runs_of(usable, entity, group, mode, folder, cuts, hash_of, data.draw(st.randoms(use_true_random=False)))
    ttl = None if group.ttl is None else group.ttl // dt.timedelta(microseconds=1)
    number = len(entity.keys)
    lookup = {
        "keys": list(range(number)),
        "time": number,
        "hash": number + 1,
        "runs": runs,
        "beside": [],
        "parts": 2,
        "cuts": cuts,
    }
    lookup |= {"columns": list(group.readable), "types": [arrow_type(dtype) for dtype in group.readable.values()]}
    lookup |= {"times": {group.timestamp: "event", group.created: "created"}}
    lookup |= {"order": [feature.name for feature in group.features], "ttl": ttl, "status": True}
    types = [*(arrow_type("string" if dtype == "string" else "bigint") for dtype in entity.keys.values()), pa.int64()]
    columns = [[micros(row[place]) for row in asked] for place in range(len(types))]
    batch = tuple(pa.array(column, dtype) for column, dtype in zip(columns, types, strict=True))
    batch = (*batch, pa.array([hash_of(row[:number]) for row in asked], pa.int64()))
    (answered,) = look_up_batches(iter([batch]), [lookup])
    assert len(answered) == len(asked)
    for *key, at in asked:
        got = list(answered[asked.index((*key, at))].as_py().values())
        row = winner(rows, entity, group, key, at, mode)
        wanted = [expected_answer(row, group, name, at) for name in group.readable]
        assert [canonical(naive(value)) for value in got[:-1]] == [canonical(value) for value, _ in wanted]
        assert got[-1] == STATUS[wanted[0][1]]


def collides(key: Sequence[Any]) -> int:
    """Return a hash that many keys share."""
    return (sum(len(str(part)) for part in key) % 3 - 1) << 62


def spreads(key: Sequence[Any]) -> int:
    """Return a hash that no two keys share."""
    return int.from_bytes(hashlib.sha256(repr(list(key)).encode()).digest()[:8], "big", signed=True)


def runs_of(
    rows: list[dict[str, Any]],
    entity: Entity,
    group: FeatureGroup,
    mode: str,
    folder: Path,
    cuts: dict[int, tuple[int, list[int]]],
    hash_of: Callable[[Sequence[Any]], int],
    draw: random.Random,
) -> dict[int, list[str]]:
    """Spread rows over runs, as commits would, and write them by part; rows of hot keys are carried to later parts."""
    parts: dict[int, list[list[dict[str, Any]]]] = {}
    for row in rows:
        effective = 0 if group.timestamp is None else micros(row[group.timestamp])
        if mode == "created":
            effective = max(effective, micros(row[group.created])) if group.timestamp else micros(row[group.created])
        hashed = hash_of([row[name] for name in entity.keys])
        first = int(part_numbers(np.array([hashed]), np.array([effective]), 2, cuts)[0])
        last = cuts[hashed][0] + len(cuts[hashed][1]) if hashed in cuts else first
        commit = draw.randrange(3)
        for part in range(first, last + 1):
            parts.setdefault(part, [[], [], []])[commit].append(row)
    return {
        part: [prepared(commit, entity, group, mode, folder, hash_of) for commit in commits if commit]
        for part, commits in parts.items()
    }


def prepared(
    rows: list[dict[str, Any]],
    entity: Entity,
    group: FeatureGroup,
    mode: str,
    folder: Path,
    hash_of: Callable[[Sequence[Any]], int],
) -> str:
    columns = {name: pa.array([row[name] for row in rows], arrow_type(dtype)) for name, dtype in group.readable.items()}
    keys = [
        pa.array([row[name] for row in rows], pa.string() if dtype == "string" else pa.int64())
        for name, dtype in entity.keys.items()
    ]
    event = None if group.timestamp is None else columns[group.timestamp].cast(pa.int64()).to_numpy()
    created = None if group.created is None else columns[group.created].cast(pa.int64())
    steps = build_arrays(
        keys,
        event,
        created,
        lambda: [columns[feature.name] for feature in group.features],
        by_created=mode == "created",
        hashes=np.array([hash_of([row[name] for name in entity.keys]) for row in rows], np.int64),
    )
    columns = {feature.name: columns[feature.name] for feature in group.features}
    return write_run(steps, columns, str(folder), event=event if mode == "created" else None, created=created)


def naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def build(codes: list[str], times: list[int], values: list[float]) -> HistoryArrays:
    return build_arrays([pa.array(codes)], np.array(times), None, lambda: [pa.array(values)], by_created=False)


def test_rows_that_never_win_are_left_out() -> None:
    steps = build(["a", "a", "b", "a"], [5, 5, 1, 7], [1.0, math.nan, 0.0, 2.0])
    assert steps.packed.codes.tolist() == [0, 0, 1]
    assert steps.rows.tolist() == [1, 3, 2]


def test_times_too_far_apart_for_one_number_are_sorted_as_well() -> None:
    far = 1 << 61
    steps = build(["b", "a", "b", "a"], [far, far, -far, -far], [0.0] * 4)
    assert steps.packed.effective.tolist() == [-far, far, -far, far]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_zero_wins_over_a_negative_one_where_all_else_is_equal(turn: int) -> None:
    def winner(*columns: list[Any]) -> int:
        arrays = [pa.array(column[::turn]) for column in columns]
        count = len(columns[0])
        steps = build_arrays(
            [pa.array(["a"] * count)], np.ones(count, np.int64), None, lambda: arrays, by_created=False
        )
        return int(steps.rows[0]) if turn == 1 else count - 1 - int(steps.rows[0])

    assert winner([-0.0, 0.0, -0.0], [1.0, 1.0, 1.0]) == 1
    assert winner([-0.0, 0.0], [2, 1]) == 0  # what is greater decides before
    assert winner([[1.0, -0.0], [1.0, 0.0]], [0.0, -0.0]) == 0  # numbers before lists
    assert winner([[None, -0.0], [None, 0.0]], [None, None]) == 1
    assert winner([float("nan")] * 2, [-0.0, 0.0]) == 1


def test_values_are_read_only_for_ties() -> None:
    def unread() -> list[pa.Array]:
        raise AssertionError("there is no tie")

    keys = [pa.array(["a", "a"])]
    build_arrays(keys, np.array([1, 2]), None, unread, by_created=False)
    build_arrays(keys, np.array([1, 1]), pa.array([None, 3], pa.int64()), unread, by_created=False)


def test_file_is_called_by_its_content(tmp_path: Path) -> None:
    columns = {"x": pa.array([1.0, 2.0])}
    first = write_run(build(["a", "b"], [1, 2], [1.0, 2.0]), columns, str(tmp_path))
    again = write_run(build(["a", "b"], [1, 2], [1.0, 2.0]), columns, str(tmp_path))
    other = write_run(build(["a", "b"], [1, 3], [1.0, 2.0]), columns, str(tmp_path))
    assert first == again != other
    assert open_run(first).packed.effective.tolist() == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2


FULL = """
import resource, sys
import numpy as np, pyarrow as pa
from palette.offline.prepared.run_files import write_columns
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    write_columns({"x": pa.array(np.arange(100_000))}, sys.argv[1])
except OSError as error:
    print(error.strerror)
"""


def test_a_file_that_cannot_be_written_whole_is_removed(tmp_path: Path) -> None:
    # A limit on the size of files, as a full disk is for those who cannot mount one.
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []
