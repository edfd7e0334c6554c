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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Compute what is missing of feature groups, write it, and put the newest rows into the online store, if any.

    A group that fails does not keep the next ones from being done. Then it ends with 1 if all that failed may be tried
    again: another run holds the lock, a store is down. It ends with 2 if repeating does not mend something.
    """
    with exit_on_error("palette materialize"):
        store = open_store(config)
        for group in groups:
            store.group(group)
    how = {"start": start, "chunk": chunk, "full_refresh": full_refresh, "dry_run": dry_run}
    how["online"] = store.keeps_online
    done = 0

    def one(group: str) -> Materialized:
        nonlocal done
        found = _one(store, group, to, **how)
        done += 1
        return found

    try:
        run_groups("palette materialize", groups, one, as_json=as_json)
    finally:
        if done and not (as_json or dry_run or store.keeps_online):
            typer.echo("no online store is configured: nothing went online", err=True)


def _one(store: FeatureStore, group: str, to: dt.datetime | None, **how: Any) -> Materialized:
    """Bring one group up to date; the bar is gone before anything else is printed."""
    with progress_bar() as bar:
        task = bar.add_task(group, total=None)

        def show(step: Step) -> None:
            what = f"{step.phase} to {step.interval.end}" if step.interval else step.phase
            bar.update(task, description=f"{step.group}: {what}", completed=step.step, total=step.steps)

        return store.materialize(group, to, **how, progress=show)
