"""Store of a command, and its definitions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palette.errors import DefinitionError
from palette.paths import COPY_HERE, local_path

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["Config", "definitions_beside", "local", "local_all", "open_store", "subject_of"]

FILE = "palette.yaml"
# A store's directory contains at least one of these.
MARKS = (FILE, "catalog.db", "catalog.json")


def local(path: Path | None) -> Path | None:
    """Return the local path of an argument, which may be a ``file:`` URI; other file systems are a usage error."""
    try:
        return None if path is None else local_path(path, "this", COPY_HERE)
    except DefinitionError as error:
        raise typer.BadParameter(str(error)) from None


def local_all(paths: list[Path] | None) -> list[Path] | None:
    """Return the local paths of a repeated argument; see :func:`local`."""
    return None if paths is None else [path for path in map(local, paths) if path is not None]


Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="PALETTE_CONFIG", callback=local, help="The store: its YAML file, or its directory."
    ),
]


def open_store(config: Path, *, may_be_new: bool = False) -> FeatureStore:
    """Open the store that a command works on.

    Parameters
    ----------
    config : Path
        Its YAML file, or its directory.
    may_be_new : bool
        Whether the directory may be empty.

    Raises
    ------
    DefinitionError
        If there is no store.
    """
    from palette.store import FeatureStore

    if not config.exists():
        raise DefinitionError(
            f"no store at {str(config)!r}; name its YAML file or directory with --config, or make one: palette init"
        )
    if not may_be_new and config.is_dir() and not any((config / mark).exists() for mark in MARKS):
        raise DefinitionError(
            f"no store at {str(config)!r}: the directory has neither palette.yaml nor catalog.db; name another with "
            "--config, or palette apply begins one there"
        )
    return FeatureStore.open(config)


def subject_of(name: str) -> str:
    """Return ``ENTITY``, ``ENTITY:GROUP`` or ``ENTITY:GROUP:FEATURE``; the join key of an expression is dropped.

    Raises
    ------
    DefinitionError
        If it is none of these.

    Examples
    --------
    >>> subject_of("restaurant:order_history:prep_time:r_id")
    'restaurant:order_history:prep_time'
    """
    parts = name.removeprefix("@palette:").split(":")
    if len(parts) > 4 or not all(parts):
        raise DefinitionError(f"{name!r}: expected ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE")
    return ":".join(parts[:3])


def definitions_beside(config: Path, named: list[Path] | None) -> list[Path]:
    """Return the definitions of the argument, or the folder ``definitions`` next to the configuration."""
    if named:
        return named
    home = config if config.is_dir() else config.parent
    return [home / "definitions"]
