"""The offline store: histories in Delta tables, and the point-in-time join over them."""

from __future__ import annotations

from palette.offline.basis import Lookup, check_join
from palette.offline.commits import Written
from palette.offline.join import point_in_time_join
from palette.offline.pins import pinned_versions
from palette.offline.planner import explain
from palette.offline.tables import DeltaTables

__all__ = ["DeltaTables", "Lookup", "Written", "check_join", "explain", "pinned_versions", "point_in_time_join"]
