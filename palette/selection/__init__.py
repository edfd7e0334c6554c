"""Automatic feature selection: the features that carry information about a label, without redundancy."""

from __future__ import annotations

from palette.selection.records import Label, LeftOut, Ranked, Step
from palette.selection.request import make_request
from palette.selection.result import Selection
from palette.selection.select import select
from palette.selection.settings import SelectionSettings

__all__ = ["Label", "LeftOut", "Ranked", "Selection", "SelectionSettings", "Step", "make_request", "select"]
