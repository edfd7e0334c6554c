"""Output of commands: lines and tables for people, JSON for programs."""

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

__all__ = ["Json", "print_json", "print_json_string", "print_table", "print_text", "progress_bar"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# Width of a table that is not printed on a terminal.
PIPE_WIDTH = 200
# Minimum width of a column that may wrap.
MIN_WIDTH = 16
NAMES = ("feature", "model")


def print_json(value: Any) -> None:
    """Print a value as JSON; times are ISO 8601, and characters that are not printable are escaped."""
    print_json_string(json.dumps(value, ensure_ascii=False, default=_to_string))


def _to_string(value: object) -> str:
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def print_json_string(encoded: str) -> None:
    """Print a string of JSON; characters that are not printable are escaped."""
    if not encoded.isprintable():
        encoded = "".join(
            character if character.isprintable() else json.dumps(character)[1:-1] for character in encoded
        )
    typer.echo(encoded)


def print_text(text: str, *, lines: bool = False, err: bool = False) -> None:
    """Print one line, or several with ``lines``; control characters in names and descriptions are escaped."""
    typer.echo(printable(text, lines=lines), err=err)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, no_wrap: Collection[str] = NAMES) -> None:
    """Print rows under the names of their columns; strings are printed on one line, without markup.

    Cells of the columns ``no_wrap`` are neither wrapped nor cropped, because users copy these names: lines may be
    longer than a terminal is wide.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    min_table_width = 2 * (len(columns) - 1)
    for index, column in enumerate(columns):
        longest = max((cell_len(row[index]) for row in cells), default=0)
        min_width = max(longest if column in no_wrap else min(longest, MIN_WIDTH), cell_len(printable(column)))
        table.add_column(printable(column), no_wrap=column in no_wrap, overflow="fold", min_width=min_width)
        min_table_width += min_width
    for row in cells:
        table.add_row(*row)
    width = Console().width if sys.stdout.isatty() else PIPE_WIDTH
    # Without emoji, because the name of a group between colons, such as :car:, would become one.
    Console(width=max(width, min_table_width), markup=False, highlight=False, emoji=False).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    cell = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return printable(" ".join(cell.split()))


def progress_bar() -> Progress:
    """Return a progress bar on the standard error, removed when its block ends and disabled without a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
