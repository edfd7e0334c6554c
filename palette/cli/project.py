"""Which store a command works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palette.errors import DefinitionError

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["Config", "definitions_beside", "open_store"]

FILE = "palette.yaml"
Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="PALETTE_CONFIG", help="The store: its YAML file, or its directory."),
]


def open_store(config: Path) -> FeatureStore:
    """Open the store that a command works on.

    Raises
    ------
    DefinitionError
        If there is none.
    """
    from palette.store import FeatureStore

    if not config.exists():
        raise DefinitionError(
            f"no store at {str(config)!r}; name its YAML file or directory with --config, or make one"
        )
    return FeatureStore.open(config)


def definitions_beside(config: Path, named: list[Path] | None) -> list[Path]:
    """Return the definitions that were named, or the folder ``definitions`` beside the configuration."""
    if named:
        return named
    home = config if config.is_dir() else config.parent
    return [home / "definitions"]
