"""The offline store: histories in Delta tables, and the point-in-time join over them."""

from __future__ import annotations

from palette.offline.delta.commits import Written
from palette.offline.delta.tables import DeltaTables
from palette.offline.join.join import point_in_time_join
from palette.offline.join.lookup import Lookup, ResolvedLookups
from palette.offline.join.pins import pinned_versions
from palette.offline.join.planner import explain
from palette.offline.join.validate import check_join

__all__ = [
    "DeltaTables",
    "Lookup",
    "ResolvedLookups",
    "Written",
    "check_join",
    "explain",
    "pinned_versions",
    "point_in_time_join",
]
