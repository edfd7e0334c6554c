"""Vectors between local stages: a list of float, or a :class:`Sparse`.

In general lists are faster, so that only wide vectors, most of whose elements are zero, are sparse. Some stages
of Spark skip the zeros that a sparse vector leaves out (a product with NaN, a category called 0). What reaches
their local forms is sparse exactly where it is in Spark: see :attr:`palette.serving.stages.LocalStage.reads_sparsity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias, overload

__all__ = ["Sparse", "Vector", "active", "compressed", "dense", "narrow", "sparse_vector", "vector_of"]

# More elements than this, most of them zero, are not written out.
WIDE = 1024


class Sparse(Sequence[float]):
    """A vector most elements of which are zero; reads like a list of float.

    Parameters
    ----------
    size : int
        How many elements it has.
    indices, values : list
        The elements that are kept, by ascending index.

    Examples
    --------
    >>> Sparse(4, [1], [2.0]) == [0.0, 2.0, 0.0, 0.0]
    True
    """

    __slots__ = ("indices", "size", "values")

    def __init__(self, size: int, indices: list[int], values: list[float]) -> None:
        self.size = size
        self.indices = indices
        self.values = values

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> list[float]: ...

    def __getitem__(self, index: int | slice) -> float | list[float]:
        return dense(self)[index]

    def __iter__(self) -> Iterator[float]:
        return iter(dense(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Sparse, list, tuple)):
            return NotImplemented
        return dense(self) == (dense(other) if isinstance(other, Sparse) else list(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Sparse({self.size}, {self.indices}, {self.values})"


Vector: TypeAlias = "list[float] | Sparse"


def dense(vector: Vector) -> list[float]:
    """Return all elements, in a list that is the vector itself if it is one.

    Examples
    --------
    >>> dense(Sparse(3, [0], [1.5]))
    [1.5, 0.0, 0.0]
    """
    if isinstance(vector, list):
        return vector
    elements = [0.0] * vector.size
    for index, value in zip(vector.indices, vector.values, strict=True):
        elements[index] = value
    return elements


def active(vector: Vector) -> Iterable[tuple[int, float]]:
    """Return index and value of the elements that are kept: all of a list.

    Examples
    --------
    >>> list(active(Sparse(3, [2], [1.5])))
    [(2, 1.5)]
    """
    return enumerate(vector) if isinstance(vector, list) else zip(vector.indices, vector.values, strict=True)


def sparse_vector(size: int, elements: dict[int, float]) -> Sparse:
    """Return the sparse vector that stores these elements, zeros among them too.

    Examples
    --------
    >>> sparse_vector(3, {2: 0.0, 1: 2.0})
    Sparse(3, [1, 2], [2.0, 0.0])
    """
    indices = sorted(elements)
    return Sparse(size, indices, [elements[index] for index in indices])


def compressed(vector: Vector | None, overhead: float = 2.0) -> Vector | None:
    """Return the vector as Spark's ``compressed`` stores it: sparse where that takes less memory, without zeros then.

    Parameters
    ----------
    vector : list of float, Sparse or None
        The vector; None stays.
    overhead : float
        By how many elements of a dense vector an empty sparse one is larger: 1.5 up to Spark 4.0.

    Examples
    --------
    >>> compressed([0.0, 0.0, 3.0, 0.0]), compressed([0.0, 2.0, 3.0, 0.0])
    (Sparse(4, [2], [3.0]), [0.0, 2.0, 3.0, 0.0])
    """
    if vector is None:
        return None
    size = len(vector)
    stored = vector if isinstance(vector, list) else vector.values
    if 1.5 * (len(stored) - stored.count(0.0)) + overhead >= size:
        return dense(vector)
    pairs = [(index, value) for index, value in active(vector) if value]
    return Sparse(size, [index for index, _ in pairs], [value for _, value in pairs])


def narrow(vector: Vector | None) -> Vector | None:
    """Return a vector as answers hold it: a sparse one is a list unless it is wide.

    Examples
    --------
    >>> narrow(Sparse(2, [1], [5.0]))
    [0.0, 5.0]
    """
    return dense(vector) if isinstance(vector, Sparse) and vector.size <= WIDE else vector


def vector_of(size: int, elements: dict[int, float]) -> Vector:
    """Return the vector with these elements and zeros; wide ones are sparse.

    Examples
    --------
    >>> vector_of(3, {1: 2.0})
    [0.0, 2.0, 0.0]
    """
    sparse = sparse_vector(size, elements)
    return dense(sparse) if size <= WIDE else sparse


def incoming_vector(value: Any, name: str) -> Vector:
    """Return a vector as a request or a DataFrame's row has it: a sequence of numbers, numpy's, or pyspark's.

    Raises
    ------
    TypeError
        If it is not a vector, or an element is missing.
    """
    if isinstance(value, Sparse):
        return value
    if hasattr(value, "indices") and hasattr(value, "values") and hasattr(value, "size"):
        return Sparse(
            int(value.size), [int(element) for element in value.indices], [float(element) for element in value.values]
        )
    if hasattr(value, "toArray"):
        value = value.toArray()
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        if isinstance(value, (list, tuple)):
            return [float(element) if isinstance(element, (int, float)) else _number(element) for element in value]
    except (OverflowError, TypeError):
        pass
    raise TypeError(f"{name}: expected a vector, found {value!r:.80} of type {type(value).__name__}")


def _number(value: Any) -> float:
    """Return a number of numpy's, or a decimal; TypeError for a time, a string or a missing value."""
    plain = value.tolist() if type(value).__module__ == "numpy" and value.dtype.kind in "biuf" else value
    if isinstance(plain, (int, float, Decimal)):
        return float(plain)
    raise TypeError(type(value).__name__)
