"""``palette search`` and ``palette show``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palette.cli import completion
from palette.cli.output import Json, print_json, print_table, print_text
from palette.cli.project import FILE, Config, open_store, subject_of
from palette.errors import FeatureNotFoundError, NotFoundError, nearest

if TYPE_CHECKING:
    from palette.catalog.definitions.definitions import DefinitionVersion
    from palette.store import FeatureStore

__all__ = ["search", "show"]


class Kind(StrEnum):
    """What computes a feature."""

    BATCH = "batch"
    STREAM = "stream"
    RPC = "rpc"


def search(
    text: Annotated[str | None, typer.Argument(help="Words of names, descriptions and tags.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only of this entity.", autocompletion=completion.entities)] = None,
    group: Annotated[str | None, typer.Option(help="Only of this group.", autocompletion=completion.groups)] = None,
    dtype: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only with such a source.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this owner.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; again for one more.")] = None,
    used_by: Annotated[
        str | None, typer.Option(help="Only what this model uses.", autocompletion=completion.models)
    ] = None,
    fresher_than: Annotated[str | None, typer.Option(help="Only if materialized up to 2h, 7d, ... ago.")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Only what somebody vouches for.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Find features by words, filters, or both; the best come first."""
    store = open_store(config)
    found = store.search(
        text,
        limit=limit,
        entity=entity,
        group=group,
        dtype=dtype,
        kind=None if kind is None else kind.value,
        owner=owner,
        tag=tag or None,
        used_by=used_by,
        fresher_than=fresher_than,
        curated=curated or None,
    )
    if not found:
        _refuse_unknown(store, entity, group, used_by)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    from palette.catalog.features.search import COLUMNS

    print_table(tuple(COLUMNS), ([value(one) for value in COLUMNS.values()] for one in found))
    if not found:
        typer.echo("nothing found", err=True)


def _refuse_unknown(store: FeatureStore, entity: str | None, group: str | None, model: str | None) -> None:
    """Raise :class:`NotFoundError` where nothing was found because a name is wrong; near names are offered."""
    if entity is not None:
        store.entity(entity)
    if group is not None and ":" in group:
        store.group(group)
    elif group is not None:
        known = {one.name for one in store.catalog.definitions.groups().values()}
        if group not in known:
            raise FeatureNotFoundError(f"no feature group {group!r}{nearest(group, known)}")
    if model is not None and not store.models(model):
        raise NotFoundError(f"no model {model!r}{nearest(model, {one.name for one in store.models()})}")


def show(
    name: Annotated[
        str, typer.Argument(help="ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE", autocompletion=completion.subjects)
    ],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Show an entity, a feature group or a feature: its definition, and what people and pipelines say about it."""
    told = _told(open_store(config), subject_of(name))
    if as_json:
        print_json(told)
        return
    for word, value in (told | {"curated": "yes" if told["curated"] else None}).items():
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
    forms = (_of_entity, _of_group, _of_feature)
    told = forms[name.count(":")](store, name)
    marks = store.catalog.features.marks(name)
    told |= {"curated": "curated" in marks, "deprecated": marks.get("deprecated")}
    told["notes"] = [{"at": note.at, "who": note.who, "text": note.text} for note in store.catalog.features.notes(name)]
    versions = _feature_versions(store, name) if name.count(":") == 2 else store.catalog.definitions.history(name)
    told["versions"] = [
        {"version": one.version, "action": one.action, "who": one.who, "at": one.at} for one in versions
    ]
    return told


def _of_entity(store: FeatureStore, name: str) -> dict[str, Any]:
    from palette.definitions.yaml.documents import to_plain

    told = to_plain(store.entity(name))
    return told | {
        "groups": [group for group, found in store.catalog.definitions.groups().items() if found.entity == name]
    }


def _of_group(store: FeatureStore, name: str) -> dict[str, Any]:
    from palette.catalog.tables import BACKFILL, TABLE
    from palette.definitions.yaml.documents import to_plain

    marks = store.catalog.feeds.watermarks(name)
    told = to_plain(store.group(name))
    told["watermarks"] = {mark: at for mark, at in marks.items() if not mark.startswith((BACKFILL, TABLE))}
    return told | {"runs": store.catalog.feeds.runs(name, limit=5)}


def _of_feature(store: FeatureStore, name: str) -> dict[str, Any]:
    """Tell of a feature, with the owner, tags and kind that it has from its group and entity."""
    full_name, _, word = name.rpartition(":")
    group = store.group(full_name)
    told = {"name": name, **group.feature(word).model_dump(exclude_defaults=True, exclude={"name"})}
    if (found := store.catalog.features.describe(name)) is not None:
        told |= {"owner": found.owner, "tags": list(found.tags), "kind": found.kind, "stars": found.stars}
    told["keys"] = store.entity(group.entity).keys
    told["models"] = [
        {"model": one.name, "version": one.version, "stage": one.stage, "importance": one.features.get(name)}
        for one in store.catalog.models.versions(feature=name)
    ]
    return told


def _feature_versions(store: FeatureStore, name: str) -> Iterator[DefinitionVersion]:
    """Yield those versions of a feature's group in which it was added, changed or removed."""
    group, _, word = name.rpartition(":")
    before = None
    for one in store.catalog.definitions.history(group):
        features = getattr(one.definition, "features", ())
        now = next((feature for feature in features if feature.name == word), None)
        if now != before:
            yield one._replace(action="added" if before is None else "removed" if now is None else "changed")
        before = now
