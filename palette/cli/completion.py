"""Shell completion of names in the catalog of the command's store."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from palette.cli.project import FILE, open_store
from palette.errors import PaletteError

if TYPE_CHECKING:
    from palette.catalog import SqlCatalog

__all__ = ["entities", "groups", "lineage_names", "models", "subjects", "whole_words"]


def entities(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of an entity."""
    return _complete(ctx, incomplete, lambda catalog: catalog.definitions.entities())


def groups(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the full name of a feature group."""
    return _complete(ctx, incomplete, lambda catalog: catalog.definitions.groups())


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a model."""
    return _complete(ctx, incomplete, lambda catalog: {model.name for model in catalog.models.versions()})


def subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of an entity, or the full name of a feature group."""
    return _complete(ctx, incomplete, lambda catalog: [*catalog.definitions.entities(), *catalog.definitions.groups()])


def lineage_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the full name of a feature group, or the name of a model."""
    return _complete(
        ctx,
        incomplete,
        lambda catalog: {*catalog.definitions.groups(), *(model.name for model in catalog.models.versions())},
    )


def _complete(ctx: typer.Context, incomplete: str, known: Callable[[SqlCatalog], Iterable[str]]) -> list[str]:
    try:
        names = known(open_store(Path(ctx.params.get("config") or FILE)).catalog)
        return sorted(name for name in names if name.startswith(incomplete))
    except (ImportError, OSError, PaletteError):
        # A completion shows no errors.
        return []


@contextlib.contextmanager
def whole_words(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Join words that bash has split at colons, and complete the part after the last colon."""
    if environment.get("_PALETTE_COMPLETE") != "complete_bash" or not environment.get("COMP_CWORD", "").isdigit():
        yield
        return
    words = join_colons(environment.get("COMP_WORDS", "").split("\n")[: int(environment["COMP_CWORD"]) + 1])
    environment["COMP_WORDS"], environment["COMP_CWORD"] = "\n".join(words), str(len(words) - 1)
    prefix = "".join(words[-1].rpartition(":")[:2])
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            yield
    finally:
        sys.stdout.write("".join(line.removeprefix(prefix) for line in output.getvalue().splitlines(keepends=True)))


def join_colons(words: Iterable[str]) -> list[str]:
    """Join words that were split at colons.

    Examples
    --------
    >>> join_colons(["palette", "show", "shop", ":", "orders", ":", "x", ""])
    ['palette', 'show', 'shop:orders:x', '']
    """
    joined: list[str] = []
    for word in words:
        if joined and word and (word.startswith(":") or joined[-1].endswith(":")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined
