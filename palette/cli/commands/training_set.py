"""``palette training-set``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from palette.cli.output import Json, print_json, print_text
from palette.cli.project import FILE, Config, open_store

__all__ = ["training_set"]


class Mode(StrEnum):
    """What becomes of rows that are there."""

    ERROR = "error"
    APPEND = "append"
    OVERWRITE = "overwrite"


class PointInTime(StrEnum):
    """What counts as known."""

    EVENT = "event"
    CREATED = "created"


def training_set(
    basis: Annotated[
        str, typer.Argument(help="The rows that ask: a file (.parquet, .csv, .json), FORMAT:PATH, or a table's name.")
    ],
    target: Annotated[
        str, typer.Argument(help="Where it goes: such a file, a path without ending (a Delta table), table:NAME.")
    ],
    feature: Annotated[
        list[str],
        typer.Option(
            "--feature",
            "-f",
            help="[COLUMN=]ENTITY:GROUP:FEATURE:KEY, or ENTITY:GROUP:*:KEY for all of a group; again for the next.",
        ),
    ],
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", "-t", help="Column with each row's time. Without it: latest values.")
    ] = None,
    point_in_time: Annotated[
        PointInTime, typer.Option(help="Whether rows count that were written later than asked for.")
    ] = PointInTime.EVENT,
    version: Annotated[
        list[str] | None,
        typer.Option(metavar="ENTITY:GROUP=N", help="Read a group as it was in version N; again for the next."),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the table versions that are read from vacuum.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Add COLUMN__status.")] = False,
    mode: Annotated[Mode, typer.Option(help="What becomes of rows at the target.")] = Mode.ERROR,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Write a training set: each row of a basis with the values that were known at its time."""
    from palette.offline.files.endpoints import check_source, check_target
    from palette.offline.point_in_time import check_point_in_time
    from palette.pipeline.batch_jobs import check_pinning, parse_features, parse_versions, write_training_set
    from palette.session import active_session

    store, features = open_store(config), parse_features(feature)
    # Before Spark starts.
    for lookup in store.lookups(features):
        check_point_in_time(lookup.schema, point_in_time.value)
    versions = parse_versions(version or ())
    check_pinning(store, features, versions, pin)
    check_source(basis)
    check_target(target, mode.value)
    told = write_training_set(
        active_session(),
        store,
        basis,
        features,
        target,
        timestamp=timestamp,
        point_in_time=point_in_time.value,
        version=versions,
        status=status,
        mode=mode.value,
        pin=pin,
    )
    if as_json:
        print_json(told.to_json())
    else:
        read = ", ".join(f"{group} at {number}" for group, number in told.versions.items())
        kept = "" if pin is None else f", kept as {pin}"
        print_text(f"{told.rows_read:,} rows of {basis}: {told.rows:,} rows in {told.target}; read {read}{kept}")
