"""How much more chance shows where rows are alike in clusters.

Rows that were looked up at the same row of a history share its values, and mostly they share some of what makes their
labels, too: a thousand orders of ten restaurants are no thousand witnesses. So values are dealt out anew, to rows, and
to clusters as a whole; how much more they seem to tell in the second case is the design effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Clusters"]

TIMES = 10


class Clusters:
    """The clusters of a group in a sample.

    Parameters
    ----------
    numbers : array
        The cluster of each row.
    """

    def __init__(self, numbers: Any) -> None:
        # Always the same cards.
        draw = np.random.default_rng(0)
        self.numbers = numbers
        distinct, self._place = np.unique(numbers, return_inverse=True)
        self._count = len(distinct)
        self._rows = [draw.permutation(len(numbers)) for _ in range(TIMES)]
        self._clusters = [draw.permutation(self._count)[self._place] for _ in range(TIMES)]

    def design_effect(self, codes: Any, told: Callable[[Any], float]) -> float:
        """Return how much more clusters of values tell than single ones, both dealt out by chance; at least 1.

        Parameters
        ----------
        codes : array
            The value of each row.
        told : callable
            How much such codes tell.
        """
        of_cluster = np.zeros(self._count, np.int64)
        # A cluster has one value, and null where that has expired.
        np.maximum.at(of_cluster, self._place, codes)
        single = [told(codes[rows]) for rows in self._rows]
        clustered = [told(of_cluster[places]) for places in self._clusters]
        usual = float(np.mean(single))
        if not usual or np.mean(clustered) <= usual + 2 * np.std(single):
            return 1.0
        return float(np.mean(clustered)) / usual
