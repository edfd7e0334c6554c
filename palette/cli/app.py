"""Typer application of all commands.

To add a command, write a function with Typer's annotations in a module of ``commands``, and add it to ``PANELS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from palette._version import __version__
from palette.cli.commands.annotations import curate, deprecate, note, rate
from palette.cli.commands.definitions import apply, plan, remove, rename, validate
from palette.cli.commands.erase import erase
from palette.cli.commands.init import init
from palette.cli.commands.jobs import jobs
from palette.cli.commands.materialize import materialize
from palette.cli.commands.models import deploy, lineage, models, promote, rollback
from palette.cli.commands.score import score
from palette.cli.commands.search import search, show
from palette.cli.commands.selection import select
from palette.cli.commands.serve import serve
from palette.cli.commands.training_set import training_set
from palette.cli.error_output import report_errors

__all__ = ["app"]

app = typer.Typer(
    name="palette",
    help="A feature store: train on Spark, serve without it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def palette(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A feature store: train on Spark, serve without it."""


PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Definitions": (init, validate, plan, apply, remove, rename),
    "Catalog": (search, show, note, rate, curate, deprecate),
    "Models": (deploy, models, promote, rollback, lineage),
    "Feeds": (materialize, erase),
    "Training": (select, training_set),
    "Serving": (score, serve),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(report_errors(command))
app.add_typer(jobs, name="jobs", rich_help_panel="Feeds")
