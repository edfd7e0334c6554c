"""Checks of ``palette validate`` beyond the form of each definition, if possible without a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palette.catalog.definitions.compatibility import check_directories, check_group, check_together
from palette.catalog.features.origins import sql_error
from palette.cli.project import open_store
from palette.definitions import BatchSource, Entity, FeatureGroup, StreamSource
from palette.errors import DefinitionError, PaletteError, nearest
from palette.feeds.batch.source_functions import Modules

__all__ = ["check_definitions"]


def check_definitions(definitions: Sequence[Entity | FeatureGroup], config: Path) -> list[str]:
    """Validate definitions together, and return warnings.

    Parameters
    ----------
    definitions : sequence of Entity and FeatureGroup
        The definitions to check.
    config : Path
        The store's configuration, if it exists. The catalog is read only for entities that are not among the
        definitions.

    Raises
    ------
    DefinitionError
        If names clash, an entity is unknown, or a function's module is not allowed.
    """
    entities = {item.name: item for item in definitions if isinstance(item, Entity)}
    groups = [item for item in definitions if isinstance(item, FeatureGroup)]
    check_together(entities, [group.full_name for group in groups])
    applied, warnings = _applied_entities(
        config, [group for group in groups if group.entity not in entities], list(entities)
    )
    known = {**applied, **entities}
    for group in groups:
        check_directories(group)
        if group.entity in known or not warnings:
            check_group(group, known, known)
    _check_modules(groups, config)
    return [*warnings, *_sql_warnings(groups)]


def _applied_entities(
    config: Path, groups: Sequence[FeatureGroup], known: Sequence[str]
) -> tuple[Mapping[str, Entity], list[str]]:
    """Return the entities of the catalog if groups need them, and warnings where it cannot be read."""
    if not groups:
        return {}, []
    try:
        return open_store(config).catalog.definitions.entities(), []
    except (ImportError, PaletteError) as error:
        reason = str(error) if config.exists() else f"no store at {str(config)!r} to look it up"
    return {}, [
        f"{group.full_name}: entity {group.entity!r} is not among these definitions"
        f"{nearest(group.entity, known)} ({reason})"
        for group in groups
    ]


def _check_modules(groups: Sequence[FeatureGroup], config: Path) -> None:
    file = config / "palette.yaml" if config.is_dir() else config
    if not file.is_file():
        return
    from palette.definitions.config import read_config

    modules = Modules(read_config(file).feeds.modules)
    for group in groups:
        if isinstance(group.source, BatchSource) and group.source.function:
            try:
                modules.check(group.source.function)
            except DefinitionError as error:
                raise DefinitionError(f"{group.full_name}: {error}") from None


def _sql_warnings(groups: Sequence[FeatureGroup]) -> Iterator[str]:
    for group in groups:
        sql = group.source.sql if isinstance(group.source, (BatchSource, StreamSource)) else None
        if not sql:
            continue
        try:
            error = sql_error(sql)
        except ModuleNotFoundError:
            yield "SQL was not checked: pip install 'palette-features[catalog]'"
            return
        if error is not None:
            yield f"{group.full_name}: its SQL may be wrong, sqlglot does not understand it: {error}"
