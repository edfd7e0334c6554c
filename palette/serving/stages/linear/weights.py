"""Weights of linear models, and sums of products.

A sum is made in the order of the features, as Spark makes it where the features are sparse. Where they are dense and as
many as its vector unit is wide or more, Spark adds in an order that depends on the processor: then last digits differ.
Weights that Spark keeps sparse do not touch the features without a weight, so that a NaN there has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from palette.serving.stages.base import Bind
from palette.serving.stages.sources import Data, FittedStage, Source
from palette.serving.stages.vectors import Vector, active

__all__ = ["UNROLLED", "dot", "dot_lines", "guarded", "rows_of", "sum_lines", "weighted_sum"]

# More features than this are not written out in generated code.
UNROLLED = 256
# Products in one generated expression.
TERMS = 32


def weighted_sum(name: str = "coefficients") -> Source:
    """Return the source of ``size``, ``coefficients``, ``places`` and ``intercept`` of a model with one weighted sum.

    Parameters
    ----------
    name : str
        The fitted value that has the weights.
    """
    weights = Data(name)

    def size(stage: FittedStage) -> int:
        vector = weights(stage)
        return len(vector["values"]) if vector["type"] == 1 else int(vector["size"])

    def places(stage: FittedStage) -> list[int] | None:
        vector = weights(stage)
        return None if vector["type"] == 1 else list(vector["indices"])

    return Source(
        size=size,
        coefficients=lambda stage: [float(value) for value in weights(stage)["values"]],
        places=places,
        intercept=Data("intercept", float),
    )


def rows_of(plain: Mapping[str, Any]) -> tuple[list[list[float]], list[list[int]] | None]:
    """Return the rows of a saved matrix, and the indices of their values: None for all.

    Examples
    --------
    >>> rows_of({"type": 1, "numRows": 2, "numCols": 1, "values": [1.0, 2.0], "isTransposed": False})
    ([[1.0], [2.0]], None)
    """
    rows, columns = plain["numRows"], plain["numCols"]
    values = [float(value) for value in plain["values"]]
    if plain["type"] == 1:
        if plain["isTransposed"]:
            return [values[row * columns : (row + 1) * columns] for row in range(rows)], None
        return [values[row::rows] for row in range(rows)], None
    stored: list[dict[int, float]] = [{} for _ in range(rows)]
    starts, indices = plain["colPtrs"], plain["rowIndices"]
    for major in range(len(starts) - 1):
        for at in range(starts[major], starts[major + 1]):
            row, column = (major, indices[at]) if plain["isTransposed"] else (indices[at], major)
            stored[row][int(column)] = values[at]
    places = [sorted(row) for row in stored]
    return [[row[index] for index in indices] for row, indices in zip(stored, places, strict=True)], places


def dot(weights: Sequence[float], places: Sequence[int] | None, features: Vector, start: float = 0.0) -> float:
    """Return the sum of products, made from the first to the last.

    Examples
    --------
    >>> dot([0.5, 2.0], None, [1.0, 3.0]), dot([2.0], [1], [float("nan"), 3.0])
    (6.5, 6.0)
    """
    total = start
    if places is None:
        if isinstance(features, list):
            for weight, feature in zip(weights, features, strict=True):
                total += feature * weight
        else:
            for index, feature in active(features):
                total += feature * weights[index]
    elif isinstance(features, list):
        for weight, index in zip(weights, places, strict=True):
            total += features[index] * weight
    else:
        present = dict(active(features))
        for weight, index in zip(weights, places, strict=True):
            if index in present:
                total += present[index] * weight
    return total


def dot_lines(name: str, weights: Sequence[str], features: Sequence[str]) -> list[str]:
    """Return lines of Python that assign the sum of products to a variable.

    Examples
    --------
    >>> dot_lines("x", ["c1", "c2"], ["f1", "f2"])
    ['x = f1 * c1 + f2 * c2']
    """
    return sum_lines(name, [f"{feature} * {weight}" for weight, feature in zip(weights, features, strict=True)])


def sum_lines(name: str, terms: Sequence[str]) -> list[str]:
    """Return lines of Python that assign a sum, added from the first term to the last.

    Python's compiler goes as deep as a sum is long, so that long ones take several lines.

    Examples
    --------
    >>> sum_lines("x", ["a", "b"]), len(sum_lines("x", ["a"] * 5000)) > 1
    (['x = a + b'], True)
    """
    parts = [" + ".join(terms[at : at + TERMS]) for at in range(0, len(terms), TERMS)]
    return [f"{name} = {name} + {part}" if at else f"{name} = {part}" for at, part in enumerate(parts)]


def guarded(
    value: str, features: Sequence[str], lines: Sequence[str], otherwise: Sequence[str], bind: Bind
) -> list[str]:
    """Return lines of Python that compute on the elements of a list, and do something else on any other value.

    Parameters
    ----------
    value : str
        The variable that holds the vector.
    features : sequence of str
        Variables for the elements, as many as there must be.
    lines, otherwise : sequence of str
        What to do with the elements, and what where there are more or fewer, or the vector is null or not a list.
    bind : callable
        Returns the name of a constant.
    """
    return [
        f"if {value}.__class__ is {bind(list, 'list')}:",
        "    try:",
        f"        [{', '.join(features)}] = {value}",
        *(f"        {line}" for line in lines),
        f"    except {bind((TypeError, ValueError), 'no such vector')}:",
        *(f"        {line}" for line in otherwise),
        "else:",
        *(f"    {line}" for line in otherwise),
    ]
