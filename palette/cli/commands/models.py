"""``palette deploy``, ``models``, ``promote``, ``rollback`` and ``lineage``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palette.cli import completion
from palette.cli.output import Json, print_json, print_table, print_text
from palette.cli.project import FILE, Config, open_store
from palette.errors import ArgumentError, NotFoundError, nearest

if TYPE_CHECKING:
    from palette.catalog import ModelRecord, SqlCatalog

__all__ = ["deploy", "lineage", "models", "promote", "rollback"]


class InitialStage(StrEnum):
    """The stages that a model may be deployed to."""

    SHADOW = "shadow"
    PRODUCTION = "production"


class Stage(StrEnum):
    """The stages of models."""

    SHADOW = "shadow"
    PRODUCTION = "production"
    RETIRED = "retired"


Name = Annotated[str, typer.Argument(help="Name of the model.", autocompletion=completion.models)]


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL_DIRECTORY", help="Directory of the saved pipeline.")],
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    stage: Annotated[
        InitialStage, typer.Option(help="In production it replaces the current version.")
    ] = InitialStage.SHADOW,
    training: Annotated[
        str | None,
        typer.Option(
            metavar="PATH_OR_TABLE",
            help="Training data: FILE.parquet, FORMAT:PATH, a Delta directory or a table's name. "
            "Its statistics are stored.",
        ),
    ] = None,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Deploy a saved pipeline: its bundle to the store's directory, a new version to the catalog."""
    store = open_store(config)
    from palette.offline.files.dataframes import read_frame
    from palette.offline.files.endpoints import check_source
    from palette.pipeline.batch_jobs import model_types
    from palette.pipeline.deploy.deployment import check_deployment
    from palette.pipeline.model_ref import SavedPipeline, check_saved
    from palette.session import spark_session

    saved = SavedPipeline(model, None, model)
    check_saved(saved)
    check_deployment(name, stage.value)
    if training is not None:
        check_source(training)
    spark = spark_session()
    fitted = saved.load(store)
    rows = None if training is None else read_frame(spark, training, **model_types(fitted))
    done = fitted.deploy(name, stage=stage.value, training=rows)
    if as_json:
        print_json(asdict(done))
        return
    print_text(f"{done.name} version {done.version} is in {done.stage}: {done.uri}")
    print_table(("feature", "importance"), _by_importance(done.features))


def models(
    name: Annotated[
        str | None, typer.Argument(help="Only versions of this model.", autocompletion=completion.models)
    ] = None,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Statistics of the training data of one model. --json prints all.")
    ] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """List models with their stages; for one model its versions, features and stage changes."""
    if statistics and name is None:
        raise ArgumentError("--statistics needs the name of a model")
    catalog = open_store(config).catalog
    records = catalog.models.versions(name)
    if name is None:
        named: dict[str, list[ModelRecord]] = {}
        for record in records:
            named.setdefault(record.name, []).append(record)
        rows = [_summary(versions) for versions in named.values()]
        if as_json:
            print_json(rows)
            return
        print_table(
            ("model", "production", "newest", "features", "by", "at"),
            ([*list(row.values())[:-1], _minute(row["at"])] for row in rows),
        )
        if not rows:
            typer.echo("no model was deployed", err=True)
        return
    if not records:
        known = {record.name for record in catalog.models.versions()}
        raise NotFoundError(f"no model {name!r}{nearest(name, known)}")
    changes = [asdict(change) for change in catalog.models.stage_changes(name)]
    if as_json:
        versions = [_version(record) | {"statistics": _statistics(catalog, record)} for record in records]
        print_json({"name": name, "versions": versions, "changes": changes})
        return
    print_table(
        ("version", "stage", "by", "at", "bundle"),
        ((record.version, record.stage, record.who, _minute(record.at), record.uri) for record in records),
        no_wrap=("bundle",),
    )
    shown = next((record for record in records if record.stage == Stage.PRODUCTION), records[-1])
    typer.echo(f"\nversion {shown.version} uses")
    print_table(("feature", "importance"), _by_importance(shown.features))
    if statistics:
        _show_statistics(shown, _statistics(catalog, shown))
    if changes:
        typer.echo("\nchanges")
        print_table(
            ("version", "from", "to", "retired", "action", "by", "at"),
            ([*list(change.values())[:-1], _minute(change["at"])] for change in changes),
        )


def promote(
    name: Name,
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    stage: Annotated[Stage, typer.Option(help="Target stage.")] = Stage.PRODUCTION,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Move a version of a model into production, or another stage; the current version in production is retired."""
    open_store(config).promote(name, version, stage.value)
    _report_move(name, version, stage, as_json)


def rollback(name: Name, config: Config = Path(FILE), as_json: Json = False) -> None:
    """Move the previous version back into production."""
    version = open_store(config).rollback(name)
    _report_move(name, version, Stage.PRODUCTION, as_json)


def _report_move(name: str, version: int, stage: Stage, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "version": version, "stage": stage.value})
    else:
        print_text(f"{name} version {version} is in {stage.value}")


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            help="ENTITY:GROUP:FEATURE, ENTITY:GROUP, a model, or a source's table.",
            autocompletion=completion.lineage_names,
        ),
    ],
    dot: Annotated[bool, typer.Option("--dot", help="Print a graph for Graphviz.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Show what a feature, group, table or model is computed from, and what is computed from it."""
    if dot and as_json:
        raise ArgumentError("either --json or --dot")
    graph = open_store(config).lineage(name)
    if as_json:
        print_json(json.loads(graph.to_json()))
    else:
        print_text(graph.to_dot() if dot else str(graph), lines=True)


def _summary(versions: list[ModelRecord]) -> dict[str, Any]:
    newest = versions[-1]
    production = next((record.version for record in versions if record.stage == Stage.PRODUCTION), None)
    summary = {"name": newest.name, "production": production, "newest": newest.version}
    return summary | {"features": len(newest.features), "who": newest.who, "at": newest.at}


def _version(record: ModelRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name != "name"}


def _statistics(catalog: SqlCatalog, record: ModelRecord) -> dict[str, Any] | None:
    """Return the training statistics of a version, without the sketches, which only programs read."""
    statistics = catalog.models.statistics(f"model:{record.name}:{record.version}", "training")
    if statistics is None:
        return None
    columns = {
        name: {key: value for key, value in column.items() if key != "sketch"}
        for name, column in statistics.get("columns", {}).items()
    }
    return statistics | {"columns": columns}


def _show_statistics(record: ModelRecord, statistics: Mapping[str, Any] | None) -> None:
    if statistics is None:
        typer.echo(f"\nno statistics of version {record.version} were stored: deploy it with --training")
        return
    typer.echo(f"\nversion {record.version} was trained on {statistics['rows']:,} rows")
    keys = ("role", "type", "mean", "deviation", "min", "max", "distinct")
    print_table(
        ("column", "no value", *keys),
        (
            (name, _share(column.get("null_rate")), *(_plain(column.get(key)) for key in keys))
            for name, column in statistics["columns"].items()
        ),
        no_wrap=("column",),
    )


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _plain(value: Any) -> Any:
    """Return a value of the catalog; non-finite floats are mappings there."""
    return value["float"] if isinstance(value, dict) and value.keys() == {"float"} else value


def _by_importance(features: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
    """Return features by descending importance, those without one last."""
    return sorted(features.items(), key=lambda item: (item[1] is None, -(item[1] or 0.0), item[0]))


def _minute(at: Any) -> str:
    return at.isoformat(" ", "minutes") if at is not None else ""
