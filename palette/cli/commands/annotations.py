"""``palette note``, ``rate``, ``curate`` and ``deprecate``: what people say about features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palette.cli import completion
from palette.cli.output import Json, print_json, print_text
from palette.cli.project import FILE, Config, open_store, subject_of
from palette.errors import ArgumentError

__all__ = ["curate", "deprecate", "note", "rate"]

Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE", autocompletion=completion.subjects
    ),
]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]


def note(
    subject: Subject,
    text: Annotated[str, typer.Argument(help="What there is to know.")],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Write a note on an entity, a feature group or a feature; palette show tells it."""
    subject = subject_of(subject)
    open_store(config).catalog.features.note(subject, text)
    _tell(as_json, f"noted on {subject}", subject=subject, note=text)


def rate(
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="ENTITY:GROUP:FEATURE")],
    stars: Annotated[int, typer.Argument(help="From 1 to 5; a newer rating of yours replaces the older.")],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Give a feature one to five stars; search puts well rated ones first."""
    feature = subject_of(feature)
    open_store(config).catalog.features.rate(feature, stars)
    _tell(as_json, f"{feature} has {stars} of 5 stars from you", subject=feature, stars=stars)


def curate(subject: Subject, undo: Undo = False, config: Config = Path(FILE), as_json: Json = False) -> None:
    """Vouch for an entity, a feature group or a feature, and all under it; search puts these first."""
    subject = subject_of(subject)
    open_store(config).catalog.features.curate(subject, not undo)
    _tell(as_json, f"{subject} is {'not ' * undo}curated", subject=subject, curated=not undo)


def deprecate(
    subject: Subject,
    reason: Annotated[
        str | None, typer.Argument(help="Why, and what to take instead.", show_default="deprecated")
    ] = None,
    undo: Undo = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Say that an entity, a feature group or a feature, and all under it, should not be used any more.

    Who uses it gets a warning with the reason; search puts it last.
    """
    if undo and reason is not None:
        raise ArgumentError("--undo takes a deprecation back, and needs no reason")
    subject, told = subject_of(subject), None if undo else reason if reason is not None else "deprecated"
    open_store(config).catalog.features.deprecate(subject, told)
    _tell(as_json, f"{subject} is {'not ' * undo}deprecated", subject=subject, deprecated=told)


def _tell(as_json: bool, line: str, **told: object) -> None:
    if as_json:
        print_json(told)
    else:
        print_text(line)
