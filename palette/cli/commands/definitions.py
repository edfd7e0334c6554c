"""``palette validate``, ``plan``, ``apply``, ``remove`` and ``rename``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palette.cli import completion
from palette.cli.output import Json, print_json, print_text
from palette.cli.project import FILE, Config, definitions_beside, local_all, open_store, subject_of

if TYPE_CHECKING:
    from palette.catalog import Changes
    from palette.definitions import Entity, FeatureGroup

__all__ = ["apply", "plan", "remove", "rename", "validate"]

Definitions = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DEFINITIONS",
        callback=local_all,
        help="YAML files or folders. Default: definitions/ next to the configuration.",
    ),
]
Prune = Annotated[bool, typer.Option("--prune", help="Remove applied definitions that are not among these.")]


def validate(definitions: Definitions = None, config: Config = Path(FILE), as_json: Json = False) -> None:
    """Validate definitions, without a store; doubtful ones are reported as warnings.

    The catalog is read only for entities that are not among the definitions.
    """
    from palette.cli.validation import check_definitions
    from palette.definitions import Entity, load_definitions

    items = load_definitions(*definitions_beside(config, definitions))
    warnings = check_definitions(items, config)
    entities = [item.name for item in items if isinstance(item, Entity)]
    groups = [item.full_name for item in items if not isinstance(item, Entity)]
    if as_json:
        print_json({"entities": entities, "feature_groups": groups, "warnings": warnings})
    else:
        for warning in warnings:
            print_text(f"warning: {warning}", lines=True, err=True)
        typer.echo(f"well formed; entities: {len(entities)}, feature groups: {len(groups)}")


def plan(
    definitions: Definitions = None, config: Config = Path(FILE), prune: Prune = False, as_json: Json = False
) -> None:
    """Show what apply would change, which changes are breaking, and which models they affect."""
    changes = open_store(config, may_be_new=True).plan(*definitions_beside(config, definitions), prune=prune)
    _show(changes, as_json)


def apply(
    definitions: Definitions = None,
    config: Config = Path(FILE),
    prune: Prune = False,
    allow_breaking: Annotated[
        bool, typer.Option("--allow-breaking", help="Allow features to disappear and types to change.")
    ] = False,
    create_tables: Annotated[
        bool, typer.Option("--create-tables", help="Create the Delta tables now, with Spark, not at the first write.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Carry out what plan shows, in one transaction."""
    store = open_store(config, may_be_new=True)
    changes = store.plan(*definitions_beside(config, definitions), prune=prune)
    if not allow_breaking:
        changes.check_breaking("--allow-breaking")
    store.apply(changes, allow_breaking=allow_breaking)
    _show(changes, as_json)
    if create_tables:
        from palette.session import spark_session

        spark_session()
        for name in store.create_tables():
            typer.echo(f"table of {name} made", err=True)


def remove(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="ENTITY:GROUP:FEATURE, ENTITY:GROUP, or an ENTITY without groups.",
            autocompletion=completion.subjects,
        ),
    ],
    drop_tables: Annotated[
        bool, typer.Option("--drop-tables", help="Delete the tables of removed groups, with all their versions.")
    ] = False,
    allow_breaking: Annotated[bool, typer.Option("--allow-breaking", help="Required: others may use it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed, and which models that affects.")
    ] = (False),
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Remove single features, feature groups or entities from the catalog; their tables stay by default."""
    store, subjects = open_store(config), [subject_of(name) for name in names]
    changes = store.plan(remove=subjects, drop_tables=drop_tables)
    if not dry_run:
        if not allow_breaking:
            changes.check_breaking("--allow-breaking")
        store.apply(changes, allow_breaking=True)
    _show(changes, as_json)
    for name in _still_defined(config, subjects):
        print_text(f"warning: {name} is still in the definitions: the next palette apply adds it again", err=True)


def rename(
    name: Annotated[
        str, typer.Argument(help="ENTITY:GROUP or ENTITY:GROUP:FEATURE", autocompletion=completion.subjects)
    ],
    new: Annotated[str, typer.Argument(metavar="NEW_NAME", help="New name of the group or feature.")],
    allow_breaking: Annotated[
        bool, typer.Option("--allow-breaking", help="Required: models look up the old name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what changes, and which models that affects.")
    ] = (False),
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Rename a feature group, whose table is moved, or a feature, whose values are copied.

    If the definitions next to the configuration have the new name already, they are applied.
    """
    from palette.definitions import FeatureGroup

    store, old = open_store(config), subject_of(name)
    group = ":".join(old.split(":")[:2])
    new_group = group if old.count(":") == 2 else f"{old.partition(':')[0]}:{new}"
    groups = [item for item in _load_defined(config) if isinstance(item, FeatureGroup)]
    defined = [item for item in groups if item.full_name == new_group]
    if old.count(":") == 2:
        feature = old.rpartition(":")[2]
        defined = [item for item in defined if new in item.readable and feature not in item.readable]
    changes = store.plan(*defined, rename={old: new})
    if not dry_run:
        if not allow_breaking:
            changes.check_breaking("--allow-breaking")
        store.apply(changes, allow_breaking=True)
    _show(changes, as_json)
    for defined_name in _still_defined(config, [old]):
        print_text(
            f"warning: {defined_name} is still in the definitions: the next palette apply adds it again", err=True
        )


def _load_defined(config: Path) -> list[Entity | FeatureGroup]:
    """Return the definitions next to the configuration, if there are any."""
    from palette.definitions import load_definitions

    (folder,) = definitions_beside(config, None)
    if not folder.is_dir() or not any(folder.rglob("*.y*ml")):
        return []
    return load_definitions(folder)


def _still_defined(config: Path, names: list[str]) -> list[str]:
    """Return the names that the definitions next to the configuration contain."""
    from palette.definitions import Entity

    known: set[str] = set()
    for item in _load_defined(config):
        if isinstance(item, Entity):
            known.add(item.name)
        else:
            known |= {item.full_name, *(f"{item.full_name}:{feature.name}" for feature in item.features)}
    return [name for name in names if name in known]


def _show(changes: Changes, as_json: bool) -> None:
    if as_json:
        print_json(json.loads(changes.to_json()))
    else:
        print_text(str(changes), lines=True)
