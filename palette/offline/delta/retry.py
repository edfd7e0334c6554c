"""Retries of writes after a commit conflict: Delta rejects the later commit completely, so it can be repeated."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["retry_on_conflict"]

T = TypeVar("T")

LOG = logging.getLogger(__name__)
ATTEMPTS = 12
# Delta's conflicts by their conditions and, where only the message arrives, by their classes.
CONFLICTS = (
    "DELTA_CONCURRENT_",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "io.delta.exceptions.Concurrent",
    "io.delta.exceptions.MetadataChanged",
    "io.delta.exceptions.ProtocolChanged",
)


def retry_on_conflict(write: Callable[[], T], table: str) -> T:
    """Write; after a conflict with another writer wait briefly and write again, up to a dozen times.

    Parameters
    ----------
    write : callable
        Commits once or not at all, and reads the state of the table each time.
    table : str
        Names the table in the log.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return write()
        except Exception as error:
            conflict = next((name for name in CONFLICTS if name in str(error)), None)
            if attempt == ATTEMPTS or conflict is None:
                raise
        # Random, so that writers that conflict do not wait equally long.
        seconds = random.uniform(0.05, 0.2) * attempt  # noqa: S311
        LOG.info(
            "%s: commit conflict (%s), attempt %d of %d in %.2f s", table, conflict, attempt + 1, ATTEMPTS, seconds
        )
        time.sleep(seconds)
