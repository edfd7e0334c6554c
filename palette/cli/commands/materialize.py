"""``palette materialize``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palette.cli import completion
from palette.cli.error_output import exit_on_error, run_groups
from palette.cli.output import Json, progress_bar
from palette.cli.project import FILE, Config, open_store

if TYPE_CHECKING:
    from palette.feeds.reports import Materialized
    from palette.feeds.reports import Progress as Step
    from palette.store import FeatureStore

__all__ = ["materialize"]


def materialize(
    groups: Annotated[
        list[str],
        typer.Argument(metavar="ENTITY:GROUP", help="Feature groups, one by one.", autocompletion=completion.groups),
    ],
    to: Annotated[dt.datetime | None, typer.Option(help="Up to which event time, UTC. Default: now.")] = None,
    start: Annotated[
        dt.datetime | None, typer.Option("--from", help="Compute again what is after this event time, UTC.")
    ] = None,
    chunk: Annotated[str | None, typer.Option(help="Compute and write in steps of this length, as 1d or 6h.")] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Make the online store equal to the table, whatever it holds.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be done, and do nothing.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Compute what is missing of feature groups, write it, and put the newest rows into the online store, if any.

    A group that fails does not stop the others. The exit code is then 1 if all failures may be retried (another run
    holds the lock, a store is down), and 2 if some need a change.
    """
    with exit_on_error("palette materialize"):
        store = open_store(config)
        for group in groups:
            store.group(group)
    options = {"start": start, "chunk": chunk, "full_refresh": full_refresh, "dry_run": dry_run}
    options["online"] = store.keeps_online
    done = 0

    def run(group: str) -> Materialized:
        nonlocal done
        report = _materialize_group(store, group, to, **options)
        done += 1
        return report

    try:
        run_groups("palette materialize", groups, run, as_json=as_json)
    finally:
        if done and not (as_json or dry_run or store.keeps_online):
            typer.echo("no online store is configured: nothing went online", err=True)


def _materialize_group(store: FeatureStore, group: str, to: dt.datetime | None, **options: Any) -> Materialized:
    """Bring a group up to date, with a progress bar that is removed before anything else is printed."""
    with progress_bar() as bar:
        task = bar.add_task(group, total=None)

        def show(step: Step) -> None:
            what = f"{step.phase} to {step.interval.end}" if step.interval else step.phase
            bar.update(task, description=f"{step.group}: {what}", completed=step.step, total=step.steps)

        return store.materialize(group, to, **options, progress=show)
