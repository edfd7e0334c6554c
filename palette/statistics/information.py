"""Information in contingency tables, in bits.

The plug-in estimate of entropy is too small on finite samples, by about (m - 1) / 2n nats for n rows in m occupied
cells. Miller and Madow's correction adds that back to each of the three entropies of mutual information; otherwise a
feature with many values seems more informative than one with few. It is valid where cells have enough rows: the number
of bins is chosen so that they have about five (:func:`palette.statistics.bins.max_bins`).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["above_chance", "by_chance", "entropy", "mutual_information", "same_bins"]

# Number of random tables, and the number of rows up to which they are drawn.
DRAWS, MOST_ROWS = 30, 10**8
# Probability that any uninformative feature passes.
FALSE_ALARM = 0.01


def entropy(counts: Any, *, corrected: bool = True) -> float:
    """Return the entropy of counts.

    Examples
    --------
    >>> entropy(np.array([2, 2, 0]), corrected=False)
    1.0
    """
    occupied = counts[counts > 0]
    rows = occupied.sum()
    if not rows:
        return 0.0
    share = occupied / rows
    plain = -float(share @ np.log2(share))
    return plain + (len(occupied) - 1) / (2 * float(rows) * math.log(2)) if corrected else max(0.0, plain)


def mutual_information(table: Any, *, corrected: bool = True) -> float:
    """Return the mutual information of the rows and columns of a contingency table; never below 0.

    Examples
    --------
    >>> mutual_information(np.array([[5, 0], [0, 5]]), corrected=False)
    1.0
    """
    parts = table.sum(axis=1), table.sum(axis=0), table.ravel()
    rows, columns, joint = (entropy(counts, corrected=corrected) for counts in parts)
    return max(0.0, rows + columns - joint)


def above_chance(table: Any, tests: int = 1, inflation: float = 1.0) -> bool:
    """Return whether rows and columns of a table are dependent, by the G-test.

    In clustered data chance produces larger statistics than among independent rows; the statistic is then divided by
    the design effect (Rao and Scott).

    Parameters
    ----------
    table : array
        Counts.
    tests : int
        Number of tables that are tested: the more, the stronger the evidence must be.
    inflation : float
        The design effect.

    Examples
    --------
    >>> above_chance(np.array([[50, 0], [0, 50]])), above_chance(np.array([[25, 26], [24, 25]]))
    (True, False)
    """
    rows, columns = (int(np.count_nonzero(table.sum(axis=axis))) for axis in (1, 0))
    freedom = (rows - 1) * (columns - 1)
    if freedom <= 0:
        return False
    statistic = 2 * math.log(2) * float(table.sum()) * mutual_information(table, corrected=False)
    # The quantile of chi-squared, by the approximation of Wilson and Hilferty.
    spread = 2 / (9 * freedom)
    limit = freedom * (1 - spread + NormalDist().inv_cdf(1 - FALSE_ALARM / tests) * math.sqrt(spread)) ** 3
    return statistic > inflation * limit


def by_chance(table: Any) -> float:
    """Return the mean information of random tables with the sums of a table, whose rows and columns are independent.

    Examples
    --------
    >>> 0.005 < by_chance(np.array([[30, 10], [10, 30]])) < 0.02
    True
    """
    rows, columns = table.sum(axis=1).astype(np.int64), table.sum(axis=0).astype(np.int64)
    if (total := int(rows.sum())) > MOST_ROWS:
        freedom = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
        return float(freedom) / (2 * math.log(2) * total)
    generator = np.random.default_rng(0)
    information = []
    for _ in range(DRAWS):
        remaining, drawn = columns.copy(), []
        for row in rows:
            drawn.append(generator.multivariate_hypergeometric(remaining, row))
            remaining -= drawn[-1]
        information.append(mutual_information(np.array(drawn), corrected=False))
    return float(np.mean(information))


def same_bins(table: Any) -> bool:
    """Return whether each bin of one variable is a bin of the other: I(x; y) = H(x) = H(y), without rounding."""
    occupied = table > 0
    return bool((occupied.sum(axis=0) <= 1).all() and (occupied.sum(axis=1) <= 1).all())
