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
    """Ranking criterion."""

    MRMR = "mrmr"
    RELEVANCE = "relevance"


class Task(StrEnum):
    """Type of the prediction task."""

    AUTO = "auto"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


def select(
    basis: Annotated[
        str, typer.Argument(help="Rows with the label: a file (.parquet, .csv, .json), FORMAT:PATH, or a table.")
    ],
    label: Annotated[str, typer.Option("--label", "-l", metavar="COLUMN", help="Label column to predict.")],
    candidate: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CANDIDATE",
            help="ENTITY:GROUP:FEATURE:KEY, ENTITY:GROUP:*:KEY, basis:COLUMN or basis:*. Default: '*', every feature "
            "of the entities whose join keys are known.",
        ),
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", "-t", help="Column with the time of each row. Default: latest values.")
    ] = None,
    point_in_time: Annotated[
        PointInTime, typer.Option(help="created ignores rows that were written after a row's time; event does not.")
    ] = PointInTime.EVENT,
    join: Annotated[
        list[str] | None,
        typer.Option("--join", "-j", metavar="ENTITY=COLUMN[,COLUMN]", help="Join key of an entity; may be repeated."),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="Maximum number of selected features.", min=1)] = 20,
    method: Annotated[
        Method, typer.Option(help="Ranking criterion: relevance alone, or also redundancy (mrmr).")
    ] = Method.MRMR,
    task: Annotated[Task, typer.Option(help="Whether the label is a class or a number.")] = Task.AUTO,
    leak: Annotated[
        float,
        typer.Option(help="Share of the label's information from which a feature is left out as a leak.", min=0.0),
    ] = 0.95,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", callback=local, help="File of a report: .html, .md or .json."),
    ] = None,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Rank features by their information about a label, without leaks, near-constant and redundant features."""
    from palette.catalog.features.candidates import check_names

    store, keys = open_store(config), _parse_join_keys(join or [])
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
        task_id = bar.add_task("selection", total=None)

        def show(step: Step) -> None:
            bar.update(task_id, description=f"selection: {step.phase}", completed=step.step, total=step.steps)

        selection = store.select_features(
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
        write_report(selection, report)
    if as_json:
        print_json(selection.to_json())
        return
    for line in (heading(selection), *summary(selection)):
        print_text(line)
    if selection.ranked:
        typer.echo()
        print_table(COLUMNS, ranking(selection))
    if selection.left_out:
        typer.echo("\nleft out")
        print_table(
            ("feature", "reason", "why"),
            ((feature.feature, feature.reason, feature.why) for feature in selection.left_out),
        )
    if report is not None:
        typer.echo()
        print_text(f"report: {report}")


def _key_types(
    store: FeatureStore, names: list[str], keys: Mapping[str, list[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the types of the columns given as join keys, and of columns with the name of an entity's key."""
    entities = store.catalog.definitions.entities()
    joined = [(entity, column) for entity, columns in keys.items() for column in columns]
    joined += [(parts[0], parts[3]) for name in names if len(parts := name.removeprefix("@palette:").split(":")) == 4]
    types: dict[str, str] = {}
    for entity, columns in joined:
        types.update(zip(columns.split(","), entities[entity].keys.values(), strict=False))
    return types, {key: dtype for entity in entities.values() for key, dtype in entity.keys.items()}


def _parse_join_keys(options: list[str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for option in options:
        entity, equals, columns = option.partition("=")
        if not (entity and equals and columns):
            raise DefinitionError(f"--join {option!r}: expected ENTITY=COLUMN, or ENTITY=COLUMN,COLUMN")
        keys.setdefault(entity, []).append(columns)
    return keys
