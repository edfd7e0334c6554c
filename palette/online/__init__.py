"""What serving reads: the newest row of every key, live or frozen, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.online.factory import open_online
    from palette.online.features import FeatureRows
    from palette.online.lmdb import LmdbStore
    from palette.online.memory import MemoryStore
    from palette.online.near_cache import CacheCounts, NearCache
    from palette.online.reader import OnlineReader
    from palette.online.redis.store import RedisStore
    from palette.online.remote import RemoteReader, fill
    from palette.online.snapshot.snapshot import Snapshot, from_arrow
    from palette.online.table import STATIC, GroupTable

__all__ = [
    "STATIC",
    "CacheCounts",
    "FeatureRows",
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
    "open_online",
]

_HOMES = {
    "STATIC": "palette.online.table",
    "CacheCounts": "palette.online.near_cache",
    "FeatureRows": "palette.online.features",
    "GroupTable": "palette.online.table",
    "LmdbStore": "palette.online.lmdb",
    "MemoryStore": "palette.online.memory",
    "NearCache": "palette.online.near_cache",
    "OnlineReader": "palette.online.reader",
    "RedisStore": "palette.online.redis.store",
    "RemoteReader": "palette.online.remote",
    "Snapshot": "palette.online.snapshot.snapshot",
    "fill": "palette.online.remote",
    "from_arrow": "palette.online.snapshot.snapshot",
    "open_online": "palette.online.factory",
}

# Who scores from memory does not pay for what other stores import.
__getattr__, __dir__ = lazy(__name__, _HOMES)
