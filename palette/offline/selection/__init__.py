"""Automatic feature selection: which features tell a label, without telling each other's news."""

from __future__ import annotations

from palette.offline.selection.asked import ask
from palette.offline.selection.result import Label, LeftOut, Ranked, Selection, Step
from palette.offline.selection.selecting import select
from palette.offline.selection.settings import Settings

__all__ = ["Label", "LeftOut", "Ranked", "Selection", "Settings", "Step", "ask", "select"]
