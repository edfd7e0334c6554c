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
    mode: Annotated[Mode, typer.Option(help="Treatment of existing rows at the target.")] = Mode.ERROR,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Write a training set: the rows of a basis with the feature values known at their time."""
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
    result = write_training_set(
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
        print_json(result.to_json())
    else:
        read = ", ".join(f"{group} at {number}" for group, number in result.versions.items())
        pinned = "" if pin is None else f", pinned as {pin}"
        print_text(
            f"{result.rows_read:,} rows of {basis}: {result.rows:,} rows in {result.target}; read {read}{pinned}"
        )
