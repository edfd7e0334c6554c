"""Writers that meet: Delta refuses the later commit whole, so it can be tried again on what the earlier one left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["repeated"]

T = TypeVar("T")

TRIES = 12
# As Delta's errors are called in their conditions and, where only the text arrives, by their classes.
SIGNS = (
    "DELTA_CONCURRENT_",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "io.delta.exceptions.Concurrent",
    "io.delta.exceptions.MetadataChanged",
    "io.delta.exceptions.ProtocolChanged",
)


def repeated(write: Callable[[], T]) -> T:
    """Write; after a conflict with another writer wait a moment and write again, a dozen times at most.

    Parameters
    ----------
    write : callable
        Commits once or not at all, and looks at the table anew each time.
    """
    tried = 0
    while True:
        tried += 1
        try:
            return write()
        except Exception as error:
            if tried == TRIES or not any(sign in str(error) for sign in SIGNS):
                raise
        # Of several that wait, each for a time of its own.
        time.sleep(random.uniform(0.05, 0.2) * tried)  # noqa: S311
