"""Automatic feature selection: which features tell a label, without telling each other's news."""

from __future__ import annotations

from palette.selection.request import ask
from palette.selection.result import Label, LeftOut, Ranked, Selection, Step
from palette.selection.select import select
from palette.selection.settings import Settings

__all__ = ["Label", "LeftOut", "Ranked", "Selection", "Settings", "Step", "ask", "select"]
