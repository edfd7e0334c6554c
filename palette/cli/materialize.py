"""``palette materialize``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from palette.cli.output import Json, print_json
from palette.cli.project import FILE, Config, open_store

if TYPE_CHECKING:
    from palette.feeds.summary import Progress as Step

__all__ = ["materialize"]


def materialize(
    groups: Annotated[list[str], typer.Argument(metavar="ENTITY:GROUP...", help="Feature groups, one by one.")],
    to: Annotated[dt.datetime | None, typer.Option(help="Up to which event time, UTC. Default: now.")] = None,
    start: Annotated[
        dt.datetime | None, typer.Option("--from", help="Compute again what is after this event time, UTC.")
    ] = None,
    chunk: Annotated[str | None, typer.Option(help="Compute and write in steps of this length, as 1d or 6h.")] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Put every key online, not only what is new.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Compute what is missing of feature groups, write it, and put the newest rows into the online store, if any."""
    store = open_store(config)
    for group in groups:
        store.group(group)
    told = []
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        for group in groups:
            task = bar.add_task(group, total=None)

            def show(step: Step, task: TaskID = task) -> None:
                what = f"{step.phase} to {step.interval.end}" if step.interval else step.phase
                bar.update(task, description=f"{step.group}: {what}", completed=step.step, total=step.steps)

            told.append(
                store.materialize(
                    group,
                    to,
                    start=start,
                    chunk=chunk,
                    everything=everything,
                    online=store.keeps_online,
                    dry_run=dry_run,
                    progress=show,
                )
            )
    if as_json:
        print_json([one.to_json() for one in told])
    else:
        for one in told:
            typer.echo(str(one))
