"""Boosters of xgboost, called for one row at a time."""

from __future__ import annotations

import threading
from array import array
from typing import Any

from palette.errors import DataError
from palette.serving.stages.vectors import Sparse

__all__ = ["Booster", "dense_row", "sparse_row"]

# All rounds of trees, in xgboost's notation.
ALL = (0, 0)


class Booster:
    """A booster in the library, read once; a row takes one thread, and threads may ask at the same time.

    Parameters
    ----------
    kind : str
        The stage, for messages.
    text : str
        The model, as xgboost writes it in JSON.
    missing : float
        The number that means a missing value; NaN always does.
    rounds : list of int, optional
        The first round of trees that counts, and the one behind the last; those of early stopping if not given.

    Raises
    ------
    DataError
        If xgboost is not installed, or it cannot read the model.
    """

    def __init__(self, kind: str, text: str, missing: float, rounds: list[int] | None) -> None:
        try:
            import xgboost
        except ImportError as error:
            raise DataError(f"{kind} needs pip install 'palette-features[xgboost]'") from error
        self._made = (kind, text, missing, rounds)
        self._kind = kind
        self._missing = missing
        self._matrix_of = xgboost.DMatrix
        self._lock = threading.Lock()
        try:
            self._booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(text.encode()))
            best = self._booster.attr("best_iteration")
        except ValueError as error:
            raise DataError(
                f"{kind}: xgboost {xgboost.__version__} cannot read this booster, perhaps since a newer one wrote it: "
                f"{_reason(error)}"
            ) from error
        self._stopped = ALL if best is None else (0, int(best) + 1)
        self._rounds = self._stopped if rounds is None or rounds[1] == 0 else (rounds[0], rounds[1])

    def __reduce__(self) -> tuple[type[Booster], tuple[Any, ...]]:
        return Booster, self._made

    def scores(self, row: Any, base: float | None, *, margin: bool) -> Any:
        """Return the scores of a row: margins, or what the objective makes of them.

        Raises
        ------
        DataError
            If the library rejects the row, as one of another length than those in training.
        """
        try:
            return self._booster.inplace_predict(
                row,
                iteration_range=self._rounds,
                predict_type="margin" if margin else "value",
                missing=self._missing,
                validate_features=False,
                base_margin=_base(base),
            )
        except ValueError as error:
            raise self._rejected(error) from error

    def contributions(self, row: Any, base: float | None, *, strict: bool) -> Any:
        """Return what each feature, and at last the bias, adds to the margin; by class if ``strict``.

        Raises
        ------
        DataError
            If the library rejects the row.
        """
        try:
            matrix = self._matrix_of(row, base_margin=_base(base), missing=self._missing, nthread=1)
            # What the library promises of threads is for scores.
            with self._lock:
                return self._booster.predict(
                    matrix,
                    pred_contribs=True,
                    validate_features=False,
                    iteration_range=self._stopped,
                    strict_shape=strict,
                )
        except ValueError as error:
            raise self._rejected(error) from error

    def _rejected(self, error: Exception) -> DataError:
        return DataError(f"{self._kind}: xgboost rejects this row: {_reason(error)}")


def dense_row(features: Any) -> Any:
    """Return a matrix of one row; beyond 32 bits lies infinity, as in Java.

    Raises
    ------
    TypeError
        If an element is not a number.
    """
    import numpy as np

    # Not numpy's own conversion, which warns of infinities.
    return np.frombuffer(array("f", features), np.float32).reshape(1, -1)


def sparse_row(vector: Sparse) -> Any:
    """Return a matrix of one row, in which what the vector leaves out is missing."""
    import numpy as np
    from scipy.sparse import csr_matrix

    values = np.frombuffer(array("f", vector.values), np.float32)
    return csr_matrix((values, vector.indices, [0, len(vector.indices)]), shape=(1, vector.size))


def _base(base: float | None) -> Any:
    import numpy as np

    return None if base is None else np.array([base])


def _reason(error: Exception) -> str:
    """Return the library's message, without its stack and the names of its files."""
    line = str(error).partition("\n")[0]
    return line.rpartition(" : ")[2] if " : " in line else line
