"""``palette erase``."""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palette.cli import completion
from palette.cli.error_output import exit_on_error, run_groups
from palette.cli.output import Json, print_text
from palette.cli.project import FILE, Config, local_all, open_store
from palette.errors import ArgumentError

if TYPE_CHECKING:
    from palette.definitions import Entity
    from palette.feeds.reports import Erased

__all__ = ["erase"]


def erase(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ENTITY[:GROUP]", help="A feature group, or all of an entity.", autocompletion=completion.subjects
        ),
    ],
    key: Annotated[
        list[str] | None, typer.Argument(metavar="KEY", help="Keys; parts of composite ones joined by commas.")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(help="Keys from a file (.parquet, .csv, .json), FORMAT:PATH, or a table's name.")
    ] = None,
    snapshot: Annotated[
        list[Path] | None,
        typer.Option(callback=local_all, help="A saved snapshot to erase them from, too; again for the next."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Erase keys for good: from tables with all their versions, the online store, and snapshots.

    A group that fails does not stop the others. The exit code is then 1 if all failures may be retried, and 2 if some
    need a change. Repeating an erasure is safe.
    """
    from palette.catalog.definitions.removed import last_entity
    from palette.store.feeds import groups_to_erase

    with exit_on_error("palette erase"):
        store = open_store(config)
        groups = groups_to_erase(store.catalog, name)
        keys_to_erase = _read_keys(last_entity(store.catalog, name.partition(":")[0]), key or [], keys)
        if as_json and not (yes or dry_run):
            raise ArgumentError("--json cannot ask for confirmation: add --yes, or --dry-run")
        _start_spark()

    def erase_group(group: str, dry_run: bool) -> Erased:
        (report,) = store.erase(group, keys_to_erase(), snapshots=snapshot or [], dry_run=dry_run)
        return report

    if not (yes or dry_run):
        with exit_on_error("palette erase"):
            for group in groups:
                print_text(str(erase_group(group, dry_run=True)), lines=True)
        typer.confirm("Erase them? This cannot be undone", abort=True)
    run_groups("palette erase", groups, lambda group: erase_group(group, dry_run), as_json=as_json)


def _start_spark() -> None:
    """Start Spark with its standard output on our standard error: VACUUM prints a line, and our output is data."""
    from palette.session import active_session

    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        active_session()
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def _read_keys(entity: Entity, given: list[str], file: str | None) -> Callable[[], Any]:
    if bool(given) == (file is not None):
        raise ArgumentError("give the keys either on the command line or by --keys FILE")
    if file is None:
        typed = [_key(entity, text) for text in given]
        return lambda: typed
    from palette.offline.files.dataframes import read_frame
    from palette.offline.files.endpoints import check_source
    from palette.session import active_session

    check_source(file)
    return lambda: read_frame(active_session(), file, types=entity.keys)


def _key(entity: Entity, text: str) -> Any:
    # As in CSV, quotes protect a comma.
    try:
        parts = next(csv.reader([text])) if len(entity.keys) > 1 else [text]
    except csv.Error as error:
        raise ArgumentError(f"{entity.name}: {text!r:.80} is not a key: {error}") from error
    if len(parts) != len(entity.keys):
        raise ArgumentError(f"{entity.name}: a key has the parts {','.join(entity.keys)}, found {text!r}")
    key = tuple(_part(entity, name, part) for name, part in zip(entity.keys, parts, strict=True))
    return key if len(key) > 1 else key[0]


def _part(entity: Entity, name: str, text: str) -> Any:
    dtype = entity.keys[name]
    forms: dict[str, Callable[[str], Any]] = {
        "string": str,
        "boolean": lambda value: {"true": True, "false": False}[value.lower()],
        "timestamp": dt.datetime.fromisoformat,
        "date": dt.date.fromisoformat,
    }
    try:
        return forms.get(dtype, int)(text)
    except (KeyError, ValueError):
        raise ArgumentError(f"{entity.name}: key {name!r} is a {dtype}, found {text!r}") from None
