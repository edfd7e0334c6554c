"""Features in the order of what they add: minimum redundancy, maximum relevance.

The next feature is the one with the greatest difference between what it tells of the label and what, on average, it
shares with the features before it (Peng, Long and Ding, 2005). What the bins of two features tell of each other is
counted in passes over all rows; a pass counts for a feature that was just selected, and at once for those that are
likely to be selected next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palette.statistics.information import mutual_information, same_bins

__all__ = ["Place", "Tables", "rank"]

Tables = Callable[[Mapping[int, Sequence[int]]], Mapping[tuple[int, int], Any]]
# Bytes of tables that are counted in one pass.
ROOM = 1 << 26
# Scores are compared to so many digits, so that equal ones are, whatever the order of their sums.
DIGITS = 12


@dataclass(frozen=True)
class Place:
    """A feature in the ranking.

    Parameters
    ----------
    feature : int
        Its number.
    selected : bool
        Whether it is among the first.
    redundancy, score : float
        When it was selected, or after the last one was.
    """

    feature: int
    selected: bool
    redundancy: float
    score: float


@dataclass
class _Pairs:
    """What pairs of features share; counted when it is asked for."""

    tables: Tables
    sizes: Mapping[int, int]
    known: dict[tuple[int, int], tuple[float, bool]] = field(default_factory=dict)

    def of(self, one: int, others: Sequence[int], likely: Sequence[int]) -> Mapping[int, tuple[float, bool]]:
        """Return for each other feature the bits shared, and whether it is the same in other words."""
        if any(_pair(one, other) not in self.known for other in others):
            self._count([one, *likely], [one, *others])
        return {other: self.known[_pair(one, other)] for other in others}

    def _count(self, asked: Sequence[int], features: Sequence[int]) -> None:
        pairs: dict[int, list[int]] = {}
        room, planned = ROOM, set(self.known)
        for one in asked:
            others = [other for other in features if other != one and _pair(one, other) not in planned]
            room -= 8 * self.sizes[one] * sum(self.sizes[other] for other in others)
            if pairs and room < 0:
                break
            if others:
                pairs[one] = others
                planned |= {_pair(one, other) for other in others}
        for (one, other), table in self.tables(pairs).items():
            # Always the same way round, so that sums are equal to the last digit.
            table = table if one < other else table.T
            self.known[_pair(one, other)] = mutual_information(table), same_bins(table)


def rank(
    relevance: Mapping[int, float], sizes: Mapping[int, int], tables: Tables, count: int, method: str
) -> tuple[list[Place], dict[int, int]]:
    """Return features in the order of their ranks, and those that are the same as a better one, with that one.

    Parameters
    ----------
    relevance : mapping of int to float
        Bits that each feature tells of the label; equal ones keep the order of the numbers.
    sizes : mapping of int to int
        How many codes each has.
    tables : callable
        Counts the contingency tables of pairs.
    count : int
        How many are selected.
    method : {"mrmr", "relevance"}
        Whether redundancy counts.
    """
    pairs, shared = _Pairs(tables, sizes), dict.fromkeys(relevance, 0.0)
    left, same = set(relevance), dict[int, int]()
    selected: list[Place] = []

    def place(one: int, *, chosen: bool) -> Place:
        redundancy = shared[one] / max(1, len(selected))
        score = relevance[one] - redundancy if method == "mrmr" else relevance[one]
        return Place(one, chosen, redundancy, score)

    def best() -> list[Place]:
        places = [place(one, chosen=False) for one in left]
        return sorted(places, key=lambda one: (-round(one.score, DIGITS), one.feature))

    while left and len(selected) < count:
        order = [one.feature for one in best()]
        chosen = place(order[0], chosen=True)
        left.discard(chosen.feature)
        # Twice as many as are wanted, since redundancy changes the order.
        likely = order[1 : 2 * (count - len(selected))]
        selected.append(chosen)
        for other, (bits, is_same) in pairs.of(chosen.feature, sorted(left), likely).items():
            shared[other] += bits
            if is_same:
                same[other] = chosen.feature
        left -= set(same)
    return [*selected, *best()], same


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)
