"""``palette search`` and ``palette show``."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palette.cli.output import Json, print_json, print_table, print_text
from palette.cli.project import FILE, Config, open_store
from palette.errors import DefinitionError

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["search", "show"]


class Kind(StrEnum):
    """What computes a feature."""

    BATCH = "batch"
    STREAM = "stream"
    RPC = "rpc"


def search(
    text: Annotated[str | None, typer.Argument(help="Words of names, descriptions and tags.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only of this entity.")] = None,
    group: Annotated[str | None, typer.Option(help="Only of this group.")] = None,
    dtype: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only with such a source.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this owner.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    used_by: Annotated[str | None, typer.Option(help="Only what this model uses.")] = None,
    fresher_than: Annotated[str | None, typer.Option(help="Only if materialized within 2h, 7d, ...")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Only what somebody vouches for.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Find features by words, filters, or both; the best come first."""
    found = open_store(config).search(
        text,
        limit=limit,
        entity=entity,
        group=group,
        dtype=dtype,
        kind=None if kind is None else kind.value,
        owner=owner,
        tag=tag,
        used_by=used_by,
        fresher_than=fresher_than,
        curated=curated or None,
    )
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table(
        ("feature", "type", "models", "stars", "description"),
        (
            (one.expression, one.dtype, one.uses or "", one.stars, f"{_marks(one)}{one.description}".strip())
            for one in found
        ),
    )
    if not found:
        typer.echo("nothing found", err=True)


def _marks(found: Any) -> str:
    marks = ["curated"] if found.curated else []
    marks += [f"deprecated: {found.deprecated}"] if found.deprecated is not None else []
    return "".join(f"[{mark}] " for mark in marks)


def show(
    name: Annotated[str, typer.Argument(help="ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE")],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Show an entity, a feature group or a feature: its definition, and what people and pipelines say about it."""
    told = _told(open_store(config), name)
    if as_json:
        print_json(told)
        return
    for word, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print_text(f"\n{word}", lines=True)
            columns = list(dict.fromkeys(key for row in value for key in row))
            print_table(columns, ([row.get(column) for column in columns] for row in value))
        elif value not in (None, "", [], {}):
            shown = ", ".join(f"{key}: {one}" for key, one in value.items()) if isinstance(value, dict) else value
            text = ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
            # So that no line of a text is taken for another word.
            print_text(f"{word}: {text}".replace("\n", "\n  "), lines=True)


def _told(store: FeatureStore, name: str) -> dict[str, Any]:
    from palette.catalog.tables import BACKFILL
    from palette.definitions.documents import to_plain

    parts = name.split(":")
    if len(parts) == 1:
        told = to_plain(store.entity(name))
        told["groups"] = [group for group, found in store.catalog.groups().items() if found.entity == name]
    elif len(parts) == 2:
        told = to_plain(store.group(name))
        marks = store.catalog.watermarks(name)
        told["watermarks"] = {mark: at for mark, at in marks.items() if not mark.startswith(BACKFILL)}
        told["runs"] = store.catalog.runs(name, limit=5)
    elif len(parts) == 3:
        group = store.group(":".join(parts[:2]))
        feature = group.feature(parts[2])
        told = {"name": name, **feature.model_dump(exclude_defaults=True, exclude={"name"})}
        told["keys"] = store.entity(group.entity).keys
        told["models"] = [
            {"model": one.name, "version": one.version, "stage": one.stage, "importance": one.features.get(name)}
            for one in store.catalog.models(feature=name)
        ]
    else:
        raise DefinitionError(f"{name!r}: expected ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE")
    told["notes"] = [{"at": note.at, "who": note.who, "text": note.text} for note in store.catalog.notes(name)]
    if len(parts) < 3:
        told["versions"] = [
            {"version": one.version, "action": one.action, "who": one.who, "at": one.at}
            for one in store.catalog.history(name)
        ]
    return told
