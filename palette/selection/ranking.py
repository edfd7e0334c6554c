"""Ranking by minimum redundancy and maximum relevance.

The next feature is the one with the greatest difference between its information about the label and the mean
information that it shares with the features before it (Peng, Long and Ding, 2005). The tables of pairs of features are
counted in passes over all rows; a pass counts those of the feature that was just selected, and of those that are likely
to be selected next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palette.statistics.information import mutual_information, same_bins

__all__ = ["RankedFeature", "Tables", "rank"]

Tables = Callable[[Mapping[int, Sequence[int]]], Mapping[tuple[int, int], Any]]
# Bytes of tables that are counted in one pass.
ROOM = 1 << 26
# Scores are compared to this many digits, so that the order of summation does not matter.
DIGITS = 12


@dataclass(frozen=True)
class RankedFeature:
    """A feature in the ranking.

    Parameters
    ----------
    feature : int
        Its number.
    selected : bool
        Whether it is among the requested number of features.
    redundancy, score : float
        At its selection, or after the last selection.
    """

    feature: int
    selected: bool
    redundancy: float
    score: float


@dataclass
class _Pairs:
    """Information shared by pairs of features, counted on demand."""

    tables: Tables
    sizes: Mapping[int, int]
    known: dict[tuple[int, int], tuple[float, bool]] = field(default_factory=dict)

    def get(self, feature: int, others: Sequence[int], likely: Sequence[int]) -> Mapping[int, tuple[float, bool]]:
        """Return for each other feature the shared bits, and whether its bins are the same."""
        if any(_pair(feature, other) not in self.known for other in others):
            self._count([feature, *likely], [feature, *others])
        return {other: self.known[_pair(feature, other)] for other in others}

    def _count(self, requested: Sequence[int], features: Sequence[int]) -> None:
        pairs: dict[int, list[int]] = {}
        room, planned = ROOM, set(self.known)
        for feature in requested:
            others = [other for other in features if other != feature and _pair(feature, other) not in planned]
            room -= 8 * self.sizes[feature] * sum(self.sizes[other] for other in others)
            if pairs and room < 0:
                break
            if others:
                pairs[feature] = others
                planned |= {_pair(feature, other) for other in others}
        for (left, right), table in self.tables(pairs).items():
            # Always in the same orientation, so that sums are equal to the last digit.
            table = table if left < right else table.T
            self.known[_pair(left, right)] = mutual_information(table), same_bins(table)


def rank(
    relevance: Mapping[int, float], sizes: Mapping[int, int], tables: Tables, count: int, method: str
) -> tuple[list[RankedFeature], dict[int, int]]:
    """Return features in the order of their ranks, and duplicates with the better feature that they equal.

    Parameters
    ----------
    relevance : mapping of int to float
        Bits of information about the label; ties are in the order of the numbers.
    sizes : mapping of int to int
        Number of codes of each feature.
    tables : callable
        Counts the contingency tables of pairs.
    count : int
        Number of features to select.
    method : {"mrmr", "relevance"}
        Whether redundancy is subtracted.
    """
    pairs, shared = _Pairs(tables, sizes), dict.fromkeys(relevance, 0.0)
    remaining, same = set(relevance), dict[int, int]()
    selected: list[RankedFeature] = []

    def score(feature: int, *, chosen: bool) -> RankedFeature:
        redundancy = shared[feature] / max(1, len(selected))
        points = relevance[feature] - redundancy if method == "mrmr" else relevance[feature]
        return RankedFeature(feature, chosen, redundancy, points)

    def best() -> list[RankedFeature]:
        scores = [score(feature, chosen=False) for feature in remaining]
        return sorted(scores, key=lambda ranked: (-round(ranked.score, DIGITS), ranked.feature))

    while remaining and len(selected) < count:
        order = [ranked.feature for ranked in best()]
        chosen = score(order[0], chosen=True)
        remaining.discard(chosen.feature)
        # Twice as many as requested, since redundancy changes the order.
        likely = order[1 : 2 * (count - len(selected))]
        selected.append(chosen)
        for other, (bits, is_same) in pairs.get(chosen.feature, sorted(remaining), likely).items():
            shared[other] += bits
            if is_same:
                same[other] = chosen.feature
        remaining -= set(same)
    return [*selected, *best()], same


def _pair(left: int, right: int) -> tuple[int, int]:
    return min(left, right), max(left, right)
