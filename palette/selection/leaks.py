"""Leaks: features with information that was not available in time, detected in the sample.

A feature leaks if it determines nearly all of the label by itself. Numbers are put into finer bins for that: where a
threshold made the label, the bin that contains it determines the label only in part.

A feature also leaks if it was *late*: where a group records when its rows were written, the values written by the time
of each row carry much less information than those selected by event time. Rows for which nothing had been written by
then, as before a backfill, are ignored for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palette.selection.worker import to_codes
from palette.statistics.bins import ROWS_PER_CELL, Bins, fit_numbers
from palette.statistics.information import above_chance, entropy, mutual_information

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ENOUGH", "LabelledSample", "Timeliness"]

FINEST = 1000
# A feature is late if the information available in time is less than this share, and the difference is not negligible.
LATE, NEGLIGIBLE = 0.5, 0.01
# The minimum share of rows for a comparison.
ENOUGH = 0.01


@dataclass(frozen=True)
class Timeliness:
    """Information of a feature in rows for which anything had been written in time.

    Parameters
    ----------
    rows : float
        Their share.
    seeming, true : float
        The share of the label's entropy that it explains by event time, and by what had been written.
    late : bool
        Whether the latter is much less.
    """

    rows: float
    seeming: float
    true: float
    late: bool


class LabelledSample:
    """A sample, with the label in codes.

    Parameters
    ----------
    label : array of str or float
        Its values.
    bins : Bins
        Of the label.
    weights : array
        Number of rows that each row represents.
    """

    def __init__(self, label: pa.Array, bins: Bins, weights: Any) -> None:
        self.weights = weights
        self._label = to_codes(label, bins.cuts)
        self._size = bins.size
        self._max_bins = max(1, int(weights.sum()) // (ROWS_PER_CELL * len(np.unique(self._label))))

    def fine_share(self, values: pa.Array) -> float:
        """Return the share of the label's entropy that numbers explain in the finest bins with enough rows."""
        numbers = values.to_numpy(zero_copy_only=False)
        fine = fit_numbers(numbers, self.weights, max(2, min(FINEST, self._max_bins)))
        return self._share(self.table(to_codes(values, fine.cuts), fine.size))

    def timeliness(
        self, seeming: pa.Array, true: pa.Array, known: pa.Array, bins: Bins, tests: int, inflation: float
    ) -> Timeliness:
        """Compare values by event time with those that had been written; ``tests`` features are compared."""
        rows = known.to_numpy(zero_copy_only=False).astype(bool)
        share = float(self.weights[rows].sum() / self.weights.sum())
        if share < ENOUGH:
            return Timeliness(share, 0.0, 0.0, late=False)
        before, after = (self.table(to_codes(values, bins.cuts), bins.size, rows) for values in (seeming, true))
        by_event, by_created = self._share(before), self._share(after)
        lost = by_created < LATE * by_event and by_event - by_created > NEGLIGIBLE
        return Timeliness(share, by_event, by_created, late=lost and above_chance(before, tests, inflation))

    def table(self, codes: Any, size: int, rows: Any = slice(None)) -> Any:
        """Return the contingency table of the label's codes and these codes."""
        cells = self._label * size + codes
        table = np.bincount(cells[rows], weights=self.weights[rows], minlength=self._size * size)
        return table.reshape(self._size, size)

    def _share(self, table: Any) -> float:
        total = entropy(table.sum(axis=1))
        return mutual_information(table) / total if total else 0.0
