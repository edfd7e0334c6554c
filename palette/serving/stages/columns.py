"""What feature stages share: one column or many, and the vector that must be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palette.errors import DataError
from palette.serving.stages.vectors import Vector

__all__ = ["columns_of", "present"]


def columns_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields ``inputs`` and ``outputs`` of a stage that takes one column or several.

    Examples
    --------
    >>> columns_of({"inputCol": "x", "outputCol": "y"})
    {'inputs': ('x',), 'outputs': ('y',)}
    >>> columns_of({"inputCols": ["x", "z"], "outputCols": ["y", "w"], "outputCol": "stage_1__output"})
    {'inputs': ('x', 'z'), 'outputs': ('y', 'w')}
    """
    if params.get("inputCols"):
        return {"inputs": tuple(params["inputCols"]), "outputs": tuple(params["outputCols"])}
    return {"inputs": (params["inputCol"],), "outputs": (params["outputCol"],)}


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
