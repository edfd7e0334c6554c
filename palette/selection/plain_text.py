"""Selections as plain text for terminals, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palette.selection.records import SelectionRecord

__all__ = ["COLUMNS", "heading", "markdown", "plain_text", "ranking", "summary"]

COLUMNS = ("#", "feature", "relevance", "of label", "redundancy", "score", "no value", "distinct")


def heading(selection: SelectionRecord) -> str:
    """Return the title of a selection."""
    return f"Features that predict {selection.label.column}"


def summary(selection: SelectionRecord) -> Iterator[str]:
    """Yield sentences about rows, label, method and sample, and the notes."""
    label = selection.label
    kind = "classes" if label.task == "classification" else "quantile bins"
    nulls = f", {label.nulls:,} more have no label" if label.nulls else ""
    yield f"{selection.rows:,} rows{nulls}; the label in {label.bins} {kind} has {label.entropy:.3f} bits."
    selected, ranked, left_out = len(selection.features), len(selection.ranked), len(selection.left_out)
    method = "relevance less mean redundancy (mRMR)" if selection.method == "mrmr" else "relevance"
    yield f"{selected} selected of {ranked} ranked by {method}; {left_out} left out."
    if selection.sampled < selection.rows:
        yield f"Bins were fitted, distinct values counted and leaks detected in a sample of {selection.sampled:,} rows."
    yield from (f"{note}." for note in selection.notes)


def ranking(selection: SelectionRecord) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the ranked features, under ``COLUMNS``; a feature that was not selected has no number."""
    for feature in selection.ranked:
        bits = (f"{value:.4f}" for value in (feature.redundancy, feature.score))
        yield (
            str(feature.rank) if feature.selected else "",
            feature.feature,
            f"{feature.relevance:.4f}",
            f"{feature.share:.1%}",
            *bits,
            f"{feature.nulls:.1%}",
            f"{feature.distinct:,}",
        )


def plain_text(selection: SelectionRecord) -> str:
    """Return a table of the ranked features, and a list of those left out."""
    rows = [COLUMNS, *ranking(selection)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [heading(selection), *summary(selection)]
    lines += ["", *(_align(row, widths) for row in rows)] if selection.ranked else []
    if selection.left_out:
        width = max(len(feature.feature) for feature in selection.left_out)
        lines += [
            "",
            "Left out",
            *(f"{feature.feature.ljust(width)}  {feature.reason}: {feature.why}" for feature in selection.left_out),
        ]
    return "\n".join(lines)


def markdown(selection: SelectionRecord) -> str:
    """Return the selection as Markdown."""
    lines = [f"# {_escape(heading(selection))}", ""]
    lines += [f"- {_escape(line)}" for line in summary(selection)]
    lines += ["", *_table(COLUMNS, ranking(selection), "rlrrrrrr")] if selection.ranked else []
    if selection.left_out:
        rows = ((feature.feature, feature.reason, feature.why) for feature in selection.left_out)
        lines += ["", "## Left out", "", *_table(("feature", "reason", "why"), rows, "lll")]
    return "\n".join(lines) + "\n"


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column == "feature" else cell.rjust(width)
        for cell, width, column in zip(row, widths, COLUMNS, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]], sides: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---:' if side == 'r' else '---' for side in sides)} |"
    for row in rows:
        yield f"| {' | '.join(map(_escape, row))} |"


def _escape(text: str) -> str:
    r"""Escape a string, so that Markdown prints it unchanged.

    Examples
    --------
    >>> print(_escape("a|b <i>*"))
    a\|b \<i\>\*
    """
    characters = " ".join(text.split())
    return "".join(f"\\{character}" if character in "\\`*_[]<>|#&~" else character for character in characters)
