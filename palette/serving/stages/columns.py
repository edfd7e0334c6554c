"""Checks of input columns."""

from __future__ import annotations

from palette.errors import DataError
from palette.serving.stages.vectors import Vector

__all__ = ["present"]


def present(kind: str, column: str, vector: Vector | None, size: int = -1) -> Vector:
    """Return a vector after a look at it.

    Parameters
    ----------
    kind, column : str
        The stage and its column, for messages.
    vector : list of float, Sparse or None
        The vector.
    size : int
        How many elements it must have; -1 for any number.

    Raises
    ------
    DataError
        If it is missing, or has another size.
    """
    if vector is None:
        raise DataError(f"{kind}: {column} is null; fill what it is made from (nFill)")
    if size >= 0 and len(vector) != size:
        raise DataError(f"{kind}: {column} has {len(vector)} elements, expected {size}; make it as it was in training")
    return vector
