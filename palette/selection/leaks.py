"""Features that tell what nobody could have known: looked for in the sample.

A feature leaks if it tells nearly all of the label by itself. Numbers are looked at in finer bins for that: where a
threshold made the label, the bin that it cuts through tells it only in part.

It leaks also if it was *late*: where a group tells when its rows were written, what had been written by the time of
each row tells much less than what its event time lets through. Rows for which nothing had been written by then, as
before a backfill, say nothing about that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palette.selection.worker import codes_of
from palette.statistics.bins import ROWS_PER_CELL, Bins, fit_numbers
from palette.statistics.information import above_chance, entropy, mutual_information

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Sampled", "Timeliness"]

FINEST = 1000
# Late is what tells, in time, less than this share of what it seems to tell, if the difference is no trifle.
LATE, TRIFLE = 0.5, 0.01
# With a smaller share of rows than this there is nothing to compare.
ENOUGH = 0.01


@dataclass(frozen=True)
class Timeliness:
    """What a feature tells in rows of which something had been written in time.

    Parameters
    ----------
    rows : float
        Their share.
    seeming, true : float
        The share of the label's entropy that it tells as of event time, and as of what was written.
    late : bool
        Whether that is much less.
    """

    rows: float
    seeming: float
    true: float
    late: bool


class Sampled:
    """The sample, with the label in codes.

    Parameters
    ----------
    label : array of str or float
        Its values.
    bins : Bins
        Of the label.
    weights : array
        How many rows each row stands for.
    """

    def __init__(self, label: pa.Array, bins: Bins, weights: Any) -> None:
        self.weights = weights
        self._label = codes_of(label, bins.cuts)
        self._size = bins.size
        self._most = max(1, int(weights.sum()) // (ROWS_PER_CELL * len(np.unique(self._label))))

    def fine_share(self, values: pa.Array) -> float:
        """Return the share of the label's entropy that numbers tell in the finest bins that have rows to count."""
        numbers = values.to_numpy(zero_copy_only=False)
        fine = fit_numbers(numbers, self.weights, max(2, min(FINEST, self._most)))
        return self._share(self.table(codes_of(values, fine.cuts), fine.size))

    def timeliness(
        self, seeming: pa.Array, true: pa.Array, known: pa.Array, bins: Bins, tests: int, inflation: float
    ) -> Timeliness:
        """Compare values as of event time with those that had been written; ``tests`` features are looked at."""
        rows = known.to_numpy(zero_copy_only=False).astype(bool)
        share = float(self.weights[rows].sum() / self.weights.sum())
        if share < ENOUGH:
            return Timeliness(share, 0.0, 0.0, late=False)
        before, after = (self.table(codes_of(values, bins.cuts), bins.size, rows) for values in (seeming, true))
        found = self._share(before), self._share(after)
        much = found[1] < LATE * found[0] and found[0] - found[1] > TRIFLE
        return Timeliness(share, *found, late=much and above_chance(before, tests, inflation))

    def table(self, codes: Any, size: int, rows: Any = slice(None)) -> Any:
        """Return how many rows have each code with each of the label."""
        cells = self._label * size + codes
        table = np.bincount(cells[rows], weights=self.weights[rows], minlength=self._size * size)
        return table.reshape(self._size, size)

    def _share(self, table: Any) -> float:
        whole = entropy(table.sum(axis=1))
        return mutual_information(table) / whole if whole else 0.0
