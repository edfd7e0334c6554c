"""The result of a selection: its record, printed, shown in notebooks, written as a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from palette.selection.html import section
from palette.selection.plain_text import plain_text
from palette.selection.records import SelectionRecord
from palette.selection.report import write_report

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection(SelectionRecord):
    """Features ranked by their information about a label; see :class:`palette.selection.records.SelectionRecord`.

    Examples
    --------
    >>> from palette.selection import Label, Ranked
    >>> label = Label("minutes", "regression", 10, 3.32, 0)
    >>> prep = Ranked(1, "restaurant:kitchen:prep:r_id", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
    >>> selection = Selection(label, 1000, 1000, "mrmr", (prep,), ())
    >>> selection.features
    ['restaurant:kitchen:prep:r_id']
    """

    def report(self, path: str | Path) -> None:
        """Write a report: a page, ``.html``; Markdown, ``.md``; or all figures, ``.json``. The write is atomic.

        Raises
        ------
        ArgumentError
            If the path has another ending.
        DataError
            If there is no such directory.
        """
        write_report(self, path)

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_html_(self) -> str:
        return section(self)
