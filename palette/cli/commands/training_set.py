"""``palette training-set``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palette.cli.output import Json, print_json, print_text, progress_bar
from palette.cli.project import FILE, Config, open_store

if TYPE_CHECKING:
    from palette.offline.training.reports import WriteProgress

__all__ = ["training_set"]


class Mode(StrEnum):
    """Treatment of existing rows."""

    ERROR = "error"
    APPEND = "append"
    OVERWRITE = "overwrite"


class PointInTime(StrEnum):
    """Time that decides whether a value was known."""

    EVENT = "event"
    CREATED = "created"


def training_set(
    basis: Annotated[
        str, typer.Argument(help="Rows to add features to: a file (.parquet, .csv, .json), FORMAT:PATH, or a table.")
    ],
    target: Annotated[
        str, typer.Argument(help="Target: such a file, a path without a suffix (a Delta table), or table:NAME.")
    ],
    feature: Annotated[
        list[str],
        typer.Option(
            "--feature",
            "-f",
            help="[COLUMN=]ENTITY:GROUP:FEATURE:KEY, or ENTITY:GROUP:*:KEY for all of a group; may be repeated.",
        ),
    ],
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", "-t", help="Column with the time of each row. Default: latest values.")
    ] = None,
    point_in_time: Annotated[
        PointInTime, typer.Option(help="created ignores rows that were written after a row's time; event does not.")
    ] = PointInTime.EVENT,
    version: Annotated[
        list[str] | None,
        typer.Option(metavar="ENTITY:GROUP=N", help="Read a group at table version N; may be repeated."),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name under which the table versions read are kept from vacuum.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Add COLUMN__status.")] = False,
    cluster_by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Cluster the Delta table by this column; may be repeated, up to four."),
    ] = None,
    chunks: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Write N commits of a Delta table; the same command again writes the missing ones."
        ),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Treatment of existing rows at the target.")] = Mode.ERROR,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Write a training set: the rows of a basis with the feature values known at their time."""
    from palette.offline.files.endpoints import check_layout, check_source, check_target
    from palette.offline.point_in_time import check_point_in_time
    from palette.pipeline.batch_jobs import parse_features, parse_versions
    from palette.store.training_tables import check_pinning

    store, features = open_store(config), parse_features(feature)
    # Before Spark starts.
    for lookup in store.lookups(features):
        check_point_in_time(lookup.schema, point_in_time.value)
    versions = parse_versions(version or ())
    check_pinning(store, features, versions, pin)
    check_source(basis)
    check_layout(target, cluster_by or (), chunks)
    check_target(target, mode.value, chunks)
    with progress_bar() as bar:
        task = bar.add_task(target, total=None)

        def show(step: WriteProgress) -> None:
            bar.update(task, description=str(step), completed=step.step, total=step.steps)

        result = store.write_training_set(
            basis,
            features,
            target,
            timestamp=timestamp,
            point_in_time=point_in_time.value,
            version=versions,
            status=status,
            mode=mode.value,
            pin=pin,
            cluster_by=cluster_by or (),
            chunks=chunks,
            progress=show,
        )
    if as_json:
        print_json(result.to_json())
    else:
        read = ", ".join(f"{group} at {number}" for group, number in result.versions.items())
        pinned = "" if pin is None else f", pinned as {pin}"
        print_text(
            f"{result.rows_read:,} rows of {basis}: {result.rows:,} rows in {result.target}; read {read}{pinned}"
        )
