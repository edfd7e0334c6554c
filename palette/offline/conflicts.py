"""Writers that meet: Delta refuses the later commit whole, so it can be tried again on what the earlier one left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

__all__ = ["repeated"]

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


def repeated(write: Callable[[], None]) -> None:
    """Write; after a conflict with another writer wait a moment and write again, a dozen times at most.

    Parameters
    ----------
    write : callable
        Commits once or not at all, and looks at the table anew each time.
    """
    for tried in range(1, TRIES + 1):
        try:
            write()
        except Exception as error:
            if tried == TRIES or not any(sign in str(error) for sign in SIGNS):
                raise
        else:
            return
        # Of several that wait, each for a time of its own.
        time.sleep(random.uniform(0.05, 0.2) * tried)  # noqa: S311
