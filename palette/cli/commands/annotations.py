"""``palette note``, ``rate``, ``curate`` and ``deprecate``: annotations."""

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
Undo = Annotated[bool, typer.Option("--undo", help="Undo it.")]


def note(
    subject: Subject,
    text: Annotated[str, typer.Argument(help="Text of the note.")],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Add a note to an entity, a feature group or a feature; palette show prints it."""
    subject = subject_of(subject)
    open_store(config).catalog.features.note(subject, text)
    _report(as_json, f"noted on {subject}", subject=subject, note=text)


def rate(
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="ENTITY:GROUP:FEATURE")],
    stars: Annotated[int, typer.Argument(help="From 1 to 5; a newer rating of yours replaces the older.")],
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Rate a feature with one to five stars; search ranks by them."""
    feature = subject_of(feature)
    open_store(config).catalog.features.rate(feature, stars)
    _report(as_json, f"{feature} has {stars} of 5 stars from you", subject=feature, stars=stars)


def curate(subject: Subject, undo: Undo = False, config: Config = Path(FILE), as_json: Json = False) -> None:
    """Mark an entity, a feature group or a feature, and all under it, as curated; search ranks these first."""
    subject = subject_of(subject)
    open_store(config).catalog.features.curate(subject, not undo)
    _report(as_json, f"{subject} is {'not ' * undo}curated", subject=subject, curated=not undo)


def deprecate(
    subject: Subject,
    reason: Annotated[
        str | None, typer.Argument(help="Reason, and what to use instead.", show_default="deprecated")
    ] = None,
    undo: Undo = False,
    config: Config = Path(FILE),
    as_json: Json = False,
) -> None:
    """Mark an entity, a feature group or a feature, and all under it, as deprecated.

    Uses of it warn with the reason; search ranks it last.
    """
    if undo and reason is not None:
        raise ArgumentError("--undo does not take a reason")
    subject, reason = subject_of(subject), None if undo else reason if reason is not None else "deprecated"
    open_store(config).catalog.features.deprecate(subject, reason)
    _report(as_json, f"{subject} is {'not ' * undo}deprecated", subject=subject, deprecated=reason)


def _report(as_json: bool, line: str, **fields: object) -> None:
    if as_json:
        print_json(fields)
    else:
        print_text(line)
