"""Bounded LRU cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["LRUCache"]

V = TypeVar("V")


class LRUCache(Generic[V]):
    """Values by key, shared by threads; the least recently used are dropped first.

    Parameters
    ----------
    limit : int
        Number of entries.

    Examples
    --------
    >>> lengths = LRUCache(limit=2)
    >>> lengths.get("abc", lambda: len("abc")), lengths.get("abc", lambda: 0)
    (3, 3)
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V], valid: Callable[[V], bool] | None = None) -> V:
        """Return the value of a key, made now unless it is cached. Two threads may both make it; the values are equal.

        Parameters
        ----------
        valid : callable, optional
            Returns whether a cached value may still be used; it is made again if not.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                value = self._values[key]
                if valid is None or valid(value):
                    return value
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._limit:
                self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()
