"""A selection as text: for terminals, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palette.selection.result import Selection

__all__ = ["COLUMNS", "heading", "markdown", "plain_text", "ranking", "summary"]

COLUMNS = ("#", "feature", "relevance", "of label", "redundancy", "score", "no value", "distinct")


def heading(selection: Selection) -> str:
    """Return what the selection is about."""
    return f"Features that tell {selection.label.column}"


def summary(selection: Selection) -> Iterator[str]:
    """Yield what to know of it, in sentences."""
    label = selection.label
    what = "classes" if label.task == "classification" else "quantile bins"
    nulls = f", {label.nulls:,} more have no label" if label.nulls else ""
    yield f"{selection.rows:,} rows{nulls}; the label in {label.bins} {what} has {label.entropy:.3f} bits."
    chosen, ranked, out = len(selection.features), len(selection.ranked), len(selection.left_out)
    how = "relevance less mean redundancy (mRMR)" if selection.method == "mrmr" else "relevance"
    yield f"{chosen} selected of {ranked} ranked by {how}; {out} left out."
    if selection.sampled < selection.rows:
        yield f"Bins were fitted, values told apart and leaks looked for in a sample of {selection.sampled:,} rows."
    yield from (f"{note}." for note in selection.notes)


def ranking(selection: Selection) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the ranked features, under ``COLUMNS``; a feature that was not selected has no number."""
    for one in selection.ranked:
        bits = (f"{value:.4f}" for value in (one.redundancy, one.score))
        yield (
            str(one.rank) if one.selected else "",
            one.feature,
            f"{one.relevance:.4f}",
            f"{one.share:.1%}",
            *bits,
            f"{one.nulls:.1%}",
            f"{one.distinct:,}",
        )


def plain_text(selection: Selection) -> str:
    """Return a table of what is ranked, and a list of what is left out."""
    rows = [COLUMNS, *ranking(selection)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [heading(selection), *summary(selection)]
    lines += ["", *(_aligned(row, widths) for row in rows)] if selection.ranked else []
    if selection.left_out:
        widths = [max(len(one.feature) for one in selection.left_out)]
        lines += [
            "",
            "Left out",
            *(f"{one.feature.ljust(widths[0])}  {one.reason}: {one.why}" for one in selection.left_out),
        ]
    return "\n".join(lines)


def markdown(selection: Selection) -> str:
    """Return the same in Markdown."""
    lines = [f"# {_escaped(heading(selection))}", ""]
    lines += [f"- {_escaped(line)}" for line in summary(selection)]
    lines += ["", *_table(COLUMNS, ranking(selection), "rlrrrrrr")] if selection.ranked else []
    if selection.left_out:
        rows = ((one.feature, one.reason, one.why) for one in selection.left_out)
        lines += ["", "## Left out", "", *_table(("feature", "reason", "why"), rows, "lll")]
    return "\n".join(lines) + "\n"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column == "feature" else cell.rjust(width)
        for cell, width, column in zip(row, widths, COLUMNS, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]], sides: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---:' if side == 'r' else '---' for side in sides)} |"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    r"""Return a text that Markdown prints as it is.

    Examples
    --------
    >>> print(_escaped("a|b <i>*"))
    a\|b \<i\>\*
    """
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#&~" else sign for sign in " ".join(text.split()))
