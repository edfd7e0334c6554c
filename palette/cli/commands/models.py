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


class First(StrEnum):
    """The stages that a model may be deployed to."""

    SHADOW = "shadow"
    PRODUCTION = "production"


class Stage(StrEnum):
    """The stages of models."""

    SHADOW = "shadow"
    PRODUCTION = "production"
    RETIRED = "retired"


Name = Annotated[str, typer.Argument(help="The model.", autocompletion=completion.models)]


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL_DIRECTORY", help="Where the fitted pipeline was saved.")],
    name: Annotated[str, typer.Argument(help="What to call the model.")],
    stage: Annotated[First, typer.Option(help="In production it takes the place of the version there.")] = First.SHADOW,
    training: Annotated[
        str | None,
        typer.Option(
            metavar="PATH_OR_TABLE",
            help="What it was fitted on: FILE.parquet, FORMAT:PATH, a Delta directory or a table's name. "
            "Its statistics are kept.",
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
    from palette.pipeline.model_ref import Saved, check_saved
    from palette.session import spark_session

    saved = Saved(model, None, model)
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
        str | None, typer.Argument(help="Only the versions of this one.", autocompletion=completion.models)
    ] = None,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Of one model: what the version was trained on. --json has all.")
    ] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """List models with their stages; of one model its versions, features and changes of stage."""
    if statistics and name is None:
        raise ArgumentError("--statistics are of one model: name it")
    catalog = open_store(config).catalog
    found = catalog.models.versions(name)
    if name is None:
        named: dict[str, list[ModelRecord]] = {}
        for one in found:
            named.setdefault(one.name, []).append(one)
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
    if not found:
        known = {one.name for one in catalog.models.versions()}
        raise NotFoundError(f"no model {name!r}{nearest(name, known)}")
    changes = [asdict(change) for change in catalog.models.stage_changes(name)]
    if as_json:
        versions = [_version(one) | {"statistics": _statistics(catalog, one)} for one in found]
        print_json({"name": name, "versions": versions, "changes": changes})
        return
    print_table(
        ("version", "stage", "by", "at", "bundle"),
        ((one.version, one.stage, one.who, _minute(one.at), one.uri) for one in found),
        whole=("bundle",),
    )
    shown = next((one for one in found if one.stage == Stage.PRODUCTION), found[-1])
    typer.echo(f"\nversion {shown.version} uses")
    print_table(("feature", "importance"), _by_importance(shown.features))
    if statistics:
        _show_statistics(shown, _statistics(catalog, shown))
    if changes:
        typer.echo("\nchanges")
        print_table(
            ("version", "from", "to", "retired", "action", "by", "at"),
            ([*list(one.values())[:-1], _minute(one["at"])] for one in changes),
        )


def promote(
    name: Name,
    version: Annotated[int, typer.Argument(help="Its version.", min=1)],
    stage: Annotated[Stage, typer.Option(help="Where to.")] = Stage.PRODUCTION,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Bring a version of a model into production, or another stage; the version there is retired."""
    open_store(config).promote(name, version, stage.value)
    _moved(name, version, stage, as_json)


def rollback(name: Name, config: Config = Path(FILE), as_json: Json = False) -> None:
    """Bring that version into production again that was there before the present one."""
    version = open_store(config).rollback(name)
    _moved(name, version, Stage.PRODUCTION, as_json)


def _moved(name: str, version: int, stage: Stage, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "version": version, "stage": stage.value})
    else:
        print_text(f"{name} version {version} is in {stage.value}")


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            help="ENTITY:GROUP:FEATURE, ENTITY:GROUP, a model, or a source's table.", autocompletion=completion.things
        ),
    ],
    dot: Annotated[bool, typer.Option("--dot", help="Print a graph for Graphviz.")] = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Show what a feature, group, table or model comes from, and what comes from it."""
    if dot and as_json:
        raise ArgumentError("either --json or --dot")
    found = open_store(config).lineage(name)
    if as_json:
        print_json(json.loads(found.to_json()))
    else:
        print_text(found.to_dot() if dot else str(found), lines=True)


def _summary(versions: list[ModelRecord]) -> dict[str, Any]:
    newest = versions[-1]
    production = next((one.version for one in versions if one.stage == Stage.PRODUCTION), None)
    told = {"name": newest.name, "production": production, "newest": newest.version}
    return told | {"features": len(newest.features), "who": newest.who, "at": newest.at}


def _version(one: ModelRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "name"}


def _statistics(catalog: SqlCatalog, one: ModelRecord) -> dict[str, Any] | None:
    """Return the statistics of what a version was trained on, without the sketches, which only programs read."""
    found = catalog.models.statistics(f"model:{one.name}:{one.version}", "training")
    if found is None:
        return None
    columns = {
        name: {word: value for word, value in told.items() if word != "sketch"}
        for name, told in found.get("columns", {}).items()
    }
    return found | {"columns": columns}


def _show_statistics(one: ModelRecord, found: Mapping[str, Any] | None) -> None:
    if found is None:
        typer.echo(f"\nno statistics of version {one.version} were kept: deploy it with --training")
        return
    typer.echo(f"\nversion {one.version} was trained on {found['rows']:,} rows")
    words = ("role", "type", "mean", "deviation", "min", "max", "distinct")
    print_table(
        ("column", "no value", *words),
        (
            (name, _share(told.get("null_rate")), *(_plain(told.get(word)) for word in words))
            for name, told in found["columns"].items()
        ),
        whole=("column",),
    )


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _plain(value: Any) -> Any:
    """Return what the catalog holds; floats that JSON lacks are mappings there."""
    return value["float"] if isinstance(value, dict) and value.keys() == {"float"} else value


def _by_importance(features: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
    """Return features, those first that matter most, and last those of which it is not known."""
    return sorted(features.items(), key=lambda one: (one[1] is None, -(one[1] or 0.0), one[0]))


def _minute(at: Any) -> str:
    return at.isoformat(" ", "minutes") if at is not None else ""
