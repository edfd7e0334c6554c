"""How much more chance shows where rows are alike in clusters.

Rows that were looked up at the same row of a history share its values, and mostly they share some of what makes their
labels, too: a thousand orders of ten restaurants are no thousand witnesses. So the values are dealt out anew among the
clusters; how much more they then seem to tell than values of single rows would, is the design effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from palette.statistics.information import by_chance, mutual_information

__all__ = ["Clusters"]

TIMES = 30


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
        self._dealt = [draw.permutation(len(distinct)) for _ in range(TIMES)]

    def design_effect(self, codes: Any, counted: Callable[[Any], Any]) -> float:
        """Return how much more values of clusters tell by chance than values of single rows; at least 1.

        Parameters
        ----------
        codes : array
            The value of each row.
        counted : callable
            Returns the table of codes with the label.
        """
        usual = by_chance(counted(codes))
        if not usual:
            return 1.0
        of_cluster = np.zeros(len(self._dealt[0]), np.int64)
        # A cluster has one value, and null where that has expired.
        np.maximum.at(of_cluster, self._place, codes)
        told = [mutual_information(counted(of_cluster[dealt][self._place]), corrected=False) for dealt in self._dealt]
        return max(1.0, float(np.mean(told)) / usual)
