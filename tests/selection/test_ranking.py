"""The order of features against a brute-force mRMR, in few passes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from palette.selection import ranking
from palette.selection.ranking import rank


class Counted:
    """Columns of codes; remembers what was asked."""

    def __init__(self, columns):
        self.columns = columns
        self.asked = []

    def __call__(self, pairs):
        self.asked.append({one: list(others) for one, others in pairs.items()})
        found = {}
        for one, others in pairs.items():
            for other in others:
                table = np.zeros((20, 20), np.int64)
                np.add.at(table, (self.columns[one], self.columns[other]), 1)
                found[one, other] = table
        return found


def information(one, other):
    """Miller and Madow's, in bits, from scikit-learn's."""
    cells = [len(set(values)) for values in (one, other, zip(one, other, strict=True))]
    return max(0.0, mutual_info_score(one, other) + (cells[0] + cells[1] - cells[2] - 1) / (2 * len(one))) / math.log(2)


def brute_force(label, columns, count):
    """Greedy mRMR as its authors write it, everything computed anew each time."""
    chosen = []
    while len(chosen) < count:
        scores = {
            name: information(columns[name], label)
            - (sum(information(columns[name], columns[other]) for other in chosen) / len(chosen) if chosen else 0.0)
            for name in columns
            if name not in chosen
        }
        chosen.append(max(scores, key=scores.get))
    return chosen


def world(seed, features=14, rows=600):
    draw = np.random.default_rng(seed)
    hidden = draw.integers(0, 6, (4, rows))
    label = (hidden[0] + hidden[1] + (draw.random(rows) < 0.3)) % 6
    columns = {}
    for place in range(1, features + 1):
        own, noise = hidden[draw.integers(0, 4)], draw.integers(0, 6, rows)
        columns[place] = np.where(draw.random(rows) < draw.random(), own, noise)
    return label, columns


def ranked(label, columns, count, method="mrmr"):
    tables = Counted(columns)
    relevance = {place: information(values, label) for place, values in columns.items()}
    places, same = rank(relevance, dict.fromkeys(columns, 20), tables, count, method)
    return places, same, tables.asked


@pytest.mark.parametrize("seed", range(8))
def test_order_is_that_of_brute_force(seed):
    label, columns = world(seed)
    places, same, asked = ranked(label, columns, 9)
    assert not same
    assert [one.feature for one in places if one.selected] == brute_force(label, columns, 9)
    assert sorted(one.feature for one in places) == sorted(columns), "the others are ranked after them"
    assert len(asked) <= 3
    for times, (feature, others) in enumerate(itertools.chain(*(one.items() for one in asked))):
        earlier = list(itertools.chain(*(one.items() for one in asked)))[:times]
        seen = {frozenset((one, other)) for one, all_of in earlier for other in all_of}
        assert not seen & {frozenset((feature, other)) for other in others}, "no pair is counted twice"


def test_redundancy_and_score_are_those_of_the_moment():
    label, columns = world(3)
    places, _, _ = ranked(label, columns, 5)
    for number, one in enumerate(places):
        before = [other.feature for other in places[: min(number, 5)]]
        shared = [information(columns[one.feature], columns[other]) for other in before]
        assert one.redundancy == pytest.approx(np.mean(shared) if shared else 0.0, abs=1e-12)
        assert one.score == pytest.approx(information(columns[one.feature], label) - one.redundancy, abs=1e-12)


def test_relevance_alone():
    label, columns = world(4)
    places, _, _ = ranked(label, columns, 20, "relevance")
    expected = sorted(columns, key=lambda name: -information(columns[name], label))
    assert [one.feature for one in places] == expected
    assert all(one.selected for one in places)


def test_ties_go_to_the_first_and_doubles_are_told():
    label, columns = world(5, features=5)
    columns[6] = 5 - columns[2]
    columns[7] = columns[2] * 3
    columns[8] = columns[4].copy()
    places, same, _ = ranked(label, columns, 5)
    assert same == {6: 2, 7: 2, 8: 4}
    assert sorted(one.feature for one in places) == [1, 2, 3, 4, 5]


def test_passes_are_as_large_as_there_is_room(monkeypatch):
    label, columns = world(6)
    expected, _, _ = ranked(label, columns, 9)
    monkeypatch.setattr(ranking, "ROOM", 1)
    places, _, asked = ranked(label, columns, 9)
    assert places == expected
    assert [len(one) for one in asked] == [1] * 9
