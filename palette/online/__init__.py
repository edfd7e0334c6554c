"""What serving reads: the newest row of every key, live or frozen."""

from __future__ import annotations

from palette.online.memory import MemoryStore
from palette.online.reader import OnlineReader, now_micros
from palette.online.snapshot import Snapshot, from_arrow
from palette.online.table import STATIC, GroupTable, micros, moment

__all__ = [
    "STATIC",
    "GroupTable",
    "MemoryStore",
    "OnlineReader",
    "Snapshot",
    "from_arrow",
    "micros",
    "moment",
    "now_micros",
]
