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
    """Kinds of sources."""

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
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; may be repeated.")] = None,
    used_by: Annotated[
        str | None, typer.Option(help="Only features that this model uses.", autocompletion=completion.models)
    ] = None,
    fresher_than: Annotated[str | None, typer.Option(help="Only if materialized up to 2h, 7d, ... ago.")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Only curated features.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of features.", min=1)] = 50,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Search features by words, filters, or both, best match first."""
    store = open_store(config)
    features = store.search(
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
    if not features:
        _check_names(store, entity, group, used_by)
    if as_json:
        print_json([asdict(feature) for feature in features])
        return
    from palette.catalog.features.search import COLUMNS

    print_table(tuple(COLUMNS), ([value(feature) for value in COLUMNS.values()] for feature in features))
    if not features:
        typer.echo("nothing found", err=True)


def _check_names(store: FeatureStore, entity: str | None, group: str | None, model: str | None) -> None:
    """Raise :class:`NotFoundError` for an unknown name in a filter; near names are offered."""
    if entity is not None:
        store.entity(entity)
    if group is not None and ":" in group:
        store.group(group)
    elif group is not None:
        known = {group.name for group in store.catalog.definitions.groups().values()}
        if group not in known:
            raise FeatureNotFoundError(f"no feature group {group!r}{nearest(group, known)}")
    if model is not None and not store.models(model):
        raise NotFoundError(f"no model {model!r}{nearest(model, {record.name for record in store.models()})}")


def show(
    name: Annotated[
        str, typer.Argument(help="ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE", autocompletion=completion.subjects)
    ],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Show an entity, a feature group or a feature: its definition, annotations, runs and models."""
    details = _describe(open_store(config), subject_of(name))
    if as_json:
        print_json(details)
        return
    for key, value in (details | {"curated": "yes" if details["curated"] else None}).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print_text(f"\n{key}", lines=True)
            columns = list(dict.fromkeys(column for row in value for column in row))
            print_table(columns, ([row.get(column) for column in columns] for row in value))
        elif value not in (None, "", [], {}):
            shown = ", ".join(f"{name}: {item}" for name, item in value.items()) if isinstance(value, dict) else value
            text = ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
            # So that no line of a value looks like another key.
            print_text(f"{key}: {text}".replace("\n", "\n  "), lines=True)


def _describe(store: FeatureStore, name: str) -> dict[str, Any]:
    forms = (_of_entity, _of_group, _of_feature)
    details = forms[name.count(":")](store, name)
    marks = store.catalog.features.marks(name)
    details |= {"curated": "curated" in marks, "deprecated": marks.get("deprecated")}
    details["notes"] = [
        {"at": note.at, "who": note.who, "text": note.text} for note in store.catalog.features.notes(name)
    ]
    versions = _feature_versions(store, name) if name.count(":") == 2 else store.catalog.definitions.history(name)
    details["versions"] = [
        {"version": version.version, "action": version.action, "who": version.who, "at": version.at}
        for version in versions
    ]
    return details


def _of_entity(store: FeatureStore, name: str) -> dict[str, Any]:
    from palette.definitions.yaml.documents import to_plain

    groups = store.catalog.definitions.groups().values()
    return to_plain(store.entity(name)) | {"groups": [group.full_name for group in groups if group.entity == name]}


def _of_group(store: FeatureStore, name: str) -> dict[str, Any]:
    from palette.definitions.yaml.documents import to_plain

    details = to_plain(store.group(name))
    details["watermarks"] = store.catalog.feeds.state(name).to_plain()
    return details | {"runs": store.catalog.feeds.runs(name, limit=5)}


def _of_feature(store: FeatureStore, name: str) -> dict[str, Any]:
    """Return a feature, with the owner, tags and kind that it inherits from its group and entity."""
    full_name, _, feature_name = name.rpartition(":")
    group = store.group(full_name)
    details = {"name": name, **group.feature(feature_name).model_dump(exclude_defaults=True, exclude={"name"})}
    if (indexed := store.catalog.features.describe(name)) is not None:
        details |= {"owner": indexed.owner, "tags": list(indexed.tags), "kind": indexed.kind, "stars": indexed.stars}
    details["keys"] = store.entity(group.entity).keys
    details["models"] = [
        {"model": model.name, "version": model.version, "stage": model.stage, "importance": model.features.get(name)}
        for model in store.catalog.models.versions(feature=name)
    ]
    return details


def _feature_versions(store: FeatureStore, name: str) -> Iterator[DefinitionVersion]:
    """Yield the versions of a feature's group in which it was added, changed or removed."""
    group, _, feature_name = name.rpartition(":")
    before = None
    for version in store.catalog.definitions.history(group):
        features = getattr(version.definition, "features", ())
        now = next((feature for feature in features if feature.name == feature_name), None)
        if now != before:
            yield version._replace(action="added" if before is None else "removed" if now is None else "changed")
        before = now
