"""``palette select``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palette.cli.commands.training_set import PointInTime
from palette.cli.output import Json, print_json, print_table, print_text, progress_bar
from palette.cli.project import FILE, Config, local, open_store
from palette.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palette.selection import Step
    from palette.store import FeatureStore

__all__ = ["select"]


class Method(StrEnum):
    """What counts."""

    MRMR = "mrmr"
    RELEVANCE = "relevance"


class Task(StrEnum):
    """What the label is."""

    AUTO = "auto"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


def select(
    basis: Annotated[
        str, typer.Argument(help="The rows with the label: a file (.parquet, .csv, .json), FORMAT:PATH, or a table.")
    ],
    label: Annotated[str, typer.Option("--label", "-l", metavar="COLUMN", help="What is to be told.")],
    candidate: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CANDIDATE",
            help="ENTITY:GROUP:FEATURE:KEY, ENTITY:GROUP:*:KEY, basis:COLUMN, basis:*. Default: '*', every feature of "
            "entities whose join keys are known.",
        ),
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", "-t", help="Column with each row's time. Without it: latest values.")
    ] = None,
    point_in_time: Annotated[
        PointInTime, typer.Option(help="Whether rows count that were written later than asked for.")
    ] = PointInTime.EVENT,
    join: Annotated[
        list[str] | None,
        typer.Option(
            "--join", "-j", metavar="ENTITY=COLUMN[,COLUMN]", help="The join key of an entity; again for more."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many are selected at most.", min=1)] = 20,
    method: Annotated[Method, typer.Option(help="Whether redundancy counts.")] = Method.MRMR,
    task: Annotated[Task, typer.Option(help="Whether the label is a class or a quantity.")] = Task.AUTO,
    leak: Annotated[
        float, typer.Option(help="From which share of the label a feature tells too much to be true.", min=0.0)
    ] = 0.95,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", callback=local, help="Write a report: .html, .md or .json."),
    ] = None,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Rank features by what they tell of a label; leave out what leaks, hardly varies, or says the same."""
    from palette.catalog.features.candidates import check_names

    store, keys = open_store(config), _join_keys(join or [])
    # Before Spark starts.
    check_names(store.catalog, candidate or (), keys)
    from palette.offline.files.dataframes import read_frame
    from palette.offline.files.endpoints import check_source
    from palette.selection.plain_text import COLUMNS, heading, ranking, summary
    from palette.selection.report import check_report, write_report
    from palette.session import active_session

    check_source(basis)
    if report is not None:
        check_report(report)
    types, likely = _key_types(store, candidate or [], keys)
    rows = read_frame(
        active_session(), basis, types={**types, **({timestamp: "timestamp"} if timestamp else {})}, likely=likely
    )
    with progress_bar() as bar:
        doing = bar.add_task("selection", total=None)

        def show(step: Step) -> None:
            bar.update(doing, description=f"selection: {step.phase}", completed=step.step, total=step.steps)

        found = store.select_features(
            rows,
            label,
            candidate or None,
            timestamp=timestamp,
            point_in_time=point_in_time.value,
            join=keys,
            count=count,
            method=method.value,
            task=task.value,
            leak=leak,
            progress=show,
        )
    if report is not None:
        write_report(found, report)
    if as_json:
        print_json(found.to_json())
        return
    for line in (heading(found), *summary(found)):
        print_text(line)
    if found.ranked:
        typer.echo()
        print_table(COLUMNS, ranking(found))
    if found.left_out:
        typer.echo("\nleft out")
        print_table(("feature", "reason", "why"), ((one.feature, one.reason, one.why) for one in found.left_out))
    if report is not None:
        typer.echo()
        print_text(f"report: {report}")


def _key_types(
    store: FeatureStore, names: list[str], keys: Mapping[str, list[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the types of columns that are named as join keys, and of those that are called like keys of entities."""
    entities = store.catalog.definitions.entities()
    joined = [(entity, column) for entity, columns in keys.items() for column in columns]
    joined += [(parts[0], parts[3]) for name in names if len(parts := name.removeprefix("@palette:").split(":")) == 4]
    types: dict[str, str] = {}
    for entity, columns in joined:
        types.update(zip(columns.split(","), entities[entity].keys.values(), strict=False))
    return types, {key: dtype for one in entities.values() for key, dtype in one.keys.items()}


def _join_keys(texts: list[str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for text in texts:
        entity, equals, columns = text.partition("=")
        if not (entity and equals and columns):
            raise DefinitionError(f"--join {text!r}: expected ENTITY=COLUMN, or ENTITY=COLUMN,COLUMN")
        keys.setdefault(entity, []).append(columns)
    return keys
