"""Design effect of clustered rows.

Rows that were looked up at the same row of a history share its values, and mostly share some of the causes of their
labels, too: a thousand orders of ten restaurants are not a thousand independent observations. So the values are
permuted among the clusters; the ratio of the information that they then seem to carry to that of permuted single rows
is the design effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from palette.statistics.information import by_chance, mutual_information

__all__ = ["Clusters"]

PERMUTATIONS = 30


class Clusters:
    """The clusters of a group in a sample.

    Parameters
    ----------
    numbers : array
        The cluster of each row.
    """

    def __init__(self, numbers: Any) -> None:
        # A fixed seed: the same permutations each time.
        generator = np.random.default_rng(0)
        self.numbers = numbers
        distinct, self._index = np.unique(numbers, return_inverse=True)
        self._permutations = [generator.permutation(len(distinct)) for _ in range(PERMUTATIONS)]

    def design_effect(self, codes: Any, contingency: Callable[[Any], Any]) -> float:
        """Return the chance information of values of clusters relative to values of single rows; at least 1.

        Parameters
        ----------
        codes : array
            The value of each row.
        contingency : callable
            Returns the table of codes with the label.
        """
        expected = by_chance(contingency(codes))
        if not expected:
            return 1.0
        code_of = np.zeros(len(self._permutations[0]), np.int64)
        # A cluster has one value, and null where that has expired.
        np.maximum.at(code_of, self._index, codes)
        permuted = (code_of[permutation][self._index] for permutation in self._permutations)
        information = [mutual_information(contingency(values), corrected=False) for values in permuted]
        return max(1.0, float(np.mean(information)) / expected)
