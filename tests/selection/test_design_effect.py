"""Rows that are alike in clusters are no witnesses of their own."""

from __future__ import annotations

import numpy as np
import pytest

from palette.selection.clusters import Clusters
from palette.statistics.information import above_chance, by_chance, mutual_information

CLUSTERS, ROWS = 300, 6000


def table(codes, label):
    counts = np.zeros((5, 8), np.int64)
    np.add.at(counts, (label, codes), 1)
    return counts


def world(seed):
    """Labels that depend on what is hidden in each cluster, and the values of clusters."""
    draw = np.random.default_rng(seed)
    numbers = draw.integers(0, CLUSTERS, ROWS)
    hidden, noise = draw.integers(0, 5, CLUSTERS), draw.integers(1, 8, CLUSTERS)
    label = np.where(draw.random(ROWS) < 0.6, hidden[numbers], draw.integers(0, 5, ROWS))
    return (
        numbers,
        label,
        noise[numbers],
        np.where(draw.random(CLUSTERS) < 0.5, hidden, draw.integers(0, 5, CLUSTERS))[numbers] + 1,
    )


def effect(numbers, codes, label):
    return Clusters(numbers).design_effect(codes, lambda dealt: table(dealt, label))


@pytest.mark.parametrize("seed", range(10))
def test_noise_of_clusters_passes_for_news_only_among_single_rows(seed):
    numbers, label, noise, news = world(seed)
    assert above_chance(table(noise, label)), "as if each row were a witness"
    inflation = effect(numbers, noise, label)
    assert 3 < inflation < 12
    assert not above_chance(table(noise, label), 1, inflation)
    assert above_chance(table(news, label), 100, effect(numbers, news, label)), "what is true stays true"


def test_single_rows_have_no_effect_and_the_order_of_rows_has_none_either():
    draw = np.random.default_rng(3)
    label, codes = draw.integers(0, 5, ROWS), draw.integers(0, 8, ROWS)
    assert effect(np.arange(ROWS), codes, label) == pytest.approx(1.0, abs=0.1)
    numbers, label, noise, _ = world(1)
    names = draw.integers(-(1 << 62), 1 << 62, CLUSTERS)
    names.sort()
    assert effect(names[numbers], noise, label) == effect(numbers, noise, label), "only which rows are together counts"


def test_one_cluster_says_nothing():
    label = np.random.default_rng(4).integers(0, 5, 100)
    assert effect(np.zeros(100, np.int64), np.full(100, 3), label) == 1.0


@pytest.mark.parametrize(("rows", "classes"), [(60, 5), (6000, 5), (6000, 2)])
def test_chance_shows_what_shuffled_rows_show(rows, classes, monkeypatch):
    draw = np.random.default_rng(5)
    label, codes = draw.integers(0, classes, rows), draw.integers(0, 8, rows) % draw.integers(1, 9, rows)
    shuffled = [mutual_information(table(draw.permutation(codes), label), corrected=False) for _ in range(300)]
    assert by_chance(table(codes, label)) == pytest.approx(np.mean(shuffled), rel=0.12)
    if rows == 6000:
        monkeypatch.setattr("palette.statistics.information.MOST_ROWS", 100)
        assert by_chance(table(codes, label)) == pytest.approx(np.mean(shuffled), rel=0.12)
