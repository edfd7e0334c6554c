"""What serving reads: the newest row of every key, live or frozen, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy import lazy

if TYPE_CHECKING:
    from palette.online.embedded import LmdbStore
    from palette.online.features import FeatureRows
    from palette.online.memory import MemoryStore
    from palette.online.near_cache import CacheCounts, NearCache
    from palette.online.opening import open_online
    from palette.online.reader import OnlineReader, now_micros
    from palette.online.redis import RedisStore
    from palette.online.remote import RemoteReader, fill
    from palette.online.snapshot import Snapshot, from_arrow
    from palette.online.table import STATIC, GroupTable, micros, moment

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
    "micros",
    "moment",
    "now_micros",
    "open_online",
]

_HOMES = {
    "STATIC": "palette.online.table",
    "CacheCounts": "palette.online.near_cache",
    "FeatureRows": "palette.online.features",
    "GroupTable": "palette.online.table",
    "LmdbStore": "palette.online.embedded",
    "MemoryStore": "palette.online.memory",
    "NearCache": "palette.online.near_cache",
    "OnlineReader": "palette.online.reader",
    "RedisStore": "palette.online.redis",
    "RemoteReader": "palette.online.remote",
    "Snapshot": "palette.online.snapshot",
    "fill": "palette.online.remote",
    "from_arrow": "palette.online.snapshot",
    "micros": "palette.online.table",
    "moment": "palette.online.table",
    "now_micros": "palette.online.reader",
    "open_online": "palette.online.opening",
}

# Who scores from memory does not pay for what other stores import.
__getattr__, __dir__ = lazy(__name__, _HOMES)
