"""Online stores and snapshots: the newest row of every key, in memory, in files, in LMDB or Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.online.factory import open_online
    from palette.online.features import FeatureRows
    from palette.online.layout import STATIC, RowLayout
    from palette.online.lmdb import LmdbStore
    from palette.online.local import LocalReader, LocalTable
    from palette.online.memory import MemoryStore
    from palette.online.near_cache import CacheCounts, NearCache
    from palette.online.reader import FeatureReader
    from palette.online.redis.store import RedisStore
    from palette.online.snapshot.fill import fill
    from palette.online.snapshot.snapshot import Snapshot, from_arrow
    from palette.online.store import OnlineStore
    from palette.online.table import GroupTable

__all__ = [
    "STATIC",
    "CacheCounts",
    "FeatureReader",
    "FeatureRows",
    "GroupTable",
    "LmdbStore",
    "LocalReader",
    "LocalTable",
    "MemoryStore",
    "NearCache",
    "OnlineStore",
    "RedisStore",
    "RowLayout",
    "Snapshot",
    "fill",
    "from_arrow",
    "open_online",
]

_HOMES = {
    "STATIC": "palette.online.layout",
    "CacheCounts": "palette.online.near_cache",
    "FeatureReader": "palette.online.reader",
    "FeatureRows": "palette.online.features",
    "GroupTable": "palette.online.table",
    "LmdbStore": "palette.online.lmdb",
    "LocalReader": "palette.online.local",
    "LocalTable": "palette.online.local",
    "MemoryStore": "palette.online.memory",
    "NearCache": "palette.online.near_cache",
    "OnlineStore": "palette.online.store",
    "RedisStore": "palette.online.redis.store",
    "RowLayout": "palette.online.layout",
    "Snapshot": "palette.online.snapshot.snapshot",
    "fill": "palette.online.snapshot.fill",
    "from_arrow": "palette.online.snapshot.snapshot",
    "open_online": "palette.online.factory",
}

# Scoring from memory does not pay for the imports of other stores.
__getattr__, __dir__ = lazy(__name__, _HOMES)
