"""Mutual information, its correction, bins and codes: against scikit-learn and against what is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import mutual_info_score

from palette.selection import worker
from palette.statistics.bins import fit_numbers, fit_strings, max_bins
from palette.statistics.information import above_chance, entropy, mutual_information, same_bins


def table(one, other):
    """Count pairs of codes by the plainest means."""
    counts = np.zeros((one.max() + 1, other.max() + 1), np.int64)
    np.add.at(counts, (one, other), 1)
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_mutual_information_is_that_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    one = draw.integers(0, draw.integers(1, 20), 500)
    other = np.where(draw.random(500) < 0.4, one, draw.integers(0, 7, 500))
    found = mutual_information(table(one, other), corrected=False)
    assert found * math.log(2) == pytest.approx(mutual_info_score(one, other), abs=1e-12)


def test_correction_is_miller_and_madows():
    draw = np.random.default_rng(1)
    one, other = draw.integers(0, 8, 400), draw.integers(0, 5, 400)
    one[:200] = other[:200]
    occupied = [len(np.unique(values)) for values in (one, other, one * 5 + other)]
    added = (occupied[0] + occupied[1] - occupied[2] - 1) / (2 * 400)
    expected = mutual_info_score(one, other) + added
    assert mutual_information(table(one, other)) * math.log(2) == pytest.approx(expected, abs=1e-12)


def test_correction_takes_away_what_independent_columns_seem_to_share():
    draw = np.random.default_rng(2)
    tables = [table(draw.integers(0, 20, 3000), draw.integers(0, 10, 3000)) for _ in range(200)]
    plain = np.mean([mutual_information(one, corrected=False) for one in tables])
    corrected = np.mean([mutual_information(one) for one in tables])
    assert plain > 0.035
    assert corrected < plain / 8


def test_a_copy_tells_all_and_a_constant_nothing():
    values = np.random.default_rng(3).integers(0, 9, 100)
    assert mutual_information(table(values, 8 - values)) == pytest.approx(entropy(np.bincount(values)), abs=1e-12)
    assert mutual_information(table(values, np.zeros_like(values))) == 0.0
    assert entropy(np.array([0, 7])) == entropy(np.zeros(3)) == 0.0


def test_same_bins_under_other_names_and_not_one_row_less():
    values = np.random.default_rng(4).integers(0, 9, 300)
    renamed = np.array([3, 1, 4, 0, 5, 8, 2, 6, 7])[values]
    assert same_bins(table(values, renamed))
    renamed[0] = (renamed[0] + 1) % 9
    assert not same_bins(table(values, renamed))
    assert not same_bins(table(values, values // 2)), "that loses some"


@pytest.mark.parametrize("tests", [1, 100])
def test_chance_passes_as_seldom_as_it_should(tests):
    draw = np.random.default_rng(6)
    passed = sum(above_chance(table(draw.integers(0, 12, 2000), draw.integers(0, 4, 2000)), tests) for _ in range(2000))
    assert passed <= 40 / tests
    weak = draw.integers(0, 4, 5000)
    assert above_chance(table(weak, np.where(draw.random(5000) < 0.1, weak, draw.integers(0, 4, 5000))), tests)


def test_numbers_fall_into_bins_of_equal_size():
    values = np.random.default_rng(7).normal(size=10_000)
    bins = fit_numbers(values, np.ones(10_000), 20)
    counts = np.bincount(worker.to_codes(pa.array(values), bins.cuts), minlength=bins.size)
    assert counts.tolist() == [0] + [500] * 20
    assert bins.distinct == 10_000


def test_weights_stand_for_rows():
    draw = np.random.default_rng(8)
    values, weights = np.round(draw.normal(size=300), 1), draw.integers(1, 9, 300)
    once, again = fit_numbers(values, weights, 7), fit_numbers(np.repeat(values, weights), np.ones(weights.sum()), 7)
    assert (once.cuts.tolist(), once.values) == (again.cuts.tolist(), again.values)
    texts = values.astype(str)
    once, again = (
        fit_strings(pa.array(texts), weights, 5),
        fit_strings(pa.array(np.repeat(texts, weights)), np.ones(weights.sum()), 5),
    )
    assert once == again


def test_a_frequent_number_has_a_bin_of_its_own():
    draw = np.random.default_rng(9)
    values = np.where(draw.random(4000) < 0.3, 0.0, draw.normal(size=4000))
    bins = fit_numbers(values, np.ones(4000), 10)
    code = bins.values.index(0.0)
    found = worker.to_codes(pa.array([0.0, -0.0, 5e-324, -5e-324, None, np.nan, np.inf, -np.inf]), bins.cuts)
    assert found.tolist() == [code, code, code + 1, code - 1, 0, 0, bins.size - 1, 1]


def test_few_numbers_stay_as_they_are_and_others_fall_outside():
    bins = fit_numbers(np.array([3.0, 1.0, 1.0, np.nan, 2.0]), np.ones(5), 3)
    assert bins.values == (None, None, 1.0, 2.0, 3.0, None)
    assert worker.to_codes(pa.array([1.0, 2.0, 3.0, 0.5, 7.0, None]), bins.cuts).tolist() == [2, 3, 4, 1, 5, 0]


def test_nothing_but_nulls():
    bins = fit_numbers(np.full(3, np.nan), np.ones(3), 5)
    assert worker.to_codes(pa.array([None, None], pa.float64()), bins.cuts).tolist() == [0, 0]
    assert (bins.size, bins.distinct) == (2, 0)
    bins = fit_strings(pa.array([None, None], pa.string()), np.ones(2), 5)
    assert worker.to_codes(pa.array([None, "a"], pa.string()), bins.cuts).tolist() == [0, 1]


def test_the_most_frequent_texts_and_a_rest():
    texts = pa.array(["b"] * 3 + ["c"] * 2 + ["a"] * 2 + ["d", None, ""])
    bins = fit_strings(texts, np.ones(len(texts)), 3)
    assert bins.cuts == ["b", "a", "c"], "ties in the order of the texts"
    assert worker.to_codes(texts, bins.cuts).tolist() == [2, 2, 2, 4, 4, 3, 3, 1, 0, 1]
    assert bins.distinct == 5


def test_bins_follow_the_rows():
    assert [max_bins(rows) for rows in (1, 20, 500, 2000, 200_000)] == [2, 2, 10, 20, 200]


@pytest.mark.parametrize("width", ["u1", "u2"])
def test_blocks_of_codes_are_counted_as_the_rows_are(monkeypatch, width):
    draw = np.random.default_rng(10)
    columns = {
        "y": draw.integers(0, 3, 1000).astype(float),
        "x": draw.normal(size=1000),
        "t": draw.choice(list("ab"), 1000),
    }
    rows = pa.table(columns)
    bins = [fit_numbers(columns["y"], np.ones(1000), 5), fit_numbers(columns["x"], np.ones(1000), 6)]
    bins.append(fit_strings(rows["t"].combine_chunks(), np.ones(1000), 2))
    codes = [worker.to_codes(rows[name].combine_chunks(), one.cuts) for name, one in zip(columns, bins, strict=True)]
    monkeypatch.setattr(worker, "BLOCK", 100)
    sizes, pairs = [one.size for one in bins], [(0, [1, 2]), (1, [2])]
    blocks = list(worker.encode(iter(rows.to_batches(max_chunksize=300)), [one.cuts for one in bins], width))
    assert sum(block.num_rows for block in blocks) > 10
    told = [next(worker.count(iter(half), sizes, pairs, width)) for half in (blocks[:1], blocks[1:], [])]
    (total,) = worker.add(iter(told))
    found = np.frombuffer(total.column(0)[0].as_py(), np.int64)
    expected = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        counts = np.zeros((sizes[one], sizes[other]), np.int64)
        np.add.at(counts, (codes[one], codes[other]), 1)
        expected.append(counts.ravel())
    assert found.tolist() == np.concatenate(expected).tolist()
