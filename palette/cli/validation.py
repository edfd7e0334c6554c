"""What ``palette validate`` checks beyond the form of each definition, without a store where it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palette.catalog.definitions.compatibility import check_directories, check_group, check_together
from palette.catalog.features.origins import sql_fault
from palette.cli.project import open_store
from palette.definitions import BatchSource, Entity, FeatureGroup, StreamSource
from palette.errors import DefinitionError, PaletteError, nearest
from palette.feeds.source_functions import Modules

__all__ = ["check_definitions"]


def check_definitions(definitions: Sequence[Entity | FeatureGroup], config: Path) -> list[str]:
    """Refuse definitions that do not fit together, and return what may be wrong.

    Parameters
    ----------
    definitions : sequence of Entity and FeatureGroup
        What is checked.
    config : Path
        The store's configuration, if it is there. The catalog is only asked of entities that are not among the
        definitions.

    Raises
    ------
    DefinitionError
        If names clash, there is no such entity, or a function's module is not allowed.
    """
    entities = {one.name: one for one in definitions if isinstance(one, Entity)}
    groups = [one for one in definitions if isinstance(one, FeatureGroup)]
    check_together(entities, [group.full_name for group in groups])
    applied, doubts = _applied(config, [group for group in groups if group.entity not in entities], list(entities))
    known = {**applied, **entities}
    for group in groups:
        check_directories(group)
        if group.entity in known or not doubts:
            check_group(group, known, known)
    _check_modules(groups, config)
    return [*doubts, *_sql_doubts(groups)]


def _applied(
    config: Path, strangers: Sequence[FeatureGroup], known: Sequence[str]
) -> tuple[Mapping[str, Entity], list[str]]:
    """Return the entities of the catalog if some are asked for; where it cannot tell, what may be missing."""
    if not strangers:
        return {}, []
    try:
        return open_store(config).catalog.definitions.entities(), []
    except (ImportError, PaletteError) as error:
        why = str(error) if config.exists() else f"no store at {str(config)!r} could be asked"
    return {}, [
        f"{group.full_name}: entity {group.entity!r} is not among these definitions"
        f"{nearest(group.entity, known)} ({why})"
        for group in strangers
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


def _sql_doubts(groups: Sequence[FeatureGroup]) -> Iterator[str]:
    for group in groups:
        sql = group.source.sql if isinstance(group.source, (BatchSource, StreamSource)) else None
        if not sql:
            continue
        try:
            fault = sql_fault(sql)
        except ModuleNotFoundError:
            yield "SQL was not looked at: pip install 'palette-features[catalog]'"
            return
        if fault is not None:
            yield f"{group.full_name}: its SQL may be wrong, sqlglot does not understand it: {fault}"
