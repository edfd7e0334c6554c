"""Bins: mappings of a column's values to a few codes, fitted on a sample.

Code 0 is null and NaN. Numbers fall between cuts; a few distinct ones each have a bin, and so does a number that is as
frequent as a bin should be. Strings are the most frequent ones and a rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ROWS_PER_CELL", "Bins", "fit_numbers", "fit_strings", "max_bins"]

ROWS_PER_CELL = 5


@dataclass(frozen=True)
class Bins:
    """The bins of one column.

    Parameters
    ----------
    cuts : array or list of str
        Upper bounds of the bins of numbers, inclusive, the last bin being open; or the strings.
    values : tuple
        The value of each code; None where a code has several values, or is null.
    distinct : int
        Number of distinct values in the sample.
    """

    cuts: Any
    values: tuple[Any, ...]
    distinct: int

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.values)


def max_bins(rows: int) -> int:
    """Return the number of bins at which the cells of two columns have about five rows each; at least 2.

    Examples
    --------
    >>> max_bins(2000), max_bins(3)
    (20, 2)
    """
    return max(2, math.isqrt(rows // ROWS_PER_CELL))


def fit_numbers(values: Any, weights: Any, bins: int, few: int | None = None) -> Bins:
    """Return bins with about equal numbers of rows.

    Parameters
    ----------
    values, weights : array
        A sample, NaN for null, and the number of rows that each value represents.
    bins : int
        Number of bins.
    few : int, optional
        Up to this many distinct values each have a bin; by default as many as bins.

    Examples
    --------
    >>> fit_numbers(np.array([1.0, 2.0, 3.0, 5.0]), np.ones(4), 2).cuts.tolist()
    [2.0]
    >>> fit_numbers(np.array([1.0, 2.0, 2.0]), np.ones(3), 2).values
    (None, None, 1.0, 2.0, None)
    """
    known = ~np.isnan(values)
    distinct, index = np.unique(values[known], return_inverse=True)
    mass = np.bincount(index, weights=weights[known], minlength=len(distinct))
    if len(distinct) <= (bins if few is None else few):
        # One bin below and one above, for values that are not in the sample.
        cuts = np.concatenate([np.nextafter(distinct[:1], -np.inf), distinct])
        alone = distinct
    else:
        total = np.cumsum(mass)
        ranks = total[-1] * np.arange(1, bins) / bins
        heavy = mass * bins >= total[-1]
        alone = distinct[heavy]
        cuts = np.concatenate([distinct[np.searchsorted(total, ranks)], alone, np.nextafter(alone, -np.inf)])
    cuts = np.unique(cuts)
    codes = dict(zip((np.searchsorted(cuts, alone) + 1).tolist(), alone.tolist(), strict=True))
    return Bins(cuts, tuple(codes.get(code) for code in range(len(cuts) + 2)), len(distinct))


def fit_strings(values: pa.Array, weights: Any, most: int) -> Bins:
    """Return bins of the most frequent strings, and one for the rest; ties in the order of the strings.

    Examples
    --------
    >>> fit_strings(pa.array(["b", "a", "b", None]), np.ones(4), 1).values
    (None, None, 'b')
    """
    coded = pc.dictionary_encode(values)
    strings = coded.dictionary.to_pylist()
    known = pc.is_valid(coded).to_numpy(zero_copy_only=False)
    indices = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)[known]
    mass = np.bincount(indices, weights=weights[known], minlength=len(strings))
    ordered = sorted(range(len(strings)), key=lambda index: (-mass[index], strings[index]))
    frequent = [strings[index] for index in ordered[:most]]
    return Bins(frequent, (None, None, *frequent), len(strings))
