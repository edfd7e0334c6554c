"""What was worked out before, up to a number of entries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Memo"]

V = TypeVar("V")


class Memo(Generic[V]):
    """Values by key; those not asked for longest are forgotten first.

    Examples
    --------
    >>> lengths = Memo(limit=2)
    >>> lengths.get("abc", lambda: len("abc")), lengths.get("abc", lambda: 0)
    (3, 3)
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V], valid: Callable[[V], bool] | None = None) -> V:
        """Return the value of a key, made now if it is not there. Two threads may both make it; they make the same.

        Parameters
        ----------
        valid : callable, optional
            Whether a value that was made before is still good; it is made again if not.
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

    def forget(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()
