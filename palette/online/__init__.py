"""What serving reads: the newest row of every key, live or frozen, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.online.memory import MemoryStore
from palette.online.near_cache import CacheCounts, NearCache
from palette.online.opening import open_online
from palette.online.reader import OnlineReader, now_micros
from palette.online.remote import RemoteReader, fill
from palette.online.snapshot import Snapshot, from_arrow
from palette.online.table import STATIC, GroupTable, micros, moment

if TYPE_CHECKING:
    from palette.online.embedded import LmdbStore
    from palette.online.redis import RedisStore

__all__ = [
    "STATIC",
    "CacheCounts",
    "GroupTable",
    "LmdbStore",
    "MemoryStore",
    "NearCache",
    "OnlineReader",
    "RedisStore",
    "RemoteReader",
    "Snapshot",
    "fill",
    "from_arrow",
    "micros",
    "moment",
    "now_micros",
    "open_online",
]


def __getattr__(name: str) -> Any:
    # Lazy: who scores from memory does not pay for what other stores import.
    if name == "RedisStore":
        from palette.online.redis import RedisStore

        return RedisStore
    if name == "LmdbStore":
        from palette.online.embedded import LmdbStore

        return LmdbStore
    raise AttributeError(f"module 'palette.online' has no attribute {name!r}")
