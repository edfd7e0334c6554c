"""Selections as self-contained HTML: no scripts, fonts or other files."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from palette.selection.plain_text import heading, summary

if TYPE_CHECKING:
    from palette.selection.records import Ranked, SelectionRecord

__all__ = ["page", "section"]

STYLE = """
.palette-selection { --ink: #1d2330; --soft: #667085; --line: #e4e7ec; --one: #2563c9; --other: #e08a2e;
  --mark: #f2f4f7; color: var(--ink); font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
@media (prefers-color-scheme: dark) {
  .palette-selection { --ink: #e6e9ef; --soft: #98a2b3; --line: #2b3240; --one: #6ea3f5; --other: #f0a95c;
    --mark: #232a36; }
}
.palette-selection h1 { font-size: 22px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
.palette-selection h2 { font-size: 16px; margin: 32px 0 4px; }
.palette-selection p { margin: 0 0 4px; color: var(--soft); max-width: 75em; }
.palette-selection .scroll { overflow-x: auto; }
.palette-selection table { border-collapse: collapse; width: 100%; margin: 12px 0 0; font-size: 13px; color: inherit;
  background: none; }
.palette-selection th { color: var(--soft); font-weight: 500; text-align: left; white-space: nowrap; }
.palette-selection th, .palette-selection td { padding: 7px 18px 7px 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; background: none; text-align: left; }
.palette-selection .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.palette-selection code { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  display: block; width: max-content; max-width: 48ch; overflow-wrap: anywhere; color: inherit; background: none; }
.palette-selection .rest { color: var(--soft); }
.palette-selection .reason { background: var(--mark); border-radius: 9px; padding: 1px 9px; white-space: nowrap; }
.palette-selection svg { display: block; }
.palette-selection .one { fill: var(--one); } .palette-selection .other { fill: var(--other); }
.palette-selection .rest svg { opacity: .55; }
.palette-selection .track { fill: var(--mark); }
.palette-selection .key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 5px 0 0; }
.palette-selection .key.one { background: var(--one); } .palette-selection .key.other { background: var(--other); }
.palette-selection .keys { margin-top: 14px; } .palette-selection .keys span + span.key { margin-left: 16px; }
"""
BODY = """
body { margin: 0; padding: 32px; background: #fff; }
main { max-width: 1120px; margin: 0 auto; }
@media (prefers-color-scheme: dark) { body { background: #151a22; } }
@media (max-width: 600px) { body { padding: 16px; } }
"""
# Of the longest bar, in pixels.
WIDTH = 240


def page(selection: SelectionRecord) -> str:
    """Return a complete page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(heading(selection))}</title>\n<style>{BODY}</style>\n</head>\n<body>\n"
        f"<main>\n{section(selection)}</main>\n</body>\n</html>\n"
    )


def section(selection: SelectionRecord) -> str:
    """Return the contents of a page, with their style."""
    return "\n".join(
        [
            f'<style>{STYLE}</style>\n<div class="palette-selection">',
            f"<h1>{escape(heading(selection))}</h1>",
            *(f"<p>{escape(line)}</p>" for line in summary(selection)),
            *(_ranked(selection) if selection.ranked else ()),
            *(_left_out(selection) if selection.left_out else ()),
            "</div>\n",
        ]
    )


def _ranked(selection: SelectionRecord) -> Iterator[str]:
    longest = max(max(feature.relevance, feature.redundancy) for feature in selection.ranked) or 1.0
    yield (
        '<p class="keys"><span class="key one"></span><span>relevance: bits of information about the label</span>'
        '<span class="key other"></span><span>redundancy: mean bits shared with the features before</span></p>'
    )
    yield '<div class="scroll"><table>\n<thead><tr><th class="number">#</th><th>feature</th><th></th>'
    for name in ("relevance", "redundancy", "of label", "no value", "distinct"):
        yield f'<th class="number">{name}</th>'
    yield "</tr></thead>\n<tbody>"
    yield from (_row(feature, longest) for feature in selection.ranked)
    yield "</tbody></table></div>"


def _row(feature: Ranked, longest: float) -> str:
    numbers = (
        f"{feature.relevance:.4f}",
        f"{feature.redundancy:.4f}",
        f"{feature.share:.1%}",
        f"{feature.nulls:.1%}",
        f"{feature.distinct:,}",
    )
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    start = "<tr>" if feature.selected else '<tr class="rest">'
    number = feature.rank if feature.selected else ""
    bars = _bars(feature, longest)
    name = escape(feature.feature)
    return f'{start}<td class="number">{number}</td><td><code>{name}</code></td><td>{bars}</td>{cells}</tr>'


def _bars(feature: Ranked, longest: float) -> str:
    lengths = [WIDTH * value / longest for value in (feature.relevance, feature.redundancy)]
    description = escape(f"relevance {feature.relevance:.4f} bits, redundancy {feature.redundancy:.4f} bits")
    return (
        f'<svg width="{WIDTH}" height="20" viewBox="0 0 {WIDTH} 20" role="img" aria-label="{description}">'
        f'<rect class="track" width="{WIDTH}" height="20" rx="3"/>'
        f'<rect class="one" width="{lengths[0]:.1f}" height="12" rx="3"/>'
        f'<rect class="other" y="14" width="{lengths[1]:.1f}" height="6" rx="3"/></svg>'
    )


def _left_out(selection: SelectionRecord) -> Iterator[str]:
    yield '<h2>Left out</h2>\n<div class="scroll"><table>'
    yield "<thead><tr><th>feature</th><th>reason</th><th>why</th></tr></thead>\n<tbody>"
    for feature in selection.left_out:
        reason = f'<span class="reason">{escape(feature.reason)}</span>'
        yield f"<tr><td><code>{escape(feature.feature)}</code></td><td>{reason}</td><td>{escape(feature.why)}</td></tr>"
    yield "</tbody></table></div>"
