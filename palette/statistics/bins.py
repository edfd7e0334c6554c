"""Bins: how the values of a column become a few codes, fitted on a sample.

Code 0 is null, and NaN. Numbers fall between cuts; few distinct ones stay as they are, and one that is as frequent as
a whole bin has a bin of its own. Texts are the most frequent ones and a rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ROWS_PER_CELL", "Bins", "fit_numbers", "fit_texts", "most_bins"]

ROWS_PER_CELL = 5


@dataclass(frozen=True)
class Bins:
    """The bins of one column.

    Parameters
    ----------
    cuts : array or list of str
        Of numbers the upper bounds of the bins, each belonging to its bin, the last bin being open; or the texts.
    values : tuple
        For each code the one value that it stands for; None where these are several, or the code is null.
    distinct : int
        How many distinct values the sample had.
    """

    cuts: Any
    values: tuple[Any, ...]
    distinct: int

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.values)


def most_bins(rows: int) -> int:
    """Return how many bins a column may have for the cells of two to hold about five rows each; at least 2.

    Examples
    --------
    >>> most_bins(2000), most_bins(3)
    (20, 2)
    """
    return max(2, math.isqrt(rows // ROWS_PER_CELL))


def fit_numbers(values: Any, weights: Any, bins: int, few: int | None = None) -> Bins:
    """Return bins that hold about as many rows each.

    Parameters
    ----------
    values, weights : array
        A sample, NaN for null, and how many rows each value stands for.
    bins : int
        How many.
    few : int, optional
        Up to how many distinct values stay as they are; by default as many as bins.

    Examples
    --------
    >>> fit_numbers(np.array([1.0, 2.0, 3.0, 5.0]), np.ones(4), 2).cuts.tolist()
    [2.0]
    >>> fit_numbers(np.array([1.0, 2.0, 2.0]), np.ones(3), 2).values
    (None, None, 1.0, 2.0, None)
    """
    known = ~np.isnan(values)
    distinct, place = np.unique(values[known], return_inverse=True)
    mass = np.bincount(place, weights=weights[known], minlength=len(distinct))
    if len(distinct) <= (bins if few is None else few):
        # A bin below and one above are for values that the sample lacks.
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


def fit_texts(values: pa.Array, weights: Any, most: int) -> Bins:
    """Return bins of the most frequent texts, and one for the rest; ties in the order of the texts.

    Examples
    --------
    >>> fit_texts(pa.array(["b", "a", "b", None]), np.ones(4), 1).values
    (None, None, 'b')
    """
    coded = pc.dictionary_encode(values)
    texts = coded.dictionary.to_pylist()
    known = pc.is_valid(coded).to_numpy(zero_copy_only=False)
    places = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)[known]
    mass = np.bincount(places, weights=weights[known], minlength=len(texts))
    ordered = sorted(range(len(texts)), key=lambda place: (-mass[place], texts[place]))
    kept = [texts[place] for place in ordered[:most]]
    return Bins(kept, (None, None, *kept), len(texts))
