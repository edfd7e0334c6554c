"""What commands print: tables for people, JSON for machines."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from palette.terminal import printable

__all__ = ["Json", "print_json", "print_json_text", "print_table", "print_text", "progress_bar"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
# What is piped has no width of its own.
WIDE = 200
# What is longer may be broken, where it must not stay whole.
BROKEN = 16
NAMES = ("feature", "model")


def print_json(value: Any) -> None:
    """Print a value as one JSON text; times as ISO 8601, what is not printable as JSON escapes it."""
    print_json_text(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def print_json_text(text: str) -> None:
    """Print what is JSON already."""
    if not text.isprintable():
        text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    typer.echo(text)


def print_text(text: str, *, lines: bool = False, err: bool = False) -> None:
    """Print a line, or lines, in which there may be names and texts of others."""
    typer.echo(printable(text, lines=lines), err=err)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Collection[str] = NAMES) -> None:
    """Print rows under the names of their columns; a text is one line, and no markup.

    Cells of the columns ``whole`` are neither broken nor cropped, for they are names to be copied: where a terminal is
    too narrow for them, lines are longer than it is wide.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    needed = 2 * (len(columns) - 1)
    for place, column in enumerate(columns):
        longest = max((cell_len(row[place]) for row in cells), default=0)
        least = max(longest if column in whole else min(longest, BROKEN), cell_len(printable(column)))
        table.add_column(printable(column), no_wrap=column in whole, overflow="fold", min_width=least)
        needed += least
    for row in cells:
        table.add_row(*row)
    wide = Console().width if sys.stdout.isatty() else WIDE
    # Without emoji: there may be a group called car, with a colon on either side.
    Console(width=max(wide, needed), markup=False, highlight=False, emoji=False).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return printable(" ".join(text.split()))


def progress_bar() -> Progress:
    """Return a bar on the standard error, which is gone when its block ends, and is not there without a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
